"""Whether experts move towards the machine's order once they have seen it.

An expert puts answers in order blind, is shown the machine's order, and may change their own. How
Kendall's tau-b with the machine's order changes says in which direction that went: above 0 towards
the machine. It does not say who was right, nor that the sight of the machine's order was the cause.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from gem_backend.statistics import kendall_tau, mean_estimate

Places = Mapping[str, int]  # by answer, 1 for the best; equal places are ties


class Tau(NamedTuple):
    """Kendall's tau-b, -1 to 1, over ``n`` answers; None where it does not exist."""

    value: float | None
    n: int


@dataclass(frozen=True, slots=True)
class SeenOrder:
    """A group whose machine's order a rater was shown: theirs at that moment, and as it is now."""

    rater: str
    machine: Places
    before: Places
    now: Places

    @property
    def is_changed(self) -> bool:
        """Whether the answers that had a place stand otherwise now, or have none any more."""
        kept = {answer: self.now[answer] for answer in self.before if answer in self.now}
        return _dense(kept) != _dense(self.before)


@dataclass(frozen=True, slots=True)
class AutomationBias:
    """What a rater did to their orders after they had seen the machine's.

    ``mean_change`` is that of tau towards the machine, -2 to 2, over ``num_compared`` of the
    ``num_changed`` orders that were changed: those with a tau both times. None without any.
    ``interval`` is Student's 95 % interval of it; None where there are fewer than two, or all are
    alike, so that nothing says how far they vary.
    """

    rater: str
    num_reveals: int
    num_changed: int
    num_compared: int
    mean_change: float | None
    interval: tuple[float, float] | None


def tau_between(own: Places, machine: Places) -> Tau:
    """Return how far two orders agree over the answers that have a place in both."""
    both = [answer for answer in own if answer in machine]
    tau = kendall_tau([own[answer] for answer in both], [machine[answer] for answer in both])
    return Tau(tau, len(both))


def change_towards(seen: SeenOrder) -> float | None:
    """Return tau now less tau before, both over the answers that have a place both times.

    None where either does not exist.
    """
    both = [answer for answer in seen.before if answer in seen.now]
    before = tau_between({answer: seen.before[answer] for answer in both}, seen.machine).value
    now = tau_between({answer: seen.now[answer] for answer in both}, seen.machine).value
    return None if before is None or now is None else now - before


def automation_bias(seen: Sequence[SeenOrder]) -> tuple[AutomationBias, ...]:
    """Return a record for each rater, in alphabetical order.

    Args:
        seen: every group whose machine's order somebody was shown.
    """
    by_rater: dict[str, list[SeenOrder]] = defaultdict(list)
    for one in seen:
        by_rater[one.rater].append(one)
    return tuple(_of_rater(rater, by_rater[rater]) for rater in sorted(by_rater))


def _of_rater(rater: str, seen: Sequence[SeenOrder]) -> AutomationBias:
    changed = [one for one in seen if one.is_changed]
    changes = [change for change in map(change_towards, changed) if change is not None]
    counts = len(seen), len(changed), len(changes)
    if not changes:
        return AutomationBias(rater, *counts, None, None)
    mean = mean_estimate(changes)
    is_known = mean.high - mean.low > 1e-9  # rounding alone is no spread
    interval = (max(-2.0, mean.low), min(2.0, mean.high)) if is_known else None
    return AutomationBias(rater, *counts, mean.value, interval)


def _dense(places: Places) -> dict[str, int]:
    """The same order with places 1, 2, 3 and so on, none left out."""
    known = sorted(set(places.values()))
    return {answer: known.index(place) + 1 for answer, place in places.items()}
