"""Branches stand beside what they left, and a pair of two knows the token they part at."""

from dataclasses import replace

import pytest

from gem_backend.types import Branch
from storage.branches import Origin, add_to_group, group_of, origins, pair_candidates
from storage.candidates import latest_group, save_group
from storage.errors import EntryError, NotFoundError
from storage.pairs import Judgement, add_comparison, save_label, show_case
from storage.projects import upsert_prompt
from storage.turns import next_turn


@pytest.fixture
def prompt_id(db, project_id):
    return upsert_prompt(db, project_id, "Question", "pool").prompt_id


@pytest.fixture
def parent(make_candidate):
    one = replace(make_candidate("p"), token_texts=("Two", " points", ".", ""))
    return replace(one, text="Two points.")


@pytest.fixture
def sibling(parent):
    texts = ("Two", " faults", ".", "")
    branch = Branch("p", 1)
    return replace(parent, candidate_id="s", token_texts=texts, text="Two faults.", branch=branch)


@pytest.fixture
def group_id(db, prompt_id, parent):
    return save_group(db, prompt_id, [parent])


def test_siblings_join_the_group_once(db, prompt_id, group_id, parent, sibling):
    assert list(add_to_group(db, group_id, [sibling]).candidates) == [parent, sibling]
    assert list(add_to_group(db, group_id, [sibling]).candidates) == [parent, sibling]
    assert list(latest_group(db, prompt_id).candidates) == [parent, sibling]
    assert group_of(db, "s") == (prompt_id, latest_group(db, prompt_id))


def test_a_pair_knows_where_its_answers_part(db, project_id, group_id, sibling):
    add_to_group(db, group_id, [sibling])
    pair = pair_candidates(db, "p", "s")
    assert (pair.answer_a, pair.answer_b) == ("Two points.", "Two faults.")
    assert (pair.source, pair.split) == ("sampled", "train")
    assert origins(db, pair.pair_id) == [
        Origin("a", "p"),
        Origin("b", "s", Branch("p", 1), "Two", " points", 0.5),
    ]
    turn = next_turn(db, project_id, "ann")
    assert turn.case.comparison == pair
    save_label(db, show_case(pair, "ann"), "ann", Judgement("b"))
    assert len(origins(db, pair.pair_id)) == 2


def test_a_pair_that_was_there_turned_round_gets_the_right_candidates(
    db, project_id, group_id, sibling
):
    add_to_group(db, group_id, [sibling])
    there = add_comparison(db, project_id, "Question", "Two faults.", "Two points.")
    assert origins(db, there.pair_id) == []
    assert pair_candidates(db, "p", "s").pair_id == there.pair_id
    assert [(one.answer, one.candidate_id) for one in origins(db, there.pair_id)] == [
        ("a", "s"),
        ("b", "p"),
    ]
    assert pair_candidates(db, "s", "p") == pair_candidates(db, "p", "s")


def test_what_cannot_be_a_pair_is_refused(db, project_id, group_id, parent, make_candidate):
    with pytest.raises(EntryError, match="same question"):
        pair_candidates(db, "p", "nobody")
    with pytest.raises(NotFoundError, match="no longer there"):
        pair_candidates(db, "nobody", "p")
    add_to_group(db, group_id, [replace(parent, candidate_id="twin", branch=Branch("p", 0))])
    with pytest.raises(EntryError, match="same"):
        pair_candidates(db, "p", "twin")
    other = upsert_prompt(db, project_id, "Another question").prompt_id
    save_group(db, other, [make_candidate("o", "Another question")])
    with pytest.raises(EntryError, match="same question"):
        pair_candidates(db, "p", "o")
    with pytest.raises(NotFoundError):
        add_to_group(db, "nowhere", [parent])


def test_a_candidate_of_two_groups_is_found_in_the_newest_or_the_one_that_is_named(
    db, prompt_id, group_id, parent
):
    newer = save_group(db, prompt_id, [parent, replace(parent, candidate_id="n", text="No.")])
    assert group_of(db, "p")[1].group_id == newer
    assert group_of(db, "p", group_id)[1].group_id == group_id
    with pytest.raises(NotFoundError):
        group_of(db, "n", group_id)


def test_a_pair_is_made_within_the_group_that_has_both(db, prompt_id, group_id, parent, sibling):
    add_to_group(db, group_id, [sibling])
    save_group(db, prompt_id, [parent, replace(parent, candidate_id="n", text="No.")])
    pair = pair_candidates(db, "p", "s")
    assert {pair.answer_a, pair.answer_b} == {"Two points.", "Two faults."}
    with pytest.raises(EntryError, match="same question"):
        pair_candidates(db, "n", "s")
