"""Whole orders come back from their pairs; what is no whole order stays pairs."""

import itertools
import random

import pytest

from gem_backend.expert_orders import MAX_TIED, expert_orders, places_of
from gem_backend.types import ExpertOrder, PreferencePair

PLACE = {("Q", answer): number for number, answer in enumerate("ABCDEF")}


def pair(chosen, rejected, verdict="preferred", order_id="", **rest):
    return PreferencePair("Q", chosen, rejected, verdict, order_id=order_id, **rest)


def pairs_of(*places, order_id="o", rater="ann"):
    """What is stored of an order: all its pairs, their strength the places between them."""
    rank = {answer: number for number, one in enumerate(places) for answer in one}
    return [
        pair(
            better,
            worse,
            "preferred" if rank[better] < rank[worse] else "tie",
            order_id,
            strength=max(1, min(3, rank[worse] - rank[better])),
            rater=rater,
        )
        for better, worse in itertools.combinations(rank, 2)
    ]


def orders(pairs, place=PLACE):
    return [order for order, _ in expert_orders(pairs, place)]


def test_pairs_by_themselves_are_orders_of_two():
    found = expert_orders([pair("B", "A", strength=2, rater="eva"), pair("A", "C", "tie")], PLACE)
    assert found == [
        (ExpertOrder(((1,), (0,)), 2, "eva"), "Q"),
        (ExpertOrder(((0, 2),)), "Q"),
    ]


def test_an_order_of_four_with_a_tie_is_one_order_whatever_order_its_pairs_come_in():
    """C, then A and D alike, then B: six pairs, Plackett-Luce stages of 4, 3 and 1."""
    pairs = pairs_of("C", "AD", "B")
    random.Random(0).shuffle(pairs)
    [order] = orders(pairs)
    assert [sorted(place) for place in order.order] == [[2], [0, 3], [1]]
    assert (order.strength, order.rater) == (1, "ann")


def test_orders_of_two_raters_and_of_two_moments_stay_apart():
    pairs = pairs_of("A", "B", "C") + pairs_of("C", "B", "A", rater="eva")
    pairs += pairs_of("B", "A", "C", order_id="p")
    assert [order.order for order in orders(pairs)] == [
        ((0,), (1,), (2,)),
        ((2,), (1,), (0,)),
        ((1,), (0,), (2,)),
    ]


@pytest.mark.parametrize(
    "pairs",
    [
        pairs_of("A", "B", "C")[1:],  # one was taken back
        [pair("A", "B", order_id="o"), pair("A", "C", order_id="o")],  # a written answer
        [pair(*two, order_id="o") for two in ("AB", "BC", "CA")],
        [*pairs_of("A", "B", "C")[:2], pair("B", "C", "tie", "o")],  # two verdicts of others
    ],
)
def test_what_is_no_whole_order_stays_pairs_with_their_strengths(pairs):
    assert orders(pairs) == orders(
        [
            pair(one.chosen, one.rejected, one.verdict, strength=one.strength, rater=one.rater)
            for one in pairs
        ]
    )
    assert len(orders(pairs)) == len(pairs)


def test_an_order_with_too_large_a_tie_stays_pairs():
    assert len(orders(pairs_of("A", "BCDEF"[:MAX_TIED]))) == 1
    assert len(orders(pairs_of("A", "BCDEF"[: MAX_TIED + 1]))) == 10


def test_pairs_with_an_answer_that_is_not_there_are_left_out():
    place = {("Q", "A"): 0, ("Q", "B"): 1}
    assert orders(pairs_of("B", "A", "C"), place) == [ExpertOrder(((1,), (0,)), 1, "ann")]


def test_places_go_by_wins():
    assert places_of([("A", "B", "b"), ("A", "C", "tie"), ("B", "C", "a")]) == (("B",), ("A", "C"))
    assert places_of([]) == ()
