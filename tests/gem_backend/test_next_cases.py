"""The order of what to label next, by numbers worked out by hand."""

import pytest

from gem_backend.calibration import fit_calibration
from gem_backend.config import CalibrationConfig, ScoringConfig
from gem_backend.next_cases import LEAST, case_priorities, nearness, unsureness
from gem_backend.types import ExpertOrder


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
    assert found[1] == pytest.approx(1.0)
    assert 0 < found[0] < found[2] < 1
    turned = case_priorities([(b, a) for a, b in cases], calibration)
    assert turned == pytest.approx(found)


def _pairs(answers):
    """Each answer beside the one that is half the range surer."""
    return [(n, n + 5) for n in range(len(answers)) if n % 10 < 5]
