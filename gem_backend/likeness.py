"""What the expert's choices look like to the model itself: Bradley-Terry on its representations.

An answer's representation is the mean of the base model's last hidden states over its tokens. A
direction in that space is fitted so that preferred answers lie further along it than the others.
Labels then reach answers that nobody has judged: those that resemble a preferred one. [ours]

Axis letters: I judged answer, D hidden dimension, C comparison.
"""

import itertools
from collections.abc import Sequence
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy import optimize, special

from gem_backend.types import ExpertOrder

Floats: TypeAlias = NDArray[np.float64]


def fit_direction(
    orders: Sequence[ExpertOrder], representation_ID: Floats, likeness_scale: float
) -> Floats:
    """Return the direction that best explains the orders, shape (D,).

    An answer's likeness is the product of its representation with it, in logits.

    The most probable one under logit(i better than j) = v . (h_i - h_j), with the dimensions
    standardised and v ~ N(0, likeness_scale^2 / D): however large the model, likeness has that
    deviation before the first label. A strength counts as in ``calibration``; ties say nothing.

    Args:
        orders: their numbers are places in ``representation_ID``; none gives a zero direction.
        representation_ID: of the judged answers, shape (I, D).
        likeness_scale: prior deviation of an answer's likeness, logits, > 0.
    """
    pairs, weight_C = _comparisons(orders)
    dimensions = representation_ID.shape[1]
    if not pairs:
        return np.zeros(dimensions)
    deviation_D = representation_ID.std(0)
    scale_D = np.where(deviation_D > 0, deviation_D, 1.0)
    better, worse = (list(side) for side in zip(*pairs, strict=True))
    gap_CD = (representation_ID[better] - representation_ID[worse]) / scale_D
    precision = dimensions / likeness_scale**2

    def loss(v_D: Floats) -> tuple[float, Floats]:
        margin_C = gap_CD @ v_D
        value = -weight_C @ special.log_expit(margin_C) + precision * v_D @ v_D / 2
        return float(value), precision * v_D - gap_CD.T @ (weight_C * special.expit(-margin_C))

    found = optimize.minimize(loss, np.zeros(dimensions), jac=True, method="L-BFGS-B")
    direction_D: Floats = found.x / scale_D
    return direction_D


def _comparisons(orders: Sequence[ExpertOrder]) -> tuple[list[tuple[int, int]], Floats]:
    """Every (better, worse) that the orders imply, with its strength."""
    pairs: list[tuple[int, int]] = []
    weights: list[float] = []
    for order in orders:
        for upper, lower in itertools.combinations(order.order, 2):
            new = list(itertools.product(upper, lower))
            pairs += new
            weights += [float(order.strength)] * len(new)
    return pairs, np.asarray(weights)
