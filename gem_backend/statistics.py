"""Figures with their intervals; every one carries its n."""

import math
from collections.abc import Sequence

import numpy as np
from scipy import stats

from gem_backend.errors import DataError
from gem_backend.types import Estimate

CONFIDENCE = 0.95


def wilson(successes: int, n: int) -> Estimate:
    """Return a proportion with Wilson's 95 % interval.

    Args:
        successes: 0 <= successes <= n.
        n: number of cases; 0 gives the value 0 with the interval from 0 to 1.
    """
    if n == 0:
        return Estimate(0.0, 0.0, 1.0, 0)
    interval = stats.binomtest(successes, n).proportion_ci(CONFIDENCE, method="wilson")
    return Estimate(successes / n, float(interval.low), float(interval.high), n)


def paired_change(before: Sequence[bool], after: Sequence[bool]) -> Estimate:
    """Return the change of a proportion on the same cases, with a 95 % interval.

    Newcombe's hybrid score interval for paired differences (method 10): unlike a bootstrap it stays
    honest with few cases, and when every case went the same way.

    Args:
        before: whether each case was a success before.
        after: the same cases in the same order.

    Returns:
        ``value`` is after less before, in [-1, 1]; no cases give 0 with the interval from -1 to 1.

    Raises:
        DataError: the two lists differ in length.

    Source: R. G. Newcombe, Statistics in Medicine 17 (1998) 2635-2650.
    """
    if len(before) != len(after):
        raise DataError("The cases before and after are not the same.")
    n = len(before)
    if n == 0:
        return Estimate(0.0, -1.0, 1.0, 0)
    new, old = wilson(sum(after), n), wilson(sum(before), n)
    phi = _correlation(before, after)
    change = new.value - old.value
    below = _distance(new.value - new.low, old.high - old.value, phi)
    above = _distance(new.high - new.value, old.value - old.low, phi)
    return Estimate(change, max(-1.0, change - below), min(1.0, change + above), n)


def mean_estimate(values: Sequence[float]) -> Estimate:
    """Return a mean with Student's 95 % interval; one value alone has an interval of no width.

    Raises:
        DataError: there is no value.
    """
    n = len(values)
    if n == 0:
        raise DataError("There is nothing to average.")
    mean = float(np.mean(values))
    if n == 1:
        return Estimate(mean, mean, mean, 1)
    half = float(stats.t.ppf((1 + CONFIDENCE) / 2, n - 1) * stats.sem(values))
    return Estimate(mean, mean - half, mean + half, n)


def kendall_tau(first: Sequence[float], second: Sequence[float]) -> float | None:
    """Return how far two orders of the same things agree: Kendall's tau-b, -1 to 1.

    None where it does not exist: fewer than two things, or one order is all ties.
    """
    if len(first) < 2:
        return None
    tau = float(stats.kendalltau(first, second).statistic)
    return None if math.isnan(tau) else tau


def _correlation(before: Sequence[bool], after: Sequence[bool]) -> float:
    """Newcombe's phi of the two-by-two table, with his continuity correction when positive."""
    n = len(before)
    both = sum(b and a for b, a in zip(before, after, strict=True))
    neither = n - sum(b or a for b, a in zip(before, after, strict=True))
    lost, gained = sum(before) - both, sum(after) - both
    margins = sum(before) * (n - sum(before)) * sum(after) * (n - sum(after))
    if not margins:
        return 0.0
    cross = both * neither - lost * gained
    return (max(cross - n / 2, 0) if cross > 0 else cross) / math.sqrt(margins)


def _distance(first: float, second: float, phi: float) -> float:
    return math.sqrt(max(0.0, first**2 - 2 * phi * first * second + second**2))
