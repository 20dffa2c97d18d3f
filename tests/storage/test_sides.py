"""Sides: a second rater sees them changed over, each sees the same ones again, and all are even."""

from dataclasses import replace

import pytest

from gem_backend.types import Case
from storage.audit import pair_log
from storage.pairs import Judgement, add_comparison, save_label, skip
from storage.projects import update_project
from storage.recent import recent_labels, undo
from storage.sides import case_for, turned
from storage.standing import stand_project
from storage.turns import next_turn

COUNT = 64


@pytest.fixture
def comparisons(db, project_id):
    update_project(
        db, project_id, guidelines="", reasons=(), is_reason_required=False, raters_per_case=3
    )
    with db.transaction():
        return [add_comparison(db, project_id, f"Q{n:03}", "yes", "no") for n in range(COUNT)]


def label_all(db, project_id, rater):
    lefts = []
    while (case := next_turn(db, project_id, rater).case) is not None:
        save_label(db, case, rater, Judgement("tie"))
        lefts.append(case.left)
    return lefts


def test_a_second_rater_sees_the_sides_of_every_case_changed_over(db, project_id, comparisons):
    with db.transaction():
        first, second, third = (label_all(db, project_id, name) for name in ("ann", "bob", "cid"))
    assert second == [turned(left) for left in first]
    # Binomial, n = 64, p = 1/2: a standard deviation is 4, so 12..52 is five of them.
    for lefts in (first, second, third):
        assert 12 < lefts.count("a") < 52
    logged = [event.left for one in comparisons for event in pair_log(db, one.pair_id)]
    assert logged[::3] == first
    assert logged[1::3] == second


def test_what_is_on_another_screen_now_counts_as_seen(db, project_id, comparisons):
    ann = next_turn(db, project_id, "ann").case
    bob = next_turn(db, project_id, "bob", {"ann": ann}).case
    assert bob == replace(ann, left=turned(ann.left))
    save_label(db, bob, "bob", Judgement("tie"))
    # ann's page is loaded again after bob has saved, while bob looks at the next case
    assert next_turn(db, project_id, "ann").case == ann


def test_a_rater_sees_the_same_sides_again(db, project_id, comparisons):
    first = next_turn(db, project_id, "ann").case
    skip(db, first, "ann")
    seen = Case(first.comparison, turned(first.left))
    save_label(db, seen, "bob", Judgement("a"))
    stand_project(db, project_id)  # as an import does
    assert case_for(db, first.comparison, "ann") == first
    assert case_for(db, first.comparison, "bob") == seen
    assert recent_labels(db, project_id, "bob")[0].case == seen
    assert undo(db, project_id, "bob").case == seen
    assert case_for(db, first.comparison, "bob") == seen
    assert pair_log(db, first.comparison.pair_id)[-1].left == seen.left
