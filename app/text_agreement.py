"""Every sentence about raters' agreement and the health of labels."""

from typing import Final

AGREEMENT_TITLE: Final = "Agreement"
AGREEMENT_HINT: Final = (
    "How far raters agree beyond chance: 1 is full agreement, 0 is what chance gives. Every figure "
    "has its 95 % interval and the number of cases behind it."
)
ONE_RATER: Final = "One rater so far. Agreement needs a second rater on the same cases."
AGREEMENT_HEAD: Final = ("Figure", "Value", "95 % interval", "Cases", "How to read it")
FLEISS: Final = "Fleiss' kappa, all raters"
KRIPPENDORFF: Final = "Krippendorff's alpha, all raters"
COHEN: Final = "Cohen's kappa"
RAW: Final = "agree on"
UNDEFINED: Final = "undefined"

HEALTH_TITLE: Final = "Label health"
HEALTH_HINT: Final = "Look here before a run: what the labels themselves give away."
HEALTH_HEAD: Final = ("Check", "Share", "95 % interval", "Of", "How to read it")
ALL_RATERS: Final = "all raters"
CYCLES: Final = "Circles (A over B over C over A)"
CONTRADICTIONS: Final = "The same case judged differently"
SIDE: Final = "Left answer preferred"
LENGTH: Final = "Longer answer preferred"
STYLE: Final = "Decided by style alone"
TIME: Final = "Time for a case"


def raters_of(first: str, second: str) -> str:
    """Return two raters' names side by side."""
    return f"{COHEN}: {first} and {second}"
