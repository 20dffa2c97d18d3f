"""What raters were shown of the machine's orders: kept once, never changed."""

import itertools
from dataclasses import replace

import pytest

from storage.adjudication import settle
from storage.candidates import save_group
from storage.errors import NotFoundError
from storage.orders import AnswerOrder, save_order
from storage.pairs import Judgement, add_comparison, save_label, show_case
from storage.projects import get_project, update_project, upsert_prompt
from storage.recent import undo
from storage.reveals import (
    Reveal,
    add_reveal,
    list_reveals,
    places_said,
    said_between,
    said_now,
)

ANSWERS = ("one", "two", "three")


@pytest.fixture
def cases(db, project_id):
    """The three pairs of three answers, as ann sees them."""
    return [
        show_case(add_comparison(db, project_id, "Q", *pair), "ann")
        for pair in itertools.combinations(ANSWERS, 2)
    ]


@pytest.fixture
def reveal(db, project_id, make_candidate):
    """What ann is shown of a group of three."""
    prompt = upsert_prompt(db, project_id, "Q")
    group = [
        replace(make_candidate(f"c{place}", "Q"), text=text) for place, text in enumerate(ANSWERS)
    ]
    save_group(db, prompt.prompt_id, group)
    return Reveal(
        project_id=project_id,
        prompt_id=prompt.prompt_id,
        rater="ann",
        is_calibrated=False,
        candidate_ids=("c1", "c0", "c2"),
        answers=("two", "one", "three"),
        ranks=(1, 2, 2),
        gem_scores=(0.5, 0.25, 0.25),
        own_places=(1, 2, None),
        tau=1.0,
        num_answers=2,
    )


def test_reveal_comes_back_as_it_was_with_its_group_and_moment(db, project_id, reveal):
    assert add_reveal(db, reveal)
    [kept] = list_reveals(db, project_id)
    assert replace(kept, group_id="", created_at="") == reveal
    [(group_id,)] = db.query("SELECT DISTINCT group_id FROM candidates")
    assert kept.group_id == group_id
    assert kept.created_at.endswith("+00:00")
    assert list_reveals(db, "another") == []


def test_only_the_first_time_is_kept_for_each_rater_and_group(db, project_id, reveal):
    assert add_reveal(db, reveal)
    assert not add_reveal(db, replace(reveal, tau=-1.0, ranks=(3, 2, 1)))
    assert add_reveal(db, replace(reveal, rater="bob", tau=None, own_places=(None,) * 3))
    assert [(one.rater, one.tau) for one in list_reveals(db, project_id)] == [
        ("ann", 1.0),
        ("bob", None),
    ]


def test_a_later_group_of_the_same_answers_is_another_reveal(
    db, project_id, reveal, make_candidate
):
    add_reveal(db, reveal)
    again = replace(make_candidate("c1", "Q"), text="two")
    save_group(db, reveal.prompt_id, [again])
    assert add_reveal(db, reveal)
    assert len({one.group_id for one in list_reveals(db, project_id)}) == 2


def test_candidates_that_are_gone_are_not_shown(db, reveal):
    with pytest.raises(NotFoundError):
        add_reveal(db, replace(reveal, candidate_ids=("gone",)))


def test_labels_between_the_answers_are_the_raters_own_and_hold(db, project_id, cases):
    prompt_id = cases[0].comparison.prompt_id
    settle(db, cases[0], "ann", Judgement("b"))  # a final label is nobody's own
    save_label(db, cases[0], "bob", Judgement("b"))
    assert said_between(db, prompt_id, "ann", ANSWERS) == []
    save_label(db, cases[0], "ann", Judgement("a"))
    save_label(db, cases[1], "ann", Judgement("cannot_judge"))
    said = said_between(db, prompt_id, "ann", ANSWERS)
    assert said == [("one", "two", "a"), ("one", "three", "cannot_judge")]
    assert said_between(db, prompt_id, "ann", ("two", "three")) == []
    undo(db, project_id, "ann")
    assert said_between(db, prompt_id, "ann", ANSWERS) == [("one", "two", "a")]


def test_places_are_those_of_a_saved_order(db, cases):
    save_order(db, cases[0], "ann", AnswerOrder((("three",), ("one", "two"))))
    said = said_between(db, cases[0].comparison.prompt_id, "ann", ANSWERS)
    assert places_said(said) == {"three": 1, "one": 2, "two": 2}


def test_places_of_single_labels_go_by_wins_and_leave_out_what_nobody_can_judge():
    said = [("one", "two", "a"), ("two", "three", "tie"), ("one", "four", "cannot_judge")]
    assert places_said(said) == {"one": 1, "three": 2, "two": 3}
    assert places_said([]) == {}


def test_labels_now_are_told_for_who_was_shown_an_order(db, project_id, cases, reveal):
    for rater in ("ann", "bob"):
        save_label(db, cases[2], rater, Judgement("b"))
    assert said_now(db, project_id) == {}
    add_reveal(db, reveal)
    assert said_now(db, project_id) == {(reveal.prompt_id, "ann"): [("two", "three", "b")]}


def test_project_asks_experts_to_rank_first_only_where_it_was_set(db, project_id):
    assert not get_project(db, project_id).is_blind_first
    how = {"guidelines": "", "reasons": (), "is_reason_required": False}
    assert update_project(db, project_id, **how, is_blind_first=True).is_blind_first
    assert get_project(db, project_id).is_blind_first
