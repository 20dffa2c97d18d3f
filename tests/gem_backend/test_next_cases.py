"""The order of what to label next, by numbers worked out by hand."""

import pytest

from gem_backend.calibration import fit_calibration
from gem_backend.config import CalibrationConfig, ScoringConfig
from gem_backend.next_cases import (
    CONFLICT,
    LEAST,
    case_priorities,
    conflict_first,
    nearness,
    unsureness,
)
from gem_backend.types import Calibration, Estimate, ExpertOrder, FeatureWeight


def item(confidence, fork):
    return {"final_confidence": confidence, "fork_entropy": fork}


@pytest.mark.parametrize(
    ("probability", "priority"),
    [(0.5, 1.0), (0.75, 0.5), (0.25, 0.5), (0.9, 0.2), (0.0, LEAST), (1.0, LEAST)],
)
def test_nearest_to_one_half_is_first_whichever_answer_leads(probability, priority):
    """1 - |2P - 1|: at P = 3/4 it is 1 - 1/2."""
    assert unsureness(probability) == pytest.approx(priority)


def test_distances_become_ranks_with_equal_ones_in_the_middle():
    """Of four, ranks 1, 4, 2.5 and 2.5 give (5 - rank) / 4."""
    assert nearness([0.1, 9.0, 0.2, 0.2]) == [1.0, 0.25, 0.625, 0.625]
    assert nearness([3.0]) == [1.0]
    assert nearness([]) == []


def test_without_a_calibration_the_nearest_scores_come_first():
    """S = confidence + lambda * fork. At lambda 1 the distances are 1.0 and 0.5, at 0 0.1 and 0.5.

    First case: -0.2 + 1.0 against -0.3 + 2.1; second: -0.5 + 1.0 against -1.0 + 1.0.
    """
    cases = [(item(-0.2, 1.0), item(-0.3, 2.1)), (item(-0.5, 1.0), item(-1.0, 1.0))]
    assert case_priorities(cases, None) == [0.5, 1.0]
    assert case_priorities(cases, None, ScoringConfig(lambda_fork=0.0)) == [1.0, 0.5]


def test_with_a_calibration_what_the_labels_taught_decides():
    """Labels went against the surer answer. So equal S, sure of one and forking in the other, is
    the clearest case now and not the most open one; equal answers stay a coin toss.
    """
    answers = [item(-0.1 - 0.1 * (n % 10), 1.0 + 0.1 * (n // 10)) for n in range(40)]
    orders = [ExpertOrder(((worse,), (better,)), 3, "ann") for better, worse in _pairs(answers)]
    config = CalibrationConfig(features=("final_confidence", "fork_entropy"))
    calibration = fit_calibration(answers, orders, config, ScoringConfig())
    same = item(-0.5, 1.2)
    balanced = (item(-0.1, 1.0), item(-0.9, 1.8))
    cases = [balanced, (same, same), (same, item(-0.6, 1.2))]
    assert case_priorities(cases, None)[0] > case_priorities(cases, None)[2]
    found = case_priorities(cases, calibration)
    assert found[1] == pytest.approx(CONFLICT)  # equal answers: no lead to differ on
    assert 0 < found[0] < CONFLICT < found[2] < 1  # S says the surer one, the labels the other
    turned = case_priorities([(b, a) for a, b in cases], calibration)
    assert turned == pytest.approx(found)


def test_where_score_and_labels_point_to_different_answers_comes_first():
    """Labels taught that forking counts against: skill = confidence - fork, where S adds it. With
    nothing unknown P is the sigmoid of the difference of skills.

    A: S leads by 1, the skill by -1: they differ; P = 0.2689, so 1 - |2P - 1| = 0.5379.
    B: both lead by 3; P = 0.9526, so 0.0949. C: both lead by 0.1; P = 0.5250, so 0.9500.
    D: S leads by 3, the skill by -3: they differ as in A, only surer; 0.0949.
    """
    known = [
        FeatureWeight(feature, 1.0, Estimate(weight, weight, weight, 9), 0.0, 1.0)
        for feature, weight in (("final_confidence", 1.0), ("fork_entropy", -1.0))
    ]
    nothing = ((0.0, 0.0), (0.0, 0.0))
    learned = Calibration(tuple(known), nothing, 0.0, 0.0, 9, 1, None, None)
    cases = [
        (item(-1.0, 3.0), item(-1.0, 2.0)),
        (item(-1.0, 3.0), item(-4.0, 3.0)),
        (item(-1.0, 1.0), item(-1.1, 1.0)),
        (item(-1.0, 4.0), item(-1.0, 1.0)),
    ]
    found = case_priorities(cases, learned)
    assert found == pytest.approx(
        [0.5 + 0.5379 / 2, 0.0949 / 2, 0.9500 / 2, 0.5 + 0.0949 / 2], abs=1e-4
    )
    assert [one > CONFLICT for one in found] == [True, False, False, True]
    assert case_priorities([(b, a) for a, b in cases], learned) == pytest.approx(found)


@pytest.mark.parametrize(
    ("score_lead", "probability", "priority"),
    [
        (1.0, 0.4, 0.9),
        (-1.0, 0.6, 0.9),
        (1.0, 0.6, 0.4),
        (0.0, 0.6, 0.4),  # a score that leads nowhere contradicts nobody
        (1e-12, 0.4, 0.4),  # rounding is no lead
        (1.0, 0.5, 0.5),
        (1.0, 0.0, 0.5 + LEAST / 2),
        (1.0, 1.0, LEAST),
    ],
)
def test_a_case_is_in_the_upper_half_only_where_the_two_differ(score_lead, probability, priority):
    """1 - |2P - 1| over two, and 1/2 more where they differ."""
    found = conflict_first(score_lead, probability)
    assert found == pytest.approx(priority, abs=1e-12)
    assert (found > CONFLICT) == (priority > CONFLICT)


def _pairs(answers):
    """Each answer beside the one that is half the range surer."""
    return [(n, n + 5) for n in range(len(answers)) if n % 10 < 5]
