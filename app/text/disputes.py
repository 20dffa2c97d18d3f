"""Every sentence about cases on which raters disagree."""

from typing import Final

TITLE: Final = "Disagreements"
HINT: Final = (
    "Cases on which raters gave different verdicts, or prefer the same answer and differ on "
    "whether it may be used; and those that are settled. What you settle here is what trains; what "
    "each rater said stays in the log and in the figures of agreement."
)
NONE: Final = "No case on which two raters differ. Two raters on the same cases are needed first."
CASE: Final = "Case"
VERDICT: Final = "What is right?"
STRENGTH: Final = "By how much?"
ACCEPTABLE: Final = "The better one is acceptable to use"
RATIONALE: Final = "Why (for the log)"
SETTLE: Final = "Settle this case"
WITHDRAW: Final = "Take my settlement back"
SETTLED: Final = "Settled. It trains as you decided."
WITHDRAWN: Final = "Taken back. What the raters said counts again."
NOT_MINE: Final = "There is no settlement of yours on this case; who settled it can take that back."
SAID_HEAD: Final = ("Who", "Verdict", "Reasons", "In their words")
SAID_CAPTION: Final = "What was said about this case"


def progress(settled: int, total: int) -> str:
    """Return how many of the cases are settled."""
    return f"{settled:,} of {total:,} settled."


def listed(number: int) -> str:
    """Return, after another sentence, that only some cases are in the list."""
    return f" The first {number:,} are in the list; as you settle them, others follow."


def settled_by(rater: str) -> str:
    """Return the name in front of a final label."""
    return f"Settled by {rater}"


def case_name(number: int, question: str, is_settled: bool) -> str:
    """Return a case's line in the list."""
    return f"{number}. {question}{' (settled)' if is_settled else ''}"
