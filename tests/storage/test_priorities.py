"""The order in which raters meet the cases that wait."""

import json

import pytest

from storage.exchange import import_file
from storage.pairs import Judgement, add_comparison, save_label, show_case, skip
from storage.priorities import num_ordered, pending_cases, set_priorities
from storage.projects import create_project, update_project
from storage.standing import stand_project
from storage.turns import next_turn


@pytest.fixture
def four(db, project_id):
    return [add_comparison(db, project_id, f"Q{number}", "yes", "no") for number in range(4)]


def met(db, project_id, rater="ann"):
    """Return the prompts in the order in which a rater labels them."""
    prompts = []
    while (case := next_turn(db, project_id, rater).case) is not None:
        prompts.append(case.comparison.prompt)
        save_label(db, case, rater, Judgement("tie"))
    return prompts


def test_higher_priority_is_asked_first_and_the_rest_keeps_its_turn(db, project_id, four):
    found = set_priorities(db, project_id, {four[3].pair_id: 0.2, four[2].pair_id: 0.9})
    assert found == num_ordered(db, project_id) == 2
    assert met(db, project_id) == ["Q2", "Q3", "Q0", "Q1"]
    assert num_ordered(db, project_id) == 0  # none of them waits any more


def test_skipped_case_comes_back_last_whatever_its_priority(db, project_id, four):
    set_priorities(db, project_id, {four[1].pair_id: 1.0})
    skip(db, show_case(four[1], "ann"), "ann")
    assert met(db, project_id) == ["Q0", "Q2", "Q3", "Q1"]


def test_new_order_replaces_the_old_one_and_no_other_projects(db, project_id, four):
    other = create_project(db, "Other").project_id
    elsewhere = add_comparison(db, other, "Q", "yes", "no")
    set_priorities(db, other, {elsewhere.pair_id: 0.5})
    set_priorities(db, project_id, {four[3].pair_id: 0.9})
    found = set_priorities(db, project_id, {four[1].pair_id: 0.1, elsewhere.pair_id: 0.9, "?": 1.0})
    assert found == 1
    assert (num_ordered(db, project_id), num_ordered(db, other)) == (1, 1)
    assert met(db, project_id) == ["Q1", "Q0", "Q2", "Q3"]
    assert db.query("SELECT priority FROM queue WHERE project_id = ?", [other]) == [(0.5,)]
    set_priorities(db, other, {})
    assert num_ordered(db, other) == 0


def test_new_cases_and_imports_leave_the_order_alone(db, project_id, four, tmp_path):
    set_priorities(db, project_id, {four[2].pair_id: 0.7})
    before = db.query("SELECT pair_id, priority FROM queue ORDER BY seq")
    row = {"prompt": "new", "chosen": "yes", "rejected": "no"}
    again = {"prompt": "Q2", "answer_a": "yes", "answer_b": "no"}
    file = tmp_path / "rows.jsonl"
    file.write_text(json.dumps(row) + "\n" + json.dumps(again) + "\n")
    import_file(db, project_id, file)
    add_comparison(db, project_id, "Q9", "yes", "no")
    stand_project(db, project_id)
    after = db.query("SELECT pair_id, priority FROM queue ORDER BY seq")
    assert after[:4] == before
    assert [priority for _, priority in after[4:]] == [0.0] * (len(after) - 4)


def test_pending_are_those_that_need_a_rater_in_the_order_they_came(db, project_id, four):
    save_label(db, show_case(four[0], "ann"), "ann", Judgement("a"))
    set_priorities(db, project_id, {four[3].pair_id: 1.0})
    assert pending_cases(db, project_id, 100) == four[1:]
    assert pending_cases(db, project_id, 2) == four[1:3]
    update_project(
        db, project_id, guidelines="", reasons=(), is_reason_required=False, raters_per_case=2
    )
    assert pending_cases(db, project_id, 100) == four
    assert pending_cases(db, "another", 100) == []
