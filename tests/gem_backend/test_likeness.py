"""The direction of the expert's preferences, against closed forms and simulated experts."""

import numpy as np
import pytest
from scipy import optimize, special

from gem_backend.likeness import fit_direction
from gem_backend.types import ExpertOrder

PREFERS_FIRST = ExpertOrder(((0,), (1,)))


def test_one_dimension_equals_the_root_of_its_equation():
    """Answers at 3 and 1: deviation 1, gap 2. With prior variance s^2 the most probable v solves
    v / s^2 = 2 sigmoid(-2 v); the direction is v per deviation, which is 1."""
    scale = 0.7
    root = optimize.brentq(lambda v: v / scale**2 - 2 * special.expit(-2 * v), 0, 10)
    found = fit_direction([PREFERS_FIRST], np.array([[3.0], [1.0]]), scale)
    assert found == pytest.approx([root], abs=1e-5)


def test_a_strength_counts_as_so_many_judgements():
    points = np.random.default_rng(0).normal(size=(2, 3))
    strong = fit_direction([ExpertOrder(((0,), (1,)), strength=3)], points, 1.0)
    assert strong == pytest.approx(fit_direction([PREFERS_FIRST] * 3, points, 1.0), abs=1e-5)


def test_no_label_and_ties_alone_give_no_direction():
    points = np.ones((2, 4))
    assert not fit_direction([], points, 1.0).any()
    assert not fit_direction([ExpertOrder(((0, 1),))], points, 1.0).any()


def test_a_ranking_is_its_pairs_without_those_inside_a_tie():
    points = np.random.default_rng(1).normal(size=(4, 2))
    ranking = [ExpertOrder(((2,), (0, 3), (1,)))]
    pairs = [ExpertOrder(((i,), (j,))) for i, j in ((2, 0), (2, 3), (2, 1), (0, 1), (3, 1))]
    found, expected = (fit_direction(orders, points, 1.0) for orders in (ranking, pairs))
    assert found == pytest.approx(expected, abs=1e-5)


def test_a_constant_dimension_is_left_alone_and_units_do_not_matter():
    rng = np.random.default_rng(2)
    points = np.hstack([rng.normal(size=(40, 2)), np.ones((40, 1))])
    orders = [ExpertOrder(((2 * k,), (2 * k + 1,))) for k in range(20)]
    found = fit_direction(orders, points, 1.0)
    scaled = fit_direction(orders, points * [10, 0.1, 7], 1.0)
    assert found[2] == 0
    assert points @ found == pytest.approx((points * [10, 0.1, 7]) @ scaled, abs=1e-3)


def test_more_labels_find_the_experts_taste_better():
    rng = np.random.default_rng(3)
    taste = rng.normal(size=16)

    def agreement(num_pairs):
        points = rng.normal(size=(2 * num_pairs, 16))
        orders = []
        for k in range(num_pairs):
            i, j = 2 * k, 2 * k + 1
            first = rng.random() < special.expit((points[i] - points[j]) @ taste)
            orders.append(ExpertOrder(((i,), (j,)) if first else ((j,), (i,))))
        direction = fit_direction(orders, points, 4.0)
        fresh = rng.normal(size=(2000, 2, 16))
        gaps = fresh[:, 0] - fresh[:, 1]
        return np.mean(np.sign(gaps @ direction) == np.sign(gaps @ taste))

    few, many = agreement(8), agreement(256)
    assert few > 0.55
    assert many > few + 0.1
