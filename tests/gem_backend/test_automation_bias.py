"""What experts do to their orders once they have seen the machine's, by hand."""

import pytest

from gem_backend.automation_bias import (
    SeenOrder,
    Tau,
    automation_bias,
    change_towards,
    tau_between,
)

MACHINE = {"A": 1, "B": 2, "C": 3, "D": 4}
SWAPPED = {"A": 2, "B": 1, "C": 3, "D": 4}  # 1 of 6 pairs stands the other way: (5 - 1) / 6
TWO_OFF = {"A": 2, "B": 1, "C": 4, "D": 3}  # 2 of 6: (4 - 2) / 6
THREE_OFF = {"A": 3, "B": 2, "C": 1, "D": 4}  # 3 of 6: 0


def seen(before, now, rater="ann"):
    return SeenOrder(rater, MACHINE, before, now)


def test_tau_counts_pairs_that_stand_the_same_way_less_the_others():
    assert tau_between(MACHINE, MACHINE) == Tau(pytest.approx(1.0), 4)
    assert tau_between(SWAPPED, MACHINE) == Tau(pytest.approx(2 / 3), 4)
    assert tau_between(TWO_OFF, MACHINE) == Tau(pytest.approx(1 / 3), 4)
    assert tau_between({"A": 4, "B": 3, "C": 2, "D": 1}, MACHINE).value == pytest.approx(-1.0)


def test_ties_are_those_of_tau_b():
    """A and B share a place: of 3 pairs 2 agree and 1 is tied in one order, 2 / sqrt(2 * 3)."""
    tau = tau_between({"A": 1, "B": 1, "C": 2}, MACHINE)
    assert tau == Tau(pytest.approx(2 / 6**0.5), 3)


def test_tau_is_over_the_answers_of_both_orders_and_may_not_exist():
    assert tau_between({"A": 1, "B": 2, "X": 0}, MACHINE) == Tau(pytest.approx(1.0), 2)
    assert tau_between({"A": 1, "B": 1}, MACHINE) == Tau(None, 2)
    assert tau_between({"A": 1}, MACHINE) == Tau(None, 1)
    assert tau_between({}, MACHINE) == Tau(None, 0)


def test_change_is_over_the_answers_that_stand_both_times():
    assert change_towards(seen(SWAPPED, MACHINE)) == pytest.approx(1 / 3)
    assert change_towards(seen(MACHINE, THREE_OFF)) == pytest.approx(-1.0)
    # A and B alone: from the wrong way round to the machine's
    assert change_towards(seen({"A": 2, "B": 1}, MACHINE)) == pytest.approx(2.0)
    assert change_towards(seen(SWAPPED, {})) is None
    assert change_towards(seen(SWAPPED, dict.fromkeys(MACHINE, 1))) is None


def test_mean_and_interval_by_hand():
    """Changes 1/3, 2/3 and 1: mean 2/3, sd 1/3, t(0.975, 2) = 4.30265, half 0.82805."""
    orders = [seen(SWAPPED, MACHINE), seen(TWO_OFF, MACHINE), seen(THREE_OFF, MACHINE)]
    [bias] = automation_bias([*orders, seen(SWAPPED, SWAPPED)])
    assert (bias.rater, bias.num_reveals, bias.num_changed, bias.num_compared) == ("ann", 4, 3, 3)
    assert bias.mean_change == pytest.approx(2 / 3)
    assert bias.interval == pytest.approx((2 / 3 - 0.82805, 2 / 3 + 0.82805), abs=1e-5)


def test_interval_ends_where_a_change_of_tau_does():
    """Changes 1/3 and 1: mean 2/3, standard error 1/3, t(0.975, 1) = 12.7: beyond -2 and 2."""
    [bias] = automation_bias([seen(SWAPPED, MACHINE), seen(THREE_OFF, MACHINE)])
    assert bias.interval == (-2.0, 2.0)


@pytest.mark.parametrize(
    ("orders", "counts", "mean"),
    [
        ([seen(SWAPPED, SWAPPED)], (1, 0, 0), None),
        ([seen(SWAPPED, {})], (1, 1, 0), None),
        ([seen(SWAPPED, MACHINE)], (1, 1, 1), 1 / 3),
        ([seen(SWAPPED, MACHINE)] * 3, (3, 3, 3), 1 / 3),
    ],
)
def test_what_has_no_spread_has_no_interval(orders, counts, mean):
    [bias] = automation_bias(orders)
    assert (bias.num_reveals, bias.num_changed, bias.num_compared) == counts
    assert bias.mean_change == (None if mean is None else pytest.approx(mean))
    assert bias.interval is None


def test_an_order_with_another_answer_is_changed_only_where_the_first_ones_moved():
    three = {"A": 1, "B": 2, "C": 3}
    assert not seen(three, {"A": 1, "D": 2, "B": 3, "C": 4}).is_changed
    assert seen(three, {"A": 1, "B": 3, "C": 2, "D": 4}).is_changed
    assert seen(three, {"A": 1, "B": 2}).is_changed
    assert seen(three, {"A": 1, "B": 2, "C": 2}).is_changed


def test_raters_come_in_alphabetical_order_each_with_their_own():
    orders = [seen(SWAPPED, MACHINE, "eva"), seen(SWAPPED, SWAPPED, "ann")]
    assert [(one.rater, one.num_changed) for one in automation_bias(orders)] == [
        ("ann", 0),
        ("eva", 1),
    ]
    assert automation_bias([]) == ()
