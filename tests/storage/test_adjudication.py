"""Disagreements and final labels: what trains, what stays, and who said what."""

import pytest

from storage.adjudication import count_disputes, disputes, reopen, settle
from storage.audit import label_log
from storage.exchange import import_file
from storage.export import export_label_log
from storage.judgements import judged_cases, ratings
from storage.pairs import Judgement, add_comparison, save_label, show_case, training_pairs
from storage.projects import create_project
from storage.recent import recent_labels, undo
from storage.turns import label_progress


@pytest.fixture
def disputed(db, project_id):
    """Two cases: ann and bob differ on the first."""
    first, second = (add_comparison(db, project_id, f"Q{n}", "yes", "no") for n in range(2))
    for rater, verdicts in (("ann", "aa"), ("bob", "ba")):
        for comparison, verdict in zip((first, second), verdicts, strict=True):
            save_label(db, show_case(comparison, rater), rater, Judgement(verdict))
    return first


def test_only_cases_with_different_verdicts_are_disputed(db, project_id, disputed):
    [dispute] = disputes(db, project_id)
    assert dispute.comparison == disputed
    assert [(one.rater, one.judgement.verdict) for one in dispute.said] == [
        ("ann", "a"),
        ("bob", "b"),
    ]
    assert dispute.final is None


@pytest.mark.parametrize(
    ("verdict", "is_acceptable", "is_disputed"),
    [
        ("a", (True, False), True),
        ("a", (False, False), False),
        ("tie", (True, False), False),  # a tie trains alike, acceptable or not
        ("both_bad", (True, False), False),
    ],
)
def test_raters_who_differ_on_whether_the_better_answer_may_be_used_are_disputed(
    db, project_id, verdict, is_acceptable, is_disputed
):
    comparison = add_comparison(db, project_id, "Q", "yes", "no")
    for rater, may_be_used in zip(("ann", "bob"), is_acceptable, strict=True):
        said = Judgement(verdict, is_acceptable=may_be_used)
        save_label(db, show_case(comparison, rater), rater, said)
    assert bool(disputes(db, project_id)) == is_disputed


def test_settled_case_is_listed_when_its_raters_have_come_to_agree(db, project_id, disputed):
    settle(db, show_case(disputed, "dora"), "dora", Judgement("tie"))
    save_label(db, show_case(disputed, "bob"), "bob", Judgement("a"))
    [dispute] = disputes(db, project_id)
    assert (dispute.comparison, dispute.final.rater) == (disputed, "dora")
    assert not reopen(db, show_case(disputed, "ann"), "ann")  # it is not hers
    assert reopen(db, show_case(disputed, "dora"), "dora")
    assert disputes(db, project_id) == []


def test_final_label_alone_trains_and_leaves_everybody_theirs(db, project_id, disputed):
    before = (
        ratings(db, project_id),
        judged_cases(db, project_id),
        recent_labels(db, project_id, "ann"),
    )
    progress = label_progress(db, project_id, "ann")
    settle(db, show_case(disputed, "ann"), "ann", Judgement("tie", rationale="Both do."))
    [dispute] = disputes(db, project_id)
    assert (dispute.final.rater, dispute.final.judgement.rationale) == ("ann", "Both do.")
    assert len(dispute.said) == 2
    first, *rest = training_pairs(db, project_id)
    assert (first.prompt, first.verdict, first.rater) == ("Q0", "tie", "ann")
    assert [pair.prompt for pair in rest] == ["Q1", "Q1"]
    after = (
        ratings(db, project_id),
        judged_cases(db, project_id),
        recent_labels(db, project_id, "ann"),
    )
    assert after == before
    assert label_progress(db, project_id, "ann") == progress


def test_the_newest_final_label_counts_and_can_be_withdrawn(db, project_id, disputed):
    settle(db, show_case(disputed, "ann"), "ann", Judgement("a"))
    settle(db, show_case(disputed, "cleo"), "cleo", Judgement("b"))
    assert disputes(db, project_id)[0].final.rater == "cleo"
    assert training_pairs(db, project_id)[0].rater == "cleo"
    reopen(db, show_case(disputed, "bob"), "bob")  # bob has none
    reopen(db, show_case(disputed, "cleo"), "cleo")
    assert disputes(db, project_id)[0].final.rater == "ann"
    reopen(db, show_case(disputed, "ann"), "ann")
    assert disputes(db, project_id)[0].final is None
    assert len(training_pairs(db, project_id)) == 4
    kinds = [(event.kind, event.is_final) for event in reversed(label_log(db, project_id))][4:]
    assert kinds == [("label", True)] * 2 + [("undo", True)] * 2


def test_undo_of_a_rater_takes_no_final_label_back(db, project_id, disputed):
    settle(db, show_case(disputed, "ann"), "ann", Judgement("tie"))
    assert undo(db, project_id, "ann").case.comparison.prompt == "Q1"
    assert undo(db, project_id, "ann").case.comparison.prompt == "Q0"
    assert undo(db, project_id, "ann") is None
    assert training_pairs(db, project_id)[0].verdict == "tie"


def test_final_labels_come_back_from_an_exported_log(db, project_id, disputed, tmp_path):
    settle(db, show_case(disputed, "ann"), "ann", Judgement("b", 2))
    log, again = tmp_path / "log.jsonl", tmp_path / "again.jsonl"
    export_label_log(db, project_id, log)
    pairs = training_pairs(db, project_id)
    db.execute_script("DELETE FROM label_events; DELETE FROM standing")
    import_file(db, project_id, log)
    export_label_log(db, project_id, again)
    assert again.read_bytes() == log.read_bytes()
    assert training_pairs(db, project_id) == pairs
    assert disputes(db, create_project(db, "Empty").project_id) == []


def test_of_many_cases_the_oldest_open_ones_are_listed_and_all_are_counted(db, project_id):
    cases = []
    for number in range(5):
        comparison = add_comparison(db, project_id, f"Question {number}", "yes", "no")
        cases.append(show_case(comparison, "ann"))
        for rater, verdict in (("ann", "a"), ("bob", "b")):
            save_label(db, cases[-1], rater, Judgement(verdict))
    for case in cases[:2]:
        settle(db, case, "eve", Judgement("a"))
    listed = [dispute.comparison.prompt for dispute in disputes(db, project_id, most=3)]
    assert listed == ["Question 2", "Question 3", "Question 4"]
    assert len(disputes(db, project_id, most=4)) == 4
    assert count_disputes(db, project_id) == (2, 5)
    assert count_disputes(db, "another") == (0, 0)
