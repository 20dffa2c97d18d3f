"""What Explore says of answers that say the same in other words."""

from collections.abc import Sequence
from typing import Final

from gem_backend.engine_requests import LEAST_LIKENESS

BUTTON: Final = "Group these answers by meaning"
GROUPING: Final = "Reading the answers …"
NO_GROUP: Final = "There are no answers to group yet; sample some first."
NO_MODEL: Final = "The studio was started without a sentence model; see --sentence-model."
CAUTION: Final = (
    f"A sentence model joined answers that are at least {LEAST_LIKENESS:.1f} alike, of 1, with the "
    "same numbers and denials. It can still miss a word that decides: read them."
)


def meanings_words(groups: Sequence[Sequence[str]], total: int) -> str:
    """Return the groups in words: what the largest says, then the others.

    Args:
        groups: the different answers of each as written, the largest first, every one as often as
            it was given.
        total: of all answers, those without a final one too.
    """
    if not groups:
        return f"None of {total} gave a final answer."
    first, *others = groups
    if len(first) == 1:
        return f"No two of {total} answers mean the same. {CAUTION}"
    words = f"{len(first)} of {total} answers mean the same: {_quoted(first)}."
    if others:
        words += " The others: " + "; ".join(f"{_quoted(one)} ({len(one)})" for one in others) + "."
    return f"{words} {CAUTION}"


def _quoted(answers: Sequence[str]) -> str:
    return ", ".join(
        f"\N{LEFT DOUBLE QUOTATION MARK}{one}\N{RIGHT DOUBLE QUOTATION MARK}"
        for one in dict.fromkeys(answers)
    )
