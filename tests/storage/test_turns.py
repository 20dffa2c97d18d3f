"""The next case of a rater, while others look at cases too, against the order in words."""

import random

import pytest

from storage.pairs import Judgement, add_comparison, save_label, show_case, skip
from storage.projects import update_project
from storage.turns import next_turn

RATERS = ("ann", "bob", "eva", "tom")
NEEDED = 2


@pytest.fixture
def cases(db, project_id):
    """Six cases, each for two raters."""
    how = {"guidelines": "", "reasons": (), "is_reason_required": False}
    update_project(db, project_id, **how, raters_per_case=NEEDED)
    pairs = [add_comparison(db, project_id, f"Q{n}", "one", "two") for n in range(6)]
    return [show_case(pair, "ann") for pair in pairs]


@pytest.mark.parametrize("seed", range(20))
def test_next_case_is_the_first_that_is_free_else_the_first_that_waits(db, project_id, cases, seed):
    draw = random.Random(seed)
    labels: dict[str, set[str]] = {case.comparison.pair_id: set() for case in cases}
    skipped: dict[str, int] = {}  # ann's, by when
    for moment in range(8):
        case, rater = draw.choice(cases), draw.choice(RATERS)
        key = case.comparison.pair_id
        if rater == "ann" and draw.random() < 0.6 and "ann" not in labels[key]:
            skip(db, case, "ann")
            skipped[key] = moment + 1
        elif rater not in labels[key] and len(labels[key]) < NEEDED:
            save_label(db, case, rater, Judgement("a"))
            labels[key].add(rater)
    others = draw.sample((*RATERS[1:], "jim", "kim", "lou"), draw.randrange(7))
    held = {rater: draw.choice(cases[:3]) for rater in others}

    looked_at = [case.comparison.pair_id for case in held.values()]
    waiting = [
        key
        for key in sorted(labels, key=lambda key: skipped.get(key, 0))  # else as they came
        if "ann" not in labels[key] and len(labels[key]) < NEEDED
    ]
    free = [key for key in waiting if len(labels[key]) + looked_at.count(key) < NEEDED]

    turn = next_turn(db, project_id, "ann", held)
    expected = next(iter(free or waiting), None)
    assert (turn.case.comparison.pair_id if turn.case else None) == expected
    num_skipped = sum(key in skipped for key in waiting)
    assert turn.progress.skipped == num_skipped
    assert turn.progress.pending == len(waiting) - num_skipped
    assert turn.progress.done == len(cases) - len(waiting)


@pytest.mark.parametrize("seed", range(5))
def test_front_of_the_queue_comes_before_rank_and_rank_before_age(db, project_id, seed):
    draw = random.Random(seed)
    keys = [add_comparison(db, project_id, f"Q{n}", "one", "two").pair_id for n in range(8)]
    places = [(draw.random() < 0.5, draw.randrange(4)) for _ in keys]
    for key, (is_first, rank) in zip(keys, places, strict=True):
        db.execute(
            "UPDATE queue SET is_first = ?, priority_rank = ? WHERE pair_id = ?",
            [is_first, rank, key],
        )
    expected = sorted(range(8), key=lambda n: (not places[n][0], -places[n][1], n))
    for number in expected:
        case = next_turn(db, project_id, "ann").case
        assert case.comparison.pair_id == keys[number]
        save_label(db, case, "ann", Judgement("tie"))
    assert next_turn(db, project_id, "ann").case is None
