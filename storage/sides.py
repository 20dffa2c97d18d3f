"""Which answer a rater sees on the left: it changes over from one rater of a case to the next.

They are fixed once the rater has said something of the case, and even over many cases.
"""

from collections.abc import Mapping

from gem_backend.types import Answer, Case, Comparison
from storage.database import Database
from storage.identity import left_answer
from storage.standing import seen_lefts


def case_for(
    db: Database, comparison: Comparison, rater: str, shown: Mapping[str, Case] | None = None
) -> Case:
    """Return a comparison as a rater sees it.

    Args:
        db: the open database.
        comparison: the two answers.
        rater: who sees it; with the sides of before, where they have seen it.
        shown: what is on other raters' screens now, by rater.
    """
    lefts = {
        other: case.left
        for other, case in (shown or {}).items()
        if case.comparison.pair_id == comparison.pair_id
    }
    lefts |= seen_lefts(db, comparison.pair_id)
    own = lefts.pop(rater, None)
    return Case(comparison, own or _next_left(comparison.pair_id, rater, list(lefts.values())))


def turned(left: Answer) -> Answer:
    """Return the other answer."""
    return "b" if left == "a" else "a"


def _next_left(pair_id: str, rater: str, lefts: list[Answer]) -> Answer:
    """Return the answer that fewer others saw on the left; a fair coin's where as many saw both."""
    more = lefts.count("a") - lefts.count("b")
    if more:
        return "b" if more > 0 else "a"
    return left_answer(pair_id, rater)
