"""How far raters of the same cases agree, beyond what chance would give; categories are nominal.

Every coefficient here is 1 - observed / expected disagreement. They differ in what chance is:
Cohen's lets each of two raters keep habits of their own, Fleiss' gives interchangeable raters one
common habit, and Krippendorff's is Fleiss' for any number of ratings a case, corrected for small
samples. All of them are 1 where everyone agrees, and 0 where raters agree as often as by chance.

A category is whatever the caller makes one: "cannot_judge" counts as a verdict like any other,
unless its ratings are left out of the table.

The code is our own because no library draws intervals for all three from counts of patterns, which
100,000 labels need; the values are tested against scikit-learn, statsmodels and krippendorff.

Intervals draw cases anew, with bias-corrected accelerated percentiles: in simulations of 15 to 100
cases they cover the truth more often than plain ones of the same width. Cases of the same pattern
are drawn together, so that 100,000 cases cost what their patterns cost. A sample
without one disagreement has no spread to draw from; there the lower limit is Wilson's, for the
share of cases that agree, at the expected disagreement of the sample [ours]. Where nearly all
ratings are of one category and cases are few, the intervals are too narrow.

Axis letters: N case, R rater, C category, P pattern (of a case), S sum, B bootstrap draw.

Source: Cohen, Educ. Psychol. Meas. 20 (1960) 37-46; Fleiss, Psychol. Bull. 76 (1971) 378-382;
Krippendorff, Computing Krippendorff's Alpha-Reliability (2011); for the bootstrap over cases Zapf,
Castell, Morawietz, Karch, BMC Med. Res. Methodol. 16 (2016) 93, and Efron, JASA 82 (1987) 171-185.
"""

import itertools
from dataclasses import dataclass
from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy import special

from gem_backend.agreement_counts import Integers, RatingCounts, RatingTable, counts_of_table
from gem_backend.errors import DataError
from gem_backend.statistics import CONFIDENCE, wilson
from gem_backend.types import Estimate

Floats: TypeAlias = NDArray[np.float64]

NUM_DRAWS = 2000  # ours: the limits then move by about 2 % of the interval's width
CELLS = 4_000_000  # ours: numbers drawn at a time, 32 MB
LANDIS_KOCH = (  # Landis, Koch, Biometrics 33 (1977) 159-174: up to and including
    (0.20, "slight"),
    (0.40, "fair"),
    (0.60, "moderate"),
    (0.80, "substantial"),
    (1.00, "almost perfect"),
)


@dataclass(frozen=True, slots=True)
class RaterAgreement:
    """A coefficient of agreement, at most 1, over ``n`` cases.

    ``estimate`` is None where the coefficient is undefined; ``note`` then says why, and otherwise
    how to read it. ``num_raters`` counts those with a rating among the ``n`` cases,
    ``num_left_out`` the cases of the table that could not be used.
    """

    estimate: Estimate | None
    n: int
    num_raters: int
    num_left_out: int
    note: str


@dataclass(frozen=True, slots=True)
class PairAgreement:
    """Two raters side by side; ``raw`` is the share of their ``n`` common cases that they agree on.

    ``raw`` is None without a common case.
    """

    first: str
    second: str
    n: int
    raw: Estimate | None
    kappa: RaterAgreement


def cohen_kappa(table: RatingTable, first: str, second: str, seed: int = 0) -> RaterAgreement:
    """Return Cohen's kappa of two raters over the cases that both judged.

    Args:
        table: ratings of these raters, and perhaps of others.
        first: one rater.
        second: another; the order makes no difference to the value.
        seed: of the interval's draws.

    Raises:
        DataError: a rater has no rating in the table.
    """
    for rater in (first, second):
        if rater not in table.raters:
            raise DataError(f"{rater} has judged none of these cases.")
    return _cohen(counts_of_table(table), first, second, seed)


def _cohen(counts: RatingCounts, first: str, second: str, seed: int) -> RaterAgreement:
    cell_CC = _cells(counts, first, second)
    n = int(cell_CC.sum())
    num_left_out = int(counts.times_P.sum()) - n
    if n < 2:
        note = f"{first} and {second} share fewer than two cases, so there is nothing to compare."
        return RaterAgreement(None, n, 2, num_left_out, note)
    estimate = _estimate(_rater_patterns(cell_CC), seed)
    note = _reading(estimate)
    is_constant = any(np.count_nonzero(cell_CC.sum(axis=axis)) == 1 for axis in (0, 1))
    if estimate is not None and is_constant:
        note = "One rater gave every case the same verdict, which makes kappa 0 by definition."
    return RaterAgreement(estimate, n, 2, num_left_out, note)


def _cells(counts: RatingCounts, first: str, second: str) -> Integers:
    """How often which categories of two raters met, the first one's down."""
    if (second, first) in counts.cells:
        return counts.cells[second, first].T
    num_categories = len(counts.categories)
    none = np.zeros((num_categories, num_categories), dtype=np.int64)
    return counts.cells.get((first, second), none)


def fleiss_kappa(table: RatingTable | RatingCounts, seed: int = 0) -> RaterAgreement:
    """Return Fleiss' kappa over the cases that have the same number of ratings, two or more.

    That number is the one that most cases have, the larger of two that are equally common. Raters
    count as interchangeable: the cases may be judged by different ones of them.

    Args:
        table: ratings by three raters or more.
        seed: of the interval's draws.
    """
    counts = _counts(table)
    size_P = counts.count_PC.sum(axis=1)
    num_cases = {int(size): int(counts.times_P[size_P == size].sum()) for size in size_P}
    size = max(((n, size) for size, n in num_cases.items() if size >= 2), default=(0, 0))[1]
    used_P = (size_P == size) & (size_P >= 2)
    if len(counts.raters) < 3:
        note = "Fleiss' kappa is for three raters or more; Cohen's kappa compares two."
        return _undefined(counts, used_P, note)
    found = _agreement_of_counts(counts, used_P, False, seed)
    if not found.num_left_out:
        return found
    left_out = f"{found.num_left_out:,} of {found.n + found.num_left_out:,} cases"
    note = f"{found.note[:-1]}; {left_out}, without exactly {size} ratings, are not counted."
    return RaterAgreement(found.estimate, found.n, found.num_raters, found.num_left_out, note)


def krippendorff_alpha(table: RatingTable | RatingCounts, seed: int = 0) -> RaterAgreement:
    """Return Krippendorff's alpha for nominal categories over all cases with two ratings or more.

    Args:
        table: ratings by any number of raters; any may be missing.
        seed: of the interval's draws.
    """
    counts = _counts(table)
    return _agreement_of_counts(counts, counts.count_PC.sum(axis=1) >= 2, True, seed)


def pairwise_agreement(
    table: RatingTable | RatingCounts, seed: int = 0, most: int | None = None
) -> tuple[PairAgreement, ...]:
    """Return raw agreement, with Wilson's interval, and Cohen's kappa of every two raters.

    Args:
        table: ratings by any number of raters.
        seed: of the intervals' draws.
        most: only so many pairs, those with most cases in common; None for all.
    """
    counts = _counts(table)
    pairs = list(itertools.combinations(counts.raters, 2))
    if most is not None and len(pairs) > most:
        by_common = sorted(pairs, key=lambda pair: -int(_cells(counts, *pair).sum()))[:most]
        pairs = sorted(by_common)
    return tuple(_pair(counts, first, second, seed) for first, second in pairs)


def _pair(counts: RatingCounts, first: str, second: str, seed: int) -> PairAgreement:
    cell_CC = _cells(counts, first, second)
    n = int(cell_CC.sum())
    raw = wilson(int(np.trace(cell_CC)), n) if n else None
    return PairAgreement(first, second, n, raw, _cohen(counts, first, second, seed))


def _counts(table: RatingTable | RatingCounts) -> RatingCounts:
    return counts_of_table(table) if isinstance(table, RatingTable) else table


def _agreement_of_counts(
    counts: RatingCounts, used_P: NDArray[np.bool_], is_corrected: bool, seed: int
) -> RaterAgreement:
    """Fleiss' kappa of the used cases, or, corrected, Krippendorff's alpha."""
    n = int(counts.times_P[used_P].sum())
    if n < 2:
        note = "Fewer than two cases have two ratings, so there is nothing to compare."
        return _undefined(counts, used_P, note)
    estimate = _estimate(_count_patterns(counts, used_P, is_corrected), seed)
    num_left_out = int(counts.times_P.sum()) - n
    num_raters = _num_raters(counts, used_P)
    return RaterAgreement(estimate, n, num_raters, num_left_out, _reading(estimate))


def _undefined(counts: RatingCounts, used_P: NDArray[np.bool_], note: str) -> RaterAgreement:
    n = int(counts.times_P[used_P].sum())
    num_left_out = int(counts.times_P.sum()) - n
    return RaterAgreement(None, n, _num_raters(counts, used_P), num_left_out, note)


def _num_raters(counts: RatingCounts, used_P: NDArray[np.bool_]) -> int:
    sizes = set(counts.count_PC[used_P].sum(axis=1).tolist())
    return len({rater for rater, size in counts.rater_sizes if size in sizes})


# --- the coefficient --------------------------------------------------------------------------


class _Patterns(NamedTuple):
    """The different cases, and how often each occurs.

    The columns of ``sum_PS`` are what a coefficient sums over cases: the disagreement, times the
    ratings it stands for; then how often each category is given, first by one side of the
    comparison and then by the other (for interchangeable raters the same twice).
    """

    times_P: Integers
    sum_PS: Floats
    is_corrected: bool


def _rater_patterns(cell_CC: Integers) -> _Patterns:
    """For two raters who keep their own habits."""
    first_P, second_P = np.nonzero(cell_CC)
    one_CC = np.eye(len(cell_CC))
    sum_PS = np.column_stack([first_P != second_P, one_CC[first_P], one_CC[second_P]])
    return _Patterns(cell_CC[first_P, second_P], sum_PS, False)


def _count_patterns(
    counts: RatingCounts, used_P: NDArray[np.bool_], is_corrected: bool
) -> _Patterns:
    """For interchangeable raters: of a case only the number of ratings in each category counts."""
    count_PC = counts.count_PC[used_P]
    size_P = count_PC.sum(axis=1)
    disagreement_P = (size_P**2 - (count_PC**2).sum(axis=1)) / (size_P - 1)
    sum_PS = np.column_stack([disagreement_P, count_PC, count_PC])
    return _Patterns(counts.times_P[used_P], sum_PS, is_corrected)


def _coefficient(sum_BS: Floats, is_corrected: bool) -> Floats:
    """1 - observed / expected disagreement, shape (B,); NaN where only one category is given."""
    expected_B = _expected(sum_BS, is_corrected)
    ratio_B = np.full(len(sum_BS), np.nan)
    np.divide(sum_BS[:, 0], expected_B, out=ratio_B, where=expected_B > 0)
    return 1 - ratio_B


def _expected(sum_BS: Floats, is_corrected: bool) -> Floats:
    """What the sum of disagreement would be by chance; corrected, no rating meets itself."""
    first_BC, second_BC = np.split(sum_BS[:, 1:], 2, axis=1)
    size_B = first_BC.sum(axis=1)
    differing_B = size_B**2 - (first_BC * second_BC).sum(axis=1)
    return np.asarray(differing_B / (size_B - is_corrected))


def _estimate(patterns: _Patterns, seed: int) -> Estimate | None:
    """The coefficient with its interval; None where all ratings are of one category."""
    n = int(patterns.times_P.sum())
    total_1S = (patterns.times_P @ patterns.sum_PS)[None]
    value = float(_coefficient(total_1S, patterns.is_corrected)[0])
    if np.isnan(value):
        return None
    if total_1S[0, 0] == 0:
        return Estimate(value, _faultless_low(total_1S, n, patterns.is_corrected), 1.0, n)
    low, high = _accelerated_limits(value, _draws(patterns, seed), _acceleration(patterns))
    return Estimate(value, low, high, n)


def _faultless_low(total_1S: Floats, n: int, is_corrected: bool) -> float:
    """The lower limit where all cases agree: the share that may yet differ, against chance."""
    expected = float(_expected(total_1S, is_corrected)[0])
    num_ratings = float(total_1S[0, 1:].sum()) / 2
    return max(-1.0, 1 - (1 - wilson(n, n).low) * num_ratings / expected)


# --- the interval -----------------------------------------------------------------------------


def _draws(patterns: _Patterns, seed: int) -> Floats:
    """The coefficient of cases drawn anew, without the draws where it is undefined."""
    generator = np.random.default_rng(seed)
    n = patterns.times_P.sum()
    rows = max(1, CELLS // len(patterns.times_P))
    draws = []
    for start in range(0, NUM_DRAWS, rows):
        num_rows = min(rows, NUM_DRAWS - start)
        times_BP = generator.multinomial(n, patterns.times_P / n, size=num_rows)
        draws.append(_coefficient(times_BP @ patterns.sum_PS, patterns.is_corrected))
    draw_B = np.concatenate(draws)
    return draw_B[~np.isnan(draw_B)]


def _acceleration(patterns: _Patterns) -> float:
    """How fast the spread changes with the value: a sixth of the jackknife's skewness."""
    total_S = patterns.times_P @ patterns.sum_PS
    without_P = _coefficient(total_S - patterns.sum_PS, patterns.is_corrected)
    is_known_P = ~np.isnan(without_P)
    times_P, without_P = patterns.times_P[is_known_P], without_P[is_known_P]
    influence_P = np.average(without_P, weights=times_P) - without_P
    spread = float(times_P @ influence_P**2)
    return float(times_P @ influence_P**3) / (6 * spread**1.5) if spread > 1e-12 else 0.0


def _accelerated_limits(value: float, draw_B: Floats, acceleration: float) -> tuple[float, float]:
    """Efron's BC_a limits, with draws equal to the value counted half below it."""
    slack = 1e-9  # sums in another order
    below = (np.mean(draw_B < value - slack) + np.mean(draw_B <= value + slack)) / 2
    bias = special.ndtri(np.clip(below, 1 / NUM_DRAWS, 1 - 1 / NUM_DRAWS))
    shifted = bias + special.ndtri([(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2])
    levels = special.ndtr(bias + shifted / (1 - acceleration * shifted))
    low, high = np.quantile(draw_B, levels)
    return float(low), float(high)


# --- words ------------------------------------------------------------------------------------


def landis_koch_word(value: float) -> str:
    """Return the word of Landis and Koch (1977) for a coefficient: "poor" to "almost perfect"."""
    shown = round(value, 2)
    if shown < 0:
        return "poor"
    return next(word for limit, word in LANDIS_KOCH if shown <= limit)


def _reading(estimate: Estimate | None) -> str:
    if estimate is None:
        return "Every rating is the same verdict, so agreement cannot be told from chance."
    word, low, high = map(landis_koch_word, estimate[:3])
    sentence = f"Landis and Koch's convention calls this agreement '{word}'"
    if low == high:
        return f"{sentence}."
    return f"{sentence}; the interval reaches from '{low}' to '{high}'."
