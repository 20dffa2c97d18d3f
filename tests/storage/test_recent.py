from dataclasses import replace

import pytest

from gem_backend.training_data import split_training_data
from gem_backend.types import LabelProgress
from storage.audit import label_log
from storage.candidates import save_group
from storage.errors import EntryError
from storage.pairs import (
    Judgement,
    add_comparison,
    is_judged,
    save_label,
    show_case,
    skip,
    training_pairs,
)
from storage.projects import create_project, upsert_prompt
from storage.recent import median_elapsed_s, recent_labels, undo
from storage.standing import stand_project
from storage.turns import label_progress, next_turn

BETTER = "Give half the dose. <b>${x}</b>"


@pytest.fixture
def twelve(db, project_id):
    return [add_comparison(db, project_id, f"Q{number:02}", "yes", "no") for number in range(12)]


def label_all(db, comparisons, rater="ann"):
    for number, comparison in enumerate(comparisons):
        save_label(db, show_case(comparison, rater), rater, Judgement("a", elapsed_s=number))


def asked(labels):
    return [label.case.comparison.prompt for label in labels]


# --- the last labels --------------------------------------------------------------------------
def test_last_ten_come_newest_first_with_what_was_said(db, project_id, twelve):
    label_all(db, twelve)
    said = Judgement("b", 3, False, "unsafe", 4.5, ("safety", "dose"))
    save_label(db, show_case(twelve[0], "ann"), "ann", said)
    labels = recent_labels(db, project_id, "ann")
    assert asked(labels) == ["Q00", *(f"Q{number:02}" for number in range(11, 2, -1))]
    assert labels[0].judgement == said
    assert labels[0].case == show_case(twelve[0], "ann")
    assert labels[0].created_at > labels[1].created_at


def test_only_labels_that_hold_and_are_the_raters_own_are_listed(db, project_id, twelve):
    other = create_project(db, "Other").project_id
    label_all(db, [add_comparison(db, other, "Q", "yes", "no")])
    label_all(db, twelve[:3])
    label_all(db, twelve[3:5], "bob")
    skip(db, show_case(twelve[6], "ann"), "ann")
    undo(db, project_id, "ann")
    db.execute("UPDATE label_events SET is_imported = true WHERE pair_id = ?", [twelve[0].pair_id])
    stand_project(db, project_id)
    assert asked(recent_labels(db, project_id, "ann")) == ["Q01"]


def test_fourth_last_label_is_withdrawn_and_no_other(db, project_id, twelve):
    label_all(db, twelve)
    wanted = recent_labels(db, project_id, "ann")[3]
    pair_id = wanted.case.comparison.pair_id
    assert undo(db, project_id, "ann", pair_id) == wanted
    assert undo(db, project_id, "ann", pair_id) is None
    assert not is_judged(db, wanted.case, "ann")
    assert next_turn(db, project_id, "ann").case == wanted.case
    assert label_progress(db, project_id, "ann") == LabelProgress(11, 0, 1)
    assert undo(db, project_id, "ann").case.comparison.prompt == "Q11"


def test_label_of_somebody_else_cannot_be_withdrawn(db, project_id, twelve):
    label_all(db, twelve[:1], "bob")
    assert undo(db, project_id, "ann", twelve[0].pair_id) is None
    assert not is_judged(db, show_case(twelve[0], "ann"), "ann")
    assert is_judged(db, show_case(twelve[0], "ann"), "bob")
    assert len(training_pairs(db, project_id)) == 1


def test_pace_is_the_median_of_the_last_timed_labels(db, project_id, twelve):
    def pace_s(rater, limit=10):
        return median_elapsed_s(recent_labels(db, project_id, rater, limit))

    assert pace_s("ann") is None
    label_all(db, twelve[:4])  # 0 to 3 s
    save_label(db, show_case(twelve[4], "ann"), "ann", Judgement("a"))
    assert pace_s("ann") == 1.5
    assert pace_s("ann", limit=3) == 2.5
    assert pace_s("bob") is None


# --- a better answer where both are bad -------------------------------------------------------
def test_written_answer_is_preferred_to_both(db, project_id, twelve):
    case = show_case(twelve[0], "ann")
    save_label(db, case, "ann", Judgement("both_bad", written=BETTER, rationale="why"))
    progress = label_progress(db, project_id, "ann")
    assert (progress.done, progress.pending) == (1, 11)
    both_bad, *parts = training_pairs(db, project_id)
    assert (both_bad.verdict, both_bad.rationale) == ("both_bad", "why")
    assert {(pair.chosen, pair.rejected) for pair in parts} == {(BETTER, "yes"), (BETTER, "no")}
    assert {(pair.verdict, pair.strength, pair.source) for pair in parts} == {
        ("preferred", 3, "entered")
    }
    [label] = recent_labels(db, project_id, "ann")
    assert (label.judgement.verdict, label.judgement.written) == ("both_bad", BETTER)


def test_undo_takes_the_written_answer_back_with_the_verdict(db, project_id, twelve):
    case = show_case(twelve[0], "ann")
    save_label(db, case, "ann", Judgement("both_bad", written=BETTER))
    assert undo(db, project_id, "ann").judgement.written == BETTER
    assert training_pairs(db, project_id) == []
    assert label_progress(db, project_id, "ann") == LabelProgress(0, 0, 12)
    assert [event.kind for event in label_log(db, project_id)] == ["undo"] * 3 + ["label"] * 3
    assert undo(db, project_id, "ann") is None


def test_own_label_on_a_pair_of_the_written_answer_stands(db, project_id, twelve):
    other = add_comparison(db, project_id, "Q00", BETTER, "yes")
    save_label(db, show_case(other, "ann"), "ann", Judgement("tie", rationale="first"))
    save_label(db, show_case(twelve[0], "ann"), "ann", Judgement("both_bad", written=BETTER))
    assert recent_labels(db, project_id, "ann")[0].judgement.written == BETTER
    undo(db, project_id, "ann")
    [label] = recent_labels(db, project_id, "ann")
    assert (label.case.comparison, label.judgement.rationale) == (other, "first")


def test_new_verdict_on_the_case_replaces_what_was_written(db, project_id, twelve):
    case = show_case(twelve[0], "ann")
    save_label(db, case, "ann", Judgement("both_bad", written=BETTER))
    save_label(db, case, "ann", Judgement("both_bad", written="Wait and see."))
    assert {pair.chosen for pair in training_pairs(db, project_id)[1:]} == {"Wait and see."}
    save_label(db, case, "ann", Judgement("a"))
    assert [pair.chosen for pair in training_pairs(db, project_id)] == ["yes"]


@pytest.mark.parametrize("written", ["yes", "no"])
def test_one_of_the_two_is_no_better_answer_and_nothing_is_kept(db, project_id, twelve, written):
    with pytest.raises(EntryError, match="one of the two"):
        save_label(db, show_case(twelve[0], "ann"), "ann", Judgement("both_bad", written=written))
    assert label_log(db, project_id) == []


@pytest.mark.parametrize(
    "judgement", [Judgement("both_bad", written=" \n"), Judgement("a", written="x")]
)
def test_nothing_is_written_for_blank_words_or_another_verdict(db, project_id, twelve, judgement):
    save_label(db, show_case(twelve[0], "ann"), "ann", judgement)
    assert len(training_pairs(db, project_id)) == 1


def test_pair_of_a_written_answer_becomes_a_case_when_it_is_entered(db, project_id, twelve):
    save_label(db, show_case(twelve[0], "ann"), "ann", Judgement("both_bad", written=BETTER))
    undo(db, project_id, "ann")
    add_comparison(db, project_id, "Q00", BETTER, "yes")
    assert label_progress(db, project_id, "ann").pending == 13


def test_answer_that_is_not_acceptable_does_not_train(db, project_id, twelve):
    save_label(db, show_case(twelve[0], "ann"), "ann", Judgement("a", is_acceptable=False))
    data = split_training_data(training_pairs(db, project_id))
    assert data.train == ()
    assert data.left_out == (("the better answer is not acceptable to use", 1),)


def test_labels_name_the_models_that_wrote_the_answers(db, project_id, make_candidate):
    prompt = upsert_prompt(db, project_id, "Q", "train")
    sampled = [make_candidate(f"c{n}", "Q", n) for n in (1, 2)]
    save_group(db, prompt.prompt_id, sampled[:1])
    new = replace(
        sampled[1], provenance=replace(sampled[1].provenance, model="large", adapter="r1")
    )
    save_group(db, prompt.prompt_id, [new])
    for answers, source in (
        ((sampled[0].text, new.text), "sampled"),
        ((sampled[0].text, "elsewhere"), "sampled"),
        (("yes", "no"), "entered"),
    ):
        pair = add_comparison(db, project_id, "Q", *answers, source)
        save_label(db, show_case(pair, "ann"), "ann", Judgement("a"))
    models = [label.models for label in recent_labels(db, project_id, "ann")]
    nobody, base = ("", ""), ("demo", "")
    assert models == [(nobody, nobody), (base, nobody), (base, ("large", "r1"))]
