"""Raters at work: how much each judged, how fast, and how far others see it as they do.

A rater is compared with what others said of the same case: with the other one where there is one,
else with the verdict that more than half of the others share. The rater is never among those they
are compared with, which would flatter them. It says who differs, not who is right: a rater who sees
what the others overlook disagrees as much as one who guesses.
"""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from gem_backend.agreement import Rating
from gem_backend.judged import JudgedCase
from gem_backend.label_health import TimeCheck, case_time
from gem_backend.statistics import wilson
from gem_backend.types import Estimate


@dataclass(frozen=True, slots=True)
class RaterRow:
    """One rater's figures; shares have Wilson's 95 % interval.

    ``num_judged`` counts the judgements that hold, one a case; the two shares are of those.
    ``with_others`` is the share of the cases judged by others too on which they agree, None where
    there is no such case; ``num_split`` more are left out because the others have no majority.
    ``last_active`` is ISO 8601 in UTC, empty where nobody knows.
    """

    rater: str
    num_judged: int
    time: TimeCheck
    cannot_judge: Estimate
    both_bad: Estimate
    with_others: Estimate | None
    num_split: int
    last_active: str


def rater_rows(
    ratings: Sequence[Rating], cases: Sequence[JudgedCase], last_active: Mapping[str, str]
) -> tuple[RaterRow, ...]:
    """Return a row for each rater who has a judgement that holds, in alphabetical order.

    Args:
        ratings: each rater's verdict on each case as it stands, one a rater and case.
        cases: every judgement that was not taken back, with its time.
        last_active: when a rater last said something here.
    """
    given, timed = defaultdict(list), defaultdict(list)
    for rating in ratings:
        given[rating.rater].append(rating)
    for case in cases:
        timed[case.rater].append(case)
    votes = _votes(ratings)
    return tuple(
        _row(rater, given[rater], timed[rater], votes, last_active.get(rater, ""))
        for rater in sorted(given)
    )


def _row(
    rater: str,
    given: Sequence[Rating],
    timed: Sequence[JudgedCase],
    votes: Mapping[str, Counter[str]],
    last_active: str,
) -> RaterRow:
    said = Counter(rating.category for rating in given)
    agrees, num_split = [], 0
    for rating in given:
        others = votes[rating.case_id] - Counter([rating.category])
        if not others:
            continue
        shared = majority(others)
        if shared is None:
            num_split += 1
        else:
            agrees.append(shared == rating.category)
    return RaterRow(
        rater=rater,
        num_judged=len(given),
        time=case_time(timed),
        cannot_judge=wilson(said["cannot_judge"], len(given)),
        both_bad=wilson(said["both_bad"], len(given)),
        with_others=wilson(sum(agrees), len(agrees)) if agrees else None,
        num_split=num_split,
        last_active=last_active,
    )


def majority(votes: Counter[str]) -> str | None:
    """Return the category that more than half of the votes share, None where there is none."""
    category, number = votes.most_common(1)[0]
    return category if 2 * number > votes.total() else None


def _votes(ratings: Sequence[Rating]) -> dict[str, Counter[str]]:
    """How often each category was given to each case."""
    votes: dict[str, Counter[str]] = defaultdict(Counter)
    for rating in ratings:
        votes[rating.case_id][rating.category] += 1
    return votes
