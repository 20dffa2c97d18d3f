"""Every sentence about a prompt that is saved as a page of its own."""

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from gem_backend.types import Candidate

BUTTON: Final = "Save these answers as a page"
FILE: Final = "A page that opens in any browser, without the studio"
FILE_NAME: Final = "answers.html"
NOTHING: Final = "There are no answers to save yet; sample some first."
HEADING: Final = "Sampled answers"


def made_by(candidates: Sequence[Candidate]) -> str:
    """Return what sampled the answers, and how; of a model's folder the name alone."""
    made = [one.provenance for one in candidates]
    models = {
        f"{Path(one.model).name} with adapter {one.adapter}"
        if one.adapter
        else Path(one.model).name
        for one in made
    }
    temperatures = ", ".join(f"{value:g}" for value in sorted({one.temperature for one in made}))
    count = "1 answer" if len(made) == 1 else f"{len(made)} answers"
    return f"{count} of {', '.join(sorted(models))}, sampled at temperature {temperatures}"
