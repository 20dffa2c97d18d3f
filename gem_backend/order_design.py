"""Experts' orders as choices, in matrices: what the Davidson-Luce likelihood is computed from.

An order is a row of stages; at each one subset of the answers that remain is chosen, alone or tied,
against every other of a size that the data show.

Axis letters: I judged item, F feature, S stage, A alternative (a subset at a stage), D tie size,
R rater, P parameter.
"""

import itertools
import math
from collections.abc import Sequence
from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from gem_backend.config import CalibrationConfig
from gem_backend.errors import DataError
from gem_backend.types import ExpertOrder

Floats: TypeAlias = NDArray[np.float64]
Subset: TypeAlias = tuple[int, ...]

TIE_SCALE = 2.0  # ours: prior deviation of log delta
MAX_ALTERNATIVES = 100_000  # ours: subsets to sum over; 300 orders of 8 with ties of 3 fit
MAX_KEEN = 4.0  # ours: bound of the search, prior deviations; at most 4 on the log scale


def order_members(order: ExpertOrder) -> list[int]:
    """Return the items of an order, best first."""
    return [item for group in order.order for item in group]


class Design(NamedTuple):
    """Every stage chooses between alternatives; logit = exp(b) * mean skill + log delta.

    The parameters, theta (weights, residuals, log deltas) and keen (the b), are in units of their
    prior deviations, so that the prior is the standard normal.
    """

    judged: list[int]
    tie_sizes: list[int]
    raters: list[str]
    skill_IP: sparse.csr_array  # the offset and the log deltas' columns left out
    skill_AP: sparse.csr_array
    tie_AP: sparse.csr_array
    offset_A: Floats
    keen_AR: Floats
    keen_limit: float
    stage_SA: sparse.csr_array  # 1 where the alternative is of the stage
    chosen_A: Floats
    strength_A: Floats


class _Stage(NamedTuple):
    order: ExpertOrder
    chosen: Subset
    alternatives: list[Subset]


def _stages(orders: Sequence[ExpertOrder], sizes: Sequence[int]) -> list[_Stage]:
    stages, total = [], 0
    for order in orders:
        left = order_members(order)
        for group in order.order:
            total += sum(math.comb(len(left), size) for size in sizes)
            if total > MAX_ALTERNATIVES:
                raise DataError("The orders hold too many ties to weigh; order fewer answers.")
            subsets = [s for size in sizes for s in itertools.combinations(left, size)]
            if len(subsets) > 1:
                stages.append(_Stage(order, group, subsets))
            left = left[len(group) :]
    return stages


def order_design(
    orders: Sequence[ExpertOrder], offset_I: Floats, z_IF: Floats, config: CalibrationConfig
) -> Design:
    """Return the matrices of at least one order; see ``davidson_luce.posterior`` for what it takes.

    Raises:
        DataError: the ties make too many subsets.
    """
    judged = sorted({item for order in orders for item in order_members(order)})
    tie_sizes = sorted({len(group) for order in orders for group in order.order} - {1})
    raters = sorted({order.rater for order in orders})
    if len(raters) == 1 or not config.rater_scale:
        raters = []
    stages = _stages(orders, [1, *tie_sizes])
    rows = [(stage, s) for stage in stages for s in stage.alternatives]
    subsets = [subset for _, subset in rows]
    mean_AI = _means(subsets, judged)
    residual_II = config.residual_scale * sparse.eye_array(len(judged))
    skill_IP = sparse.hstack([config.weight_scale * z_IF[judged], residual_II], format="csr")
    tie_AD = TIE_SCALE * np.equal.outer([len(s) for s in subsets], tie_sizes)
    rater_A = [stage.order.rater for stage, _ in rows]
    return Design(
        judged,
        tie_sizes,
        raters,
        skill_IP=skill_IP,
        skill_AP=_padded(mean_AI @ skill_IP, right=len(tie_sizes)),
        tie_AP=_padded(sparse.csr_array(tie_AD), left=skill_IP.shape[1]),
        offset_A=mean_AI @ offset_I[judged],
        keen_AR=keenness(rater_A, raters, config.rater_scale),
        keen_limit=MAX_KEEN / max(config.rater_scale, 1.0),
        stage_SA=_blocks([len(stage.alternatives) for stage in stages]),
        chosen_A=np.array([float(subset == stage.chosen) for stage, subset in rows]),
        strength_A=np.array([float(stage.order.strength) for stage, _ in rows]),
    )


def keenness(rater_A: Sequence[str], raters: Sequence[str], scale: float) -> Floats:
    """What each b adds to the log keenness: itself, less the raters' mean."""
    own_AR = np.equal.outer(np.array(rater_A, dtype=str), np.array(raters, dtype=str))
    return np.asarray(scale * (own_AR - 1.0 / max(1, len(raters))))


def _means(subsets: Sequence[Subset], judged: Sequence[int]) -> sparse.csr_array:
    """The matrix that averages the judged items over each subset, shape (A, I)."""
    size_A = np.array([len(subset) for subset in subsets])
    columns = np.searchsorted(judged, [item for subset in subsets for item in subset])
    starts = np.concatenate([[0], np.cumsum(size_A)])
    shares = 1.0 / np.repeat(size_A, size_A)
    return sparse.csr_array((shares, columns, starts), shape=(len(subsets), len(judged)))


def _blocks(size_S: Sequence[int]) -> sparse.csr_array:
    """A row for each stage with ones at its alternatives."""
    starts = np.concatenate([[0], np.cumsum(size_S)])
    shape = (len(size_S), starts[-1])
    return sparse.csr_array((np.ones(starts[-1]), np.arange(starts[-1]), starts), shape=shape)


def _padded(matrix: sparse.csr_array, left: int = 0, right: int = 0) -> sparse.csr_array:
    """The matrix with columns of zeros beside it."""
    before, after = (sparse.csr_array((matrix.shape[0], width)) for width in (left, right))
    return sparse.hstack([before, matrix, after], format="csr")
