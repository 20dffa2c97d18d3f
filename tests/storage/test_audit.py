"""The label log, read by a person: who, when, on which case, what held before and what after."""

import pytest

from storage.adjudication import settle
from storage.audit import LogFilter, log_page, raters_in_log
from storage.exchange import import_file
from storage.pairs import Judgement, add_comparison, save_label, show_case, skip
from storage.projects import create_project
from storage.recent import undo

FIRST, SECOND = Judgement("a", 2, reasons=("safety",), rationale="Safer."), Judgement("tie")


@pytest.fixture
def case(db, project_id):
    return show_case(add_comparison(db, project_id, "Fever for 3 days?", "Wait.", "Go."), "ann")


@pytest.fixture
def told(db, project_id, case):
    """Seven events on one case and one on another, the oldest first."""
    save_label(db, case, "ann", FIRST)
    save_label(db, case, "bob", Judgement("b"))
    skip(db, case, "ann")
    save_label(db, case, "ann", SECOND)
    undo(db, project_id, "ann")
    save_label(db, case, "ann", FIRST)
    settle(db, case, "ann", Judgement("b", 3))
    other = add_comparison(db, project_id, "A RASH?", "Yes.", "No.")
    save_label(db, show_case(other, "bob"), "bob", Judgement("cannot_judge"))


def read(db, project_id, **asked):
    return log_page(db, project_id, LogFilter(**asked))


def test_each_event_tells_who_when_and_what_held_before_and_after(db, project_id, told):
    page = read(db, project_id)
    assert page.total == len(page.events) == 8
    seen = [
        (one.rater, one.kind, one.is_final, one.before, one.after) for one in reversed(page.events)
    ]
    assert seen == [
        ("ann", "label", False, None, FIRST),
        ("bob", "label", False, None, Judgement("b")),
        ("ann", "skip", False, FIRST, FIRST),
        ("ann", "label", False, FIRST, SECOND),
        ("ann", "undo", False, SECOND, None),
        ("ann", "label", False, None, FIRST),
        ("ann", "label", True, None, Judgement("b", 3)),
        ("bob", "label", False, None, Judgement("cannot_judge")),
    ]
    moments = [one.created_at for one in page.events]
    assert moments == sorted(moments, reverse=True)
    assert all(moment.endswith("+00:00") for moment in moments)
    newest, *_, oldest = page.events
    assert (oldest.prompt, oldest.answer_a, oldest.answer_b) == (
        *("Fever for 3 days?", "Wait.", "Go."),
    )
    assert newest.prompt == "A RASH?"
    assert not any(one.is_imported or one.is_part for one in page.events)


@pytest.mark.parametrize(
    ("asked", "kinds"),
    [
        ({"rater": "bob"}, ["label", "label"]),
        ({"kind": "skip"}, ["skip"]),
        ({"kind": "undo"}, ["undo"]),
        ({"kind": "final"}, ["label"]),
        ({"kind": "label", "rater": "ann"}, ["label"] * 3),
        ({"question": "rash"}, ["label"]),
        ({"question": "%"}, []),
        ({"rater": "' OR true --"}, []),
        ({"until": "2020-01-01T00:00:00+00:00"}, []),
        ({"since": "2020-01-01T00:00:00+00:00", "rater": "bob"}, ["label", "label"]),
    ],
)
def test_log_is_filtered_by_rater_kind_question_and_date(db, project_id, told, asked, kinds):
    page = read(db, project_id, **asked)
    assert [one.kind for one in page.events] == kinds
    assert page.total == len(kinds)


def test_what_held_does_not_hang_on_the_filter(db, project_id, told):
    [taken_back] = read(db, project_id, kind="undo").events
    assert (taken_back.before, taken_back.after) == (SECOND, None)


def test_log_comes_in_pages_the_newest_first(db, project_id, told):
    whole = read(db, project_id).events
    first = log_page(db, project_id, LogFilter(), limit=3)
    last = log_page(db, project_id, LogFilter(), limit=3, offset=6)
    assert (first.total, first.events) == (8, whole[:3])
    assert (last.total, last.events) == (8, whole[6:])


def test_long_texts_are_cut_and_other_projects_stay_out(db, project_id, told):
    other = create_project(db, "Other").project_id
    case = show_case(add_comparison(db, other, "Q" * 5000, "yes", "no"), "cleo")
    save_label(db, case, "cleo", FIRST)
    [only] = read(db, other).events
    assert only.prompt == "Q" * 1000
    assert raters_in_log(db, other) == ["cleo"]
    assert raters_in_log(db, project_id) == ["ann", "bob"]


def test_imported_labels_and_those_that_came_with_another_say_so(db, project_id, case, tmp_path):
    rows = tmp_path / "rows.jsonl"
    rows.write_text('{"prompt": "Q", "chosen": "a", "rejected": "b", "rater": "dora"}\n')
    import_file(db, project_id, rows)
    [imported] = read(db, project_id).events
    assert (imported.rater, imported.is_imported, imported.is_part) == ("dora", True, False)
    assert imported.after == Judgement("a")
    save_label(db, case, "ann", Judgement("both_bad", written="Both."))
    assert [one.is_part for one in read(db, project_id, rater="ann").events] == [True, True, False]
