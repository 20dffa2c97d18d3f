import time
from dataclasses import replace

import pyarrow as pa
import pytest

from gem_backend.training_data import split_training_data
from gem_backend.types import Case, LabelProgress
from storage.audit import label_log, pair_log
from storage.errors import EntryError, NotFoundError
from storage.pairs import (
    Judgement,
    add_comparison,
    get_comparison,
    save_label,
    show_case,
    skip,
    training_pairs,
)
from storage.projects import create_project, update_project, upsert_prompt
from storage.recent import undo
from storage.standing import stand_project
from storage.turns import label_progress, next_turn


@pytest.fixture
def three(db, project_id):
    return [add_comparison(db, project_id, f"Q{number}", "yes", "no") for number in range(3)]


def queue(db, project_id, rater="ann"):
    """Return the prompts in the order the rater would meet them, without keeping anything."""
    prompts = []
    with pytest.raises(StopIteration), db.transaction():
        while (case := next_turn(db, project_id, rater).case) is not None:
            prompts.append(case.comparison.prompt)
            save_label(db, case, rater, Judgement("tie"))
        raise StopIteration
    return prompts


def test_cases_come_in_order_until_all_are_done(db, project_id, three):
    assert queue(db, project_id) == ["Q0", "Q1", "Q2"]
    for _ in three:
        save_label(db, next_turn(db, project_id, "ann").case, "ann", Judgement("a"))
    progress = label_progress(db, project_id, "ann")
    assert progress == LabelProgress(done=3, skipped=0, pending=0)
    assert next_turn(db, project_id, "ann").case is None


def test_entered_and_sampled_cases_come_before_imported_ones(db, project_id):
    for prompt in ("old", "new"):
        add_comparison(db, project_id, prompt, "yes", "no")
    db.execute("UPDATE pairs SET source = 'imported' WHERE seq = 1")
    stand_project(db, project_id)
    assert queue(db, project_id) == ["new", "old"]


def test_case_shows_the_stored_texts_on_the_right_sides(db, project_id):
    comparison = add_comparison(db, project_id, "Q", "first", "second", "sampled")
    case = next_turn(db, project_id, "ann").case
    assert case.comparison == comparison
    assert (case.left_text, case.right_text) == (
        ("first", "second") if case.left == "a" else ("second", "first")
    )


def test_sides_are_fixed_for_a_rater_differ_between_raters_and_are_even(db, project_id):
    comparison = add_comparison(db, project_id, "Q", "yes", "no")
    pairs = [replace(comparison, pair_id=f"{number:032x}") for number in range(2000)]
    ann, bob = ([show_case(pair, rater).left for pair in pairs] for rater in ("ann", "bob"))
    assert ann == [show_case(pair, "ann").left for pair in pairs]
    # Binomial, n = 2000, p = 1/2: a standard deviation is 22, so 900..1100 is 4.5 of them.
    assert 900 < ann.count("a") < 1100
    assert 900 < sum(left == right for left, right in zip(ann, bob, strict=True)) < 1100


def test_skipped_cases_come_back_last_in_the_order_they_were_skipped(db, project_id, three):
    for comparison in (three[1], three[0]):
        skip(db, show_case(comparison, "ann"), "ann")
    progress = label_progress(db, project_id, "ann")
    assert progress == LabelProgress(done=0, skipped=2, pending=1)
    assert queue(db, project_id) == ["Q2", "Q1", "Q0"]
    skip(db, show_case(three[1], "ann"), "ann")
    assert queue(db, project_id) == ["Q2", "Q0", "Q1"]
    assert queue(db, project_id, "bob") == ["Q0", "Q1", "Q2"]


def test_case_is_done_for_all_when_anybody_has_judged_it(db, project_id, three):
    save_label(db, show_case(three[0], "bob"), "bob", Judgement("b"))
    assert queue(db, project_id, "ann") == ["Q1", "Q2"]
    assert label_progress(db, project_id, "ann") == LabelProgress(1, 0, 2)
    assert label_progress(db, project_id, "bob") == LabelProgress(1, 0, 2)


def test_skipping_a_judged_case_takes_nothing_back(db, project_id, three):
    save_label(db, show_case(three[0], "ann"), "ann", Judgement("b"))
    skip(db, show_case(three[0], "ann"), "ann")
    assert label_progress(db, project_id, "ann") == LabelProgress(1, 0, 2)


def test_undo_goes_back_one_label_at_a_time(db, project_id, three):
    for comparison in three:
        save_label(db, show_case(comparison, "ann"), "ann", Judgement("a"))
    assert undo(db, project_id, "ann").case == show_case(three[2], "ann")
    assert undo(db, project_id, "ann").case == show_case(three[1], "ann")
    assert queue(db, project_id) == ["Q1", "Q2"]
    assert undo(db, project_id, "ann").case == show_case(three[0], "ann")
    assert undo(db, project_id, "ann") is None
    assert label_progress(db, project_id, "ann") == LabelProgress(0, 0, 3)


def test_undo_reopens_a_case_that_was_judged_twice(db, project_id, three):
    for verdict in ("a", "b"):
        save_label(db, show_case(three[0], "ann"), "ann", Judgement(verdict))
    assert [pair.chosen for pair in training_pairs(db, project_id)] == ["no"]
    undo(db, project_id, "ann")
    assert training_pairs(db, project_id) == []
    assert queue(db, project_id) == ["Q0", "Q1", "Q2"]


def test_undone_case_is_no_longer_a_skipped_one(db, project_id, three):
    case = show_case(three[0], "ann")
    skip(db, case, "ann")
    save_label(db, case, "ann", Judgement("a"))
    undo(db, project_id, "ann")
    assert label_progress(db, project_id, "ann") == LabelProgress(0, 0, 3)


def test_undo_touches_only_the_rater_and_the_project(db, project_id, three):
    other = create_project(db, "Other").project_id
    elsewhere = add_comparison(db, other, "Q0", "yes", "no")
    save_label(db, show_case(elsewhere, "ann"), "ann", Judgement("a"))
    save_label(db, show_case(three[0], "bob"), "bob", Judgement("a"))
    assert undo(db, project_id, "ann") is None
    assert len(training_pairs(db, other)) == len(training_pairs(db, project_id)) == 1


def test_log_keeps_everything_that_was_said(db, project_id, three):
    case = show_case(three[0], "ann")
    skip(db, case, "ann")
    save_label(db, case, "ann", Judgement("b", 3, False, "unsafe ${dose}", 4.5))
    undo(db, project_id, "ann")
    log = pair_log(db, three[0].pair_id)
    assert [event.kind for event in log] == ["skip", "label", "undo"]
    label = log[1]
    assert (label.verdict, label.left, label.strength, label.is_acceptable) == (
        "b",
        case.left,
        3,
        False,
    )
    assert (label.rationale, label.elapsed_s, label.rater) == ("unsafe ${dose}", 4.5, "ann")
    assert label_log(db, project_id) == log[::-1]
    assert label_log(db, project_id, limit=1) == log[-1:]
    assert log[0].created_at <= log[1].created_at <= log[2].created_at
    clock = [row[0] for row in db.query("SELECT monotonic_s FROM label_events ORDER BY seq")]
    assert clock == sorted(clock)


@pytest.mark.parametrize(
    ("verdict", "chosen", "rejected", "pair_verdict"),
    [
        ("a", "yes", "no", "preferred"),
        ("b", "no", "yes", "preferred"),
        ("tie", "yes", "no", "tie"),
        ("both_bad", "yes", "no", "both_bad"),
        ("cannot_judge", "yes", "no", "cannot_judge"),
    ],
)
def test_training_pairs_turn_verdicts_into_chosen_and_rejected(
    db, project_id, verdict, chosen, rejected, pair_verdict
):
    upsert_prompt(db, project_id, "Q", "held_out", "42")
    comparison = add_comparison(db, project_id, "Q", "yes", "no")
    case = show_case(comparison, "ann")
    save_label(db, case, "ann", Judgement(verdict, 2, False, "because"))
    [pair] = training_pairs(db, project_id)
    assert (pair.prompt, pair.chosen, pair.rejected) == ("Q", chosen, rejected)
    assert (pair.verdict, pair.strength, pair.is_acceptable) == (pair_verdict, 2, False)
    assert (pair.rationale, pair.rater, pair.pair_id) == ("because", "ann", comparison.pair_id)
    assert (pair.split, pair.gold_answer) == ("held_out", "42")


def test_two_raters_make_two_training_pairs(db, project_id, three):
    for rater, verdict in (("ann", "a"), ("bob", "b")):
        save_label(db, show_case(three[0], rater), rater, Judgement(verdict))
    pairs = training_pairs(db, project_id)
    assert [(pair.rater, pair.chosen) for pair in pairs] == [("ann", "yes"), ("bob", "no")]


def test_held_out_pairs_are_labelled_like_others_and_never_train(db, project_id):
    upsert_prompt(db, project_id, "Q", "held_out")
    assert add_comparison(db, project_id, "Q", "yes", "no").split == "held_out"
    case = next_turn(db, project_id, "ann").case
    assert label_progress(db, project_id, "ann") == LabelProgress(0, 0, 1)
    save_label(db, case, "ann", Judgement("both_bad", written="perhaps"))
    assert label_progress(db, project_id, "ann") == LabelProgress(1, 0, 0)
    other = add_comparison(db, project_id, "Q", "yes", "never")
    save_label(db, show_case(other, "ann"), "ann", Judgement("a"))
    data = split_training_data(training_pairs(db, project_id))
    assert (data.train, data.judged, data.prompts) == ((), (), ())
    kept = [*data.validation, *data.test]
    assert sorted(pair.chosen for pair in kept) == ["perhaps", "perhaps", "yes"]


def test_same_pair_either_way_round_is_stored_once(db, project_id):
    first = add_comparison(db, project_id, "Q", "yes", "no")
    assert add_comparison(db, project_id, "Q", "no", "yes") == first
    assert label_progress(db, project_id, "ann").total == 1


@pytest.mark.parametrize(
    "texts", [("", "yes", "no"), ("Q", " \n", "no"), ("Q", "yes", ""), ("Q", "yes", "yes")]
)
def test_empty_or_equal_texts_are_refused_and_nothing_is_kept(db, project_id, texts):
    with pytest.raises(EntryError):
        add_comparison(db, project_id, *texts)
    assert db.count("SELECT count(*) FROM prompts") == 0


def test_label_without_rater_case_or_known_strength_is_refused(db, project_id, three):
    case = show_case(three[0], "ann")
    with pytest.raises(EntryError):
        save_label(db, case, " ", Judgement("a"))
    with pytest.raises(EntryError):
        save_label(db, case, "ann", Judgement("a", strength=4))
    gone = replace(case, comparison=replace(case.comparison, pair_id="gone"))
    with pytest.raises(NotFoundError):
        save_label(db, gone, "ann", Judgement("a"))
    with pytest.raises(NotFoundError):
        get_comparison(db, "gone")
    assert label_log(db, project_id) == []


def test_time_that_is_no_number_is_stored_as_unknown(db, project_id, three):
    save_label(db, show_case(three[0], "ann"), "ann", Judgement("a", elapsed_s=float("nan")))
    assert label_log(db, project_id)[0].elapsed_s is None


def test_twenty_thousand_cases_do_not_slow_the_rater(db, project_id):
    count = 20_000
    ids = [f"{number:032x}" for number in range(count)]
    constant = {"project_id": project_id, "created_at": ""}
    extra = {name: [value] * count for name, value in constant.items()}
    db.insert(
        "prompts", pa.table({"prompt_id": ids, "prompt": ids, "split": ["train"] * count} | extra)
    )
    db.insert(
        "pairs",
        pa.table(
            {"pair_id": ids, "prompt_id": ids, "answer_a": ids, "answer_b": ["no"] * count}
            | {"source": ["imported"] * count}
            | extra
        ),
    )
    stand_project(db, project_id)
    times = []
    for _ in range(15):
        start = time.process_time()
        case = next_turn(db, project_id, "ann").case
        save_label(db, case, "ann", Judgement("a"))
        times.append(time.process_time() - start)
    assert sorted(times)[7] < 0.1  # CPU time, so that a busy machine is no failure


def test_a_case_goes_to_as_many_raters_as_it_needs_each_of_them_once(db, project_id, three):
    update_project(
        db, project_id, guidelines="", reasons=(), is_reason_required=False, raters_per_case=2
    )

    def judge_all(rater):
        judged = []
        while (case := next_turn(db, project_id, rater).case) is not None:
            save_label(db, case, rater, Judgement("a"))
            judged.append(case.comparison.pair_id)
        return judged

    keys = {one.pair_id for one in three}
    assert set(judge_all("ann")) == keys
    assert label_progress(db, project_id, "bob").pending == len(keys)
    assert set(judge_all("bob")) == keys
    assert judge_all("cid") == []


def test_a_case_on_enough_other_screens_comes_last(db, project_id, three):
    def next_prompt(held):
        others = {str(number): Case(comparison, "a") for number, comparison in enumerate(held)}
        case = next_turn(db, project_id, "ann", others).case
        return case.comparison.prompt

    assert next_prompt([three[0]]) == "Q1"
    assert next_prompt([three[2], three[0]]) == "Q1"
    assert next_prompt(three) == "Q0"  # rather than nothing: whoever holds it may have left
    update_project(
        db, project_id, guidelines="", reasons=(), is_reason_required=False, raters_per_case=2
    )
    assert next_prompt([three[0]]) == "Q0"
    save_label(db, show_case(three[0], "bob"), "bob", Judgement("a"))
    assert next_prompt([three[0]]) == "Q1"
