"""Raters at work: how much each judged, how fast, and how far others see it as they do.

A rater is compared with what others said of the same case: with the other one where there is one,
else with the verdict that more than half of the others share. The rater is never among those they
are compared with, which would flatter them. It says who differs, not who is right: a rater who sees
what the others overlook disagrees as much as one who guesses.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

from gem_backend.agreement_counts import Rating, Said
from gem_backend.judged import JudgedCase
from gem_backend.label_health import TimeCheck, time_check
from gem_backend.statistics import wilson
from gem_backend.types import Estimate

T = TypeVar("T")


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
    times_s = defaultdict(list)
    for case in cases:
        if case.elapsed_s is not None:
            times_s[case.rater].append(case.elapsed_s)
    categories = sorted({rating.category for rating in ratings})
    return rows_of_said(categories, _counted(ratings, categories), times_s, last_active)


def rows_of_said(
    categories: Sequence[str],
    said: Iterable[Said],
    times_s: Mapping[str, Sequence[float]],
    last_active: Mapping[str, str],
) -> tuple[RaterRow, ...]:
    """Return the same rows from counts.

    Args:
        categories: of ``Said.counts``.
        said: how often each rater gave each category to which cases.
        times_s: how long each rater took for cases, as far as that is known.
        last_active: when a rater last said something here.
    """
    given: dict[str, list[Said]] = defaultdict(list)
    verdicts: dict[str, Counter[str]] = defaultdict(Counter)
    for one in said:
        given[one.rater].append(one)
        verdicts[one.rater][categories[one.place]] += one.times
    rows = (_row(rater, given[rater], verdicts[rater]) for rater in sorted(given))
    return tuple(
        replace(
            row,
            time=time_check(times_s.get(row.rater, ())),
            last_active=last_active.get(row.rater, ""),
        )
        for row in rows
    )


def _counted(ratings: Sequence[Rating], categories: Sequence[str]) -> list[Said]:
    votes: dict[str, Counter[str]] = defaultdict(Counter)
    for rating in ratings:
        votes[rating.case_id][rating.category] += 1
    counts = {key: tuple(vote[name] for name in categories) for key, vote in votes.items()}
    cases = ((one.rater, categories.index(one.category), counts[one.case_id]) for one in ratings)
    return [Said(rater, place, found, n) for (rater, place, found), n in Counter(cases).items()]


def _row(rater: str, given: Sequence[Said], said: Counter[str]) -> RaterRow:
    compared: Counter[bool | None] = Counter()
    for one in given:
        if sum(one.counts) > 1:
            compared[_agrees(one)] += one.times
    num_compared = compared[True] + compared[False]
    return RaterRow(
        rater=rater,
        num_judged=said.total(),
        time=time_check(()),
        cannot_judge=wilson(said["cannot_judge"], said.total()),
        both_bad=wilson(said["both_bad"], said.total()),
        with_others=wilson(compared[True], num_compared) if num_compared else None,
        num_split=compared[None],
        last_active="",
    )


def _agrees(one: Said) -> bool | None:
    """Whether most of the others say the same; None where they have no majority."""
    others = list(one.counts)
    others[one.place] -= 1
    shared = majority(dict(enumerate(others)))
    return None if shared is None else shared == one.place


def majority(votes: Mapping[T, int]) -> T | None:
    """Return the category that more than half of the votes share, None where there is none."""
    category, number = max(votes.items(), key=lambda one: one[1])
    return category if 2 * number > sum(votes.values()) else None
