"""Every sentence about how answers are drawn, and about those that were drawn before."""

from typing import Final

from app.text import local_time
from app.text.runs import counted

FOLD: Final = "How answers are drawn"
TEMPERATURE_HINT: Final = "Higher: more varied answers. Around 0.9 is usual."
TOP_P: Final = "Most likely words only (top-p)"
TOP_P_HINT: Final = "1: any word may come. Lower: no unlikely ones."
LONGEST: Final = "Longest answer, in tokens"
LONGEST_HINT: Final = "Longer ones are cut off. A token is about three quarters of a word."
SEED_HINT: Final = "The same seed draws the same answers again."
OUT_OF_RANGE: Final = "This number does not fit"
TOP_P_REFUSED: Final = (
    "“Most likely words only” takes a number above 0 and up to 1; 1 lets any word come."
)


def longest_refused(most: int) -> str:
    """Return which lengths an answer can have."""
    return f"The longest answer can be from 1 to {most:,} tokens; give a whole number."


# --- those that were drawn before -------------------------------------------------------------
GROUPS: Final = "Which answers are shown"
GROUPS_HINT: Final = "This question was sampled more than once; the newest answers come first."


def group_words(drawn_at: str, num_answers: int, model: str, how: tuple[float, float, int]) -> str:
    """Return a group in a list.

    Args:
        drawn_at: when its newest answer was drawn, as stored.
        num_answers: how many it has.
        model: what drew them, as it is called on screen.
        how: temperature, top-p and seed.
    """
    temperature, top_p, seed = how
    only = "" if top_p == 1 else f", top-p {top_p:g}"
    return (
        f"{local_time(drawn_at)} · {counted(num_answers, 'answer')} · {model} · "
        f"variety {temperature:g}{only}, seed {seed}"
    )


def foreign_model(name: str, adapter: str | None) -> str:
    """Return what the studio calls a model that is not its own."""
    return f"{name} with adapter {adapter}" if adapter else name
