import pytest

from gem_backend.errors import DataError
from gem_backend.statistics import kendall_tau, mean_estimate, paired_change, wilson


def test_wilson_matches_the_published_example():
    """81 of 263: 0.2553 to 0.3662 (Newcombe 1998, Statistics in Medicine 17:857, table I)."""
    assert wilson(81, 263) == pytest.approx((81 / 263, 0.2553, 0.3662, 263), abs=1e-4)


@pytest.mark.parametrize("successes", [0, 4])
def test_wilson_stays_open_when_all_cases_agree(successes):
    estimate = wilson(successes, 4)
    assert estimate.high - estimate.low == pytest.approx(0.4899, abs=1e-4)  # z^2 / (4 + z^2)
    assert 0 <= estimate.low < estimate.high <= 1


def test_no_cases_say_nothing():
    assert wilson(0, 0) == (0.0, 0.0, 1.0, 0)
    assert paired_change([], []) == (0.0, -1.0, 1.0, 0)


def cases(both, gained, lost, neither):
    before = [True] * both + [False] * gained + [True] * lost + [False] * neither
    after = [True] * both + [True] * gained + [False] * lost + [False] * neither
    return before, after


def test_paired_change_matches_newcombes_example():
    """Cells 36, 12, 2, 0: 0.0569 to 0.3404 (Newcombe 1998, Statistics in Medicine 17:2635)."""
    estimate = paired_change(*cases(36, 12, 2, 0))
    assert estimate == pytest.approx((0.2, 0.0569, 0.3404, 50), abs=1e-4)


def test_paired_change_by_hand_where_the_table_has_no_correlation():
    """With an empty margin phi is 0, so the interval is the root of the summed squares."""
    before, after = cases(0, 4, 0, 0)
    estimate = paired_change(before, after)
    width = 0.4899  # Wilson's of 4 in 4, as of 0 in 4
    assert estimate.value == 1.0
    assert estimate.low == pytest.approx(1 - 2**0.5 * width, abs=1e-4)
    assert estimate.high == 1.0


def test_paired_change_turns_round_with_its_arguments():
    before, after = cases(20, 9, 3, 8)
    there, back = paired_change(before, after), paired_change(after, before)
    assert there.value == pytest.approx(6 / 40)
    assert (there.low, there.high) == pytest.approx((-back.high, -back.low))


def test_pairing_narrows_the_interval_when_few_cases_change():
    paired = paired_change(*cases(50, 10, 0, 40))
    shuffled = paired_change([True] * 50 + [False] * 50, [False] * 40 + [True] * 60)
    assert paired.low > 0 > shuffled.low


def test_unequal_lists_are_refused():
    with pytest.raises(DataError, match="not the same"):
        paired_change([True], [])


def test_mean_has_students_interval():
    """1..5: mean 3, s / sqrt 5 = 0.7071, t(0.975, 4) = 2.7764, half width 1.9632."""
    assert mean_estimate([1, 2, 3, 4, 5]) == pytest.approx((3, 1.0368, 4.9632, 5), abs=1e-4)
    assert mean_estimate([7.0]) == (7, 7, 7, 1)
    with pytest.raises(DataError):
        mean_estimate([])


def test_kendall_counts_pairs_and_is_none_where_undefined():
    """1 2 3 4 against 1 2 4 3: five pairs agree, one does not, tau = 4/6."""
    assert kendall_tau([1, 2, 3, 4], [1, 2, 4, 3]) == pytest.approx(4 / 6)
    assert kendall_tau([1, 1, 1], [1, 2, 3]) is None
    assert kendall_tau([1], [1]) is None
