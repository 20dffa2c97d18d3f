"""Every sentence about raters' agreement and the health of labels."""

from collections.abc import Sequence
from typing import Final

from app.text.runs import counted

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

COMPUTING: Final = "The figures are being worked out; they appear here when they are there."
OUTDATED: Final = "Labels have come since; the figures are being worked out anew."
NOT_WORKED_OUT: Final = "The figures could not be worked out; the studio's log has the details."

WORK_TITLE: Final = "Raters at work"
WORK_HINT: Final = (
    "One line a rater. Agreement is with the other rater of a case, or with what more than half of "
    "the others say. A rater who sees what others miss differs from them too, so look at the cases "
    "before you judge. Intervals are 95 % intervals. A final label is nobody's own and does not "
    "count."
)
WORK_HEAD: Final = (
    "Rater",
    "Judgements",
    "Time for a case",
    "Cannot judge",
    "Both bad",
    "Agrees with others",
    "Last active",
)
NO_RATER: Final = "Nobody has judged a case of this project yet."
NO_TIME: Final = "no times"
NONE_SHARED: Final = "none: nobody else judged these cases"
NEVER_HERE: Final = "never here: imported"

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

CYCLE_TITLE: Final = "One such circle"
CYCLE_QUESTION: Final = "Question"
CYCLE_ROUND: Final = (
    "Each answer was preferred to the next, and the last to the first. Where several people "
    "judged, it can be one of their majorities, with each of them consistent."
)
CONTRADICTED_TITLE: Final = "Cases judged differently the second time"
HEALTH_LOOK: Final = "Look at the labels before you start."
HEALTH_FINE: Final = "Nothing in the labels calls for a second look."
HEALTH_UNKNOWN: Final = (
    "Nothing is known of the labels' health yet: it takes preferences, cases that are shown twice, "
    "or three answers to one question."
)
HEALTH_PLACE: Final = "Data shows more."


def contradicted(rater: str, question: str, verdicts: Sequence[str]) -> str:
    """Return how one rater's verdicts on a case followed each other."""
    return f"{rater} on “{question}”: first {', then '.join(verdicts)}."


def verdict_on(verdict: str, answer_a: str, answer_b: str) -> str:
    """Return a verdict as something a rater did, the preferred answer by its beginning."""
    answers = {"a": answer_a, "b": answer_b}
    if verdict in answers:
        return f"preferred “{answers[verdict]}”"
    return "found both equally good" if verdict == "tie" else "found both bad"


def more_cases(number: int) -> str:
    """Return how many more there are than are listed."""
    return f"and {number:,} more"


def raters_of(first: str, second: str) -> str:
    """Return two raters' names side by side."""
    return f"{COHEN}: {first} and {second}"


def most_common_pairs(shown: int, num_pairs: int) -> str:
    """Return that of many pairs of raters only some are compared."""
    return f"Of {num_pairs:,} pairs of raters, the {shown:,} with most cases in common are shown."


def number_of(n: int) -> str:
    """Return how many cases are behind a figure."""
    return f"n = {n:,}"


def none_decided(num_split: int) -> str:
    """Return that no case can be compared, as the others differ on all of them."""
    return f"none: on {counted(num_split, 'common case')} the others have no majority"


def left_out(num_split: int) -> str:
    """Return how many common cases are not counted, and why."""
    return f"{num_split:,} more without a majority"
