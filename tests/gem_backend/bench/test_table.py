"""Rows of the benchmark: shares by hand, intervals that cover."""

import numpy as np
import pytest

from gem_backend.bench.table import Measured, bootstrap_interval, table


def measured(method, seed, right):
    cases = tuple(bool(x) for x in right)
    return Measured(method, seed, 1e-3, 2, 100 * seed, 2.0, cases, cases, cases)


def test_rows_hold_means_over_seeds_and_paired_differences():
    rows = table(
        (1, 2),
        {"pairs": 32},
        [
            measured("dpo", 1, [1, 0, 0, 0]),
            measured("dpo", 2, [1, 1, 0, 0]),
            measured("gem", 1, [1, 1, 1, 0]),
            measured("gem", 2, [1, 1, 0, 0]),
        ],
    )
    dpo, gem = rows
    assert (dpo["method"], gem["method"]) == ("dpo", "gem")
    assert dpo["preference_accuracy"] == pytest.approx(3 / 8)
    assert gem["preference_accuracy"] == pytest.approx(5 / 8)
    assert dpo["preference_vs_gem"][0] == pytest.approx(-2 / 8)
    assert gem["preference_vs_gem"] == [0.0, 0.0, 0.0]
    assert dpo["n"] == 4
    assert dpo["seeds"] == [1, 2]
    assert dpo["trained_tokens"] == 150
    wanted = {
        "method", "pairs", "preference_accuracy", "preference_ci", "final_answer_accuracy",
        "final_answer_ci", "expert_agreement", "expert_agreement_ci", "seeds", "wall_s",
    }  # fmt: skip
    assert wanted <= dpo.keys()


def test_without_gem_there_is_nothing_to_compare_with():
    (row,) = table((1,), {}, [measured("dpo", 1, [1, 0])])
    assert not any("vs_gem" in name for name in row)


@pytest.mark.slow
def test_intervals_cover_both_the_choice_of_cases_and_of_seeds():
    """200 worlds whose cases and seeds both matter; the truth is 0.6. The pigeonhole bootstrap is
    said to be wide rather than narrow: at least 90 % of its 95 % intervals must cover."""
    rng = np.random.default_rng(0)
    covered = 0
    for world in range(200):
        case_N, seed_S = rng.normal(0, 0.15, 150), rng.normal(0, 0.05, 5)
        share_SN = np.clip(0.6 + seed_S[:, None] + case_N[None, :], 0, 1)
        low, high = bootstrap_interval((rng.random((5, 150)) < share_SN).astype(float), world)
        covered += low <= 0.6 <= high
    assert covered >= 180


def test_one_seed_still_has_an_interval_over_cases():
    low, high = bootstrap_interval(np.array([[1.0] * 64 + [0.0] * 64]))
    assert low < 0.5 - 0.06 < 0.5 + 0.06 < high
