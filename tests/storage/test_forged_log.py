"""What a file says of somebody stays a file's word, whoever it names."""

import json

import pytest

from storage.adjudication import disputes, settle
from storage.audit import label_log
from storage.exchange import import_file
from storage.export import export_label_log
from storage.orders import AnswerOrder, save_order
from storage.pairs import Judgement, add_comparison, save_label, show_case, training_pairs
from storage.projects import create_project
from storage.recent import recent_labels, undo

FORGED = {
    "event_id": "forged",
    "created_at": "2099-01-01T00:00:00.000000+00:00",
    "monotonic_s": 1.0,
    "rater": "ann",
    "kind": "label",
    "verdict": "b",
    "left": "a",
    "strength": 3,
    "is_acceptable": True,
    "rationale": "",
    "reasons": [],
    "elapsed_s": 2.0,
    "is_imported": False,
    "part_of": None,
    "prompt": "Q",
    "answer_a": "one",
    "answer_b": "two",
    "split": "train",
    "source": "entered",
    "is_written": False,
    "gold_answer": None,
    "is_final": False,
}
UNDO = {"kind": "undo", "verdict": None}
FINAL = {"is_final": True, "rater": "zoe"}


@pytest.fixture
def bring(db, project_id, tmp_path):
    """Imports events, each another one than the forged one in what it says, as Eve."""

    def run(*changes):
        path = tmp_path / "log.jsonl"
        path.write_text("".join(json.dumps(FORGED | change) + "\n" for change in changes))
        report = import_file(db, project_id, path, imported_by="eve")
        return report.imported, [row.reason for row in report.skipped]

    return run


@pytest.fixture
def case(db, project_id):
    return show_case(add_comparison(db, project_id, "Q", "one", "two"), "ann")


def said(db, project_id):
    return sorted((pair.rater, pair.chosen) for pair in training_pairs(db, project_id))


@pytest.mark.parametrize("change", [{}, UNDO, {"kind": "skip", "verdict": None}, FINAL])
def test_event_of_a_file_names_who_brought_it_and_when(db, project_id, bring, change):
    assert bring(change) == (1, [])
    [event] = label_log(db, project_id)
    assert (event.is_imported, event.imported_by) == (True, "eve")
    assert event.created_at == FORGED["created_at"]
    assert event.imported_at < event.created_at


def test_row_of_a_file_names_who_brought_it_and_when(db, project_id, tmp_path):
    (tmp_path / "rows.jsonl").write_text('{"prompt": "Q", "chosen": "1", "rejected": "2"}\n')
    import_file(db, project_id, tmp_path / "rows.jsonl", imported_by="eve")
    [event] = label_log(db, project_id)
    assert (event.is_imported, event.imported_by) == (True, "eve")
    assert event.imported_at == event.created_at


def test_label_that_was_given_here_names_nobody_else(db, project_id, case):
    save_label(db, case, "ann", Judgement("a"))
    [event] = label_log(db, project_id)
    assert (event.is_imported, event.imported_by, event.imported_at) == (False, None, None)


@pytest.mark.parametrize("change", [{}, UNDO, FINAL, FINAL | UNDO])
def test_file_does_not_change_what_a_rater_said_here(db, project_id, bring, case, change):
    save_label(db, case, "ann", Judgement("a"))
    imported, [reason] = bring(change)
    assert imported == 0
    assert "said something about this case here" in reason
    assert said(db, project_id) == [("ann", "one")]


def test_file_does_not_bring_back_what_a_rater_took_back_here(db, project_id, bring, case):
    save_label(db, case, "ann", Judgement("b"))
    undo(db, project_id, "ann")
    assert bring({})[0] == 0
    assert said(db, project_id) == []


def test_file_does_not_withdraw_a_final_label_of_this_studio(db, project_id, bring, case):
    save_label(db, case, "ann", Judgement("b"))
    settle(db, case, "admin", Judgement("a"))
    for change in (FINAL, FINAL | UNDO, FINAL | UNDO | {"rater": "admin"}):
        assert bring(change)[0] == 0
    assert said(db, project_id) == [("admin", "one")]


def test_final_label_of_a_file_gives_way_to_what_is_said_here_later(db, project_id, bring, case):
    bring(FINAL)
    assert said(db, project_id) == [("zoe", "two")]
    save_label(db, case, "ann", Judgement("a"))
    assert said(db, project_id) == [("ann", "one")]
    assert disputes(db, project_id) == []
    settle(db, case, "admin", Judgement("tie"))
    assert [pair.rater for pair in training_pairs(db, project_id)] == ["admin"]


def test_file_does_not_hang_a_label_on_one_of_this_studio(db, project_id, bring, case):
    """Bob's forged label would be withdrawn with Ann's first, and Ann's second with it."""
    save_label(db, case, "ann", Judgement("a"))
    other = show_case(add_comparison(db, project_id, "R", "one", "two"), "ann")
    save_label(db, other, "ann", Judgement("a"))
    [_, first] = label_log(db, project_id)
    imported, [reason] = bring({"rater": "bob", "prompt": "R", "part_of": first.event_id})
    assert (imported, "part of a label of this studio" in reason) == (0, True)


def test_label_of_a_file_is_not_its_raters_own_to_take_back(db, project_id, bring):
    bring({})
    assert recent_labels(db, project_id, "ann") == []
    assert undo(db, project_id, "ann") is None


def test_event_whose_words_were_changed_is_refused(db, project_id, case, bring, tmp_path):
    save_label(db, case, "ann", Judgement("a"))
    path = tmp_path / "own.jsonl"
    export_label_log(db, project_id, path)
    own = json.loads(path.read_text())
    assert bring(own) == (0, [])
    for change in ({"verdict": "b"}, {"strength": 2}, {"rationale": "so"}, {"rater": "bob"}):
        imported, [reason] = bring(own | change)
        assert (imported, "says something else" in reason) == (0, True)
    assert said(db, project_id) == [("ann", "one")]


def test_log_of_another_studio_joins_what_it_does_not_touch(db, project_id, bring, case):
    save_label(db, case, "ann", Judgement("a"))
    events = ({"rater": "bob"}, {"event_id": "e2", "prompt": "R"})
    assert bring(*events) == (2, [])
    assert said(db, project_id) == [("ann", "one"), ("ann", "two"), ("bob", "two")]


def test_row_of_a_file_does_not_change_an_order_that_a_rater_gave_here(db, project_id, tmp_path):
    for answers in (("1", "2"), ("1", "3"), ("2", "3")):
        comparison = add_comparison(db, project_id, "Q", *answers)
    case = show_case(comparison, "ann")
    save_order(db, case, "ann", AnswerOrder((("1",), ("2",), ("3",))))
    before = said(db, project_id)
    rows = [{"prompt": "Q", "chosen": b, "rejected": a, "rater": "ann"} for a, b in ("12", "13")]
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    report = import_file(db, project_id, tmp_path / "rows.jsonl")
    assert (report.imported, report.num_skipped) == (0, 2)
    assert said(db, project_id) == before


def test_restored_log_can_be_restored_again_and_go_on(db, project_id, case, tmp_path):
    """From studio to studio to studio, and the first one goes on meanwhile."""
    save_label(db, case, "ann", Judgement("a"))
    settle(db, case, "admin", Judgement("tie"))
    path = tmp_path / "log.jsonl"
    export_label_log(db, project_id, path)
    first = path.read_bytes()
    other = create_project(db, "Elsewhere").project_id
    assert import_file(db, other, path).num_skipped == 2  # the same studio has these events
    assert import_file(db, project_id, path).already_there == 2
    export_label_log(db, project_id, path)
    assert path.read_bytes() == first
