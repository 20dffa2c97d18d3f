"""How often what was said: all that coefficients of agreement need, however many the cases are.

Axis letters as in ``agreement``: N case, R rater, C category, P pattern (of a case).
"""

import itertools
from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

Integers: TypeAlias = NDArray[np.int64]

MISSING = -1


class Rating(NamedTuple):
    """What one rater said of one case."""

    case_id: str
    rater: str
    category: str


class RatingTable(NamedTuple):
    """The ratings as places in ``categories``, shape (N, R), ``MISSING`` where there is none."""

    code_NR: Integers
    raters: tuple[str, ...]
    categories: tuple[str, ...]


class Said(NamedTuple):
    """How often a rater gave a category to cases whose ratings, one's own among them, are these.

    ``place`` is that of the category; ``counts`` are the ratings of such a case in each category.
    """

    rater: str
    place: int
    counts: tuple[int, ...]
    times: int


class RatingCounts(NamedTuple):
    """Ratings without their cases.

    ``count_PC`` are the different cases in ascending order, as ratings in each category, and
    ``times_P`` how often each occurs. ``rater_sizes`` are the raters with the numbers of ratings
    that cases of theirs have. ``cells`` say for two raters with a common case, in alphabetical
    order, how often which categories (row and column) met.
    """

    raters: tuple[str, ...]
    categories: tuple[str, ...]
    count_PC: Integers
    times_P: Integers
    rater_sizes: frozenset[tuple[str, int]]
    cells: Mapping[tuple[str, str], Integers]


def rating_table(ratings: Iterable[tuple[str, str, str]]) -> RatingTable:
    """Lay ratings out by case and rater; raters and categories come in alphabetical order.

    Args:
        ratings: case, rater, category, as in ``Rating``; a later rating of a case by the same rater
            replaces the earlier.
    """
    rows = list(ratings)
    cases = {case_id: place for place, case_id in enumerate({row[0]: None for row in rows})}
    raters = {rater: place for place, rater in enumerate(sorted({row[1] for row in rows}))}
    categories = {name: place for place, name in enumerate(sorted({row[2] for row in rows}))}
    code_NR = np.full((len(cases), len(raters)), MISSING, dtype=np.int64)
    case_rows = np.array([cases[row[0]] for row in rows], dtype=np.int64)
    rater_rows = np.array([raters[row[1]] for row in rows], dtype=np.int64)
    code_NR[case_rows, rater_rows] = [categories[row[2]] for row in rows]
    return RatingTable(code_NR, tuple(raters), tuple(categories))


def counts_of_table(table: RatingTable) -> RatingCounts:
    """Count a table."""
    num_cases, num_categories = len(table.code_NR), len(table.categories)
    case_rows, rater_rows = np.nonzero(table.code_NR != MISSING)
    places = case_rows * num_categories + table.code_NR[case_rows, rater_rows]
    count_N = np.bincount(places, minlength=num_cases * num_categories)
    count_NC = count_N.reshape(num_cases, num_categories)
    count_PC, times_P = np.unique(count_NC, axis=0, return_counts=True)
    sizes = zip(rater_rows, count_NC.sum(axis=1)[case_rows], strict=True)
    rater_sizes = frozenset((table.raters[place], int(size)) for place, size in set(sizes))
    cells = {}
    for (first, name), (second, other) in itertools.combinations(enumerate(table.raters), 2):
        pair_N2 = table.code_NR[:, [first, second]]
        common_N2 = pair_N2[np.all(pair_N2 != MISSING, axis=1)]
        if len(common_N2):
            cells[name, other] = np.zeros((num_categories, num_categories), dtype=np.int64)
            np.add.at(cells[name, other], (common_N2[:, 0], common_N2[:, 1]), 1)
    return RatingCounts(table.raters, table.categories, count_PC, times_P, rater_sizes, cells)


def counts_of_said(
    categories: tuple[str, ...],
    said: Iterable[Said],
    met: Iterable[tuple[str, str, str, str, int]],
) -> RatingCounts:
    """Put counts together that a database worked out.

    Args:
        categories: of ``Said.counts``, in alphabetical order.
        said: how often what was said.
        met: for two raters in alphabetical order, a category of each and how often they met.
    """
    ratings: dict[tuple[int, ...], int] = defaultdict(int)
    rater_sizes = set()
    for one in said:
        ratings[one.counts] += one.times
        rater_sizes.add((one.rater, sum(one.counts)))
    patterns = sorted(ratings)
    places = {name: place for place, name in enumerate(categories)}
    shape = (len(categories), len(categories))
    cells: dict[tuple[str, str], Integers] = defaultdict(lambda: np.zeros(shape, dtype=np.int64))
    for first, second, one_category, other_category, times in met:
        cells[first, second][places[one_category], places[other_category]] += times
    return RatingCounts(
        tuple(sorted({rater for rater, _ in rater_sizes})),
        categories,
        np.array(patterns, dtype=np.int64).reshape(len(patterns), len(categories)),
        np.array([ratings[counts] // sum(counts) for counts in patterns], dtype=np.int64),
        frozenset(rater_sizes),
        dict(cells),
    )
