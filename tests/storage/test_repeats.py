"""Hidden repeats: how many, which, with which sides, and what they leave in the log."""

import pytest

from gem_backend.label_health import label_health
from storage.errors import EntryError
from storage.judgements import judged_cases
from storage.orders import AnswerOrder, save_order
from storage.pairs import Judgement, add_comparison, is_judged, save_label, show_case, skip
from storage.projects import update_project
from storage.recent import undo
from storage.repeats import MIN_DISTANCE, due_repeat
from storage.turns import next_turn


def ask_again(db, project_id, percent):
    update_project(
        db,
        project_id,
        guidelines="",
        reasons=(),
        is_reason_required=False,
        raters_per_case=2,
        repeat_percent=percent,
    )


@pytest.fixture
def cases(db, project_id):
    ask_again(db, project_id, 10)
    return [add_comparison(db, project_id, f"Q{number:02}", "yes", "no") for number in range(40)]


def label(db, comparisons, rater="ann", verdict="a"):
    for comparison in comparisons:
        save_label(db, show_case(comparison, rater), rater, Judgement(verdict))


@pytest.mark.slow
def test_a_tenth_of_the_judgements_are_repeats_of_the_oldest_cases(db, project_id, cases):
    repeated = []
    for count in range(1, 32):
        case = due_repeat(db, project_id, "ann") or next_turn(db, project_id, "ann").case
        if case.is_repeat:
            repeated.append((count, case.comparison.prompt))
        save_label(db, case, "ann", Judgement("a"))
    # The k-th repeat comes when 10 k judgements are there; the first waits until ten lie between.
    assert repeated == [(12, "Q00"), (21, "Q01"), (31, "Q02")]


def test_a_repeat_has_its_sides_changed_over(db, project_id, cases):
    label(db, cases[:MIN_DISTANCE])
    assert due_repeat(db, project_id, "ann") is None
    label(db, cases[MIN_DISTANCE:][:1])
    repeat = due_repeat(db, project_id, "ann")
    assert repeat.comparison == cases[0]
    assert repeat.left != show_case(cases[0], "ann").left
    assert due_repeat(db, project_id, "ann") == repeat  # the same after a reload
    assert due_repeat(db, project_id, "bob") is None


def test_skipped_repeat_does_not_come_back_and_an_undone_label_is_none(db, project_id, cases):
    label(db, cases[:12])
    skip(db, due_repeat(db, project_id, "ann"), "ann")
    assert due_repeat(db, project_id, "ann").comparison == cases[1]
    for _ in range(11):
        undo(db, project_id, "ann")
    assert due_repeat(db, project_id, "ann") is None


def test_without_the_setting_nothing_is_repeated(db, project_id, cases):
    label(db, cases)
    ask_again(db, project_id, 0)
    assert due_repeat(db, project_id, "ann") is None
    with pytest.raises(EntryError, match="Between 0 and 50 percent"):
        ask_again(db, project_id, 51)


def test_a_repeat_judged_differently_is_a_contradiction(db, project_id, cases):
    label(db, cases[:11])
    repeat = due_repeat(db, project_id, "ann")
    save_label(db, repeat, "ann", Judgement("b"))
    estimate = label_health(judged_cases(db, project_id)).project.contradictions.estimate
    assert (estimate.value, estimate.n) == (1.0, 1)


def test_an_order_of_answers_is_not_asked_for_again(db, project_id, cases):
    """A label in its place would take the labels of all its pairs back."""
    for answer in ("maybe", "later"):
        add_comparison(db, project_id, "Q00", answer, "yes")
    save_order(db, show_case(cases[0], "ann"), "ann", AnswerOrder((("yes",), ("no",), ("maybe",))))
    label(db, cases[1 : MIN_DISTANCE + 2])
    assert due_repeat(db, project_id, "ann").comparison == cases[1]


def test_a_repeat_counts_as_judged_once_it_has_a_label_of_its_own(db, project_id, cases):
    label(db, cases[: MIN_DISTANCE + 1])
    repeat = due_repeat(db, project_id, "ann")
    assert not is_judged(db, repeat, "ann")
    save_label(db, repeat, "ann", Judgement("b"))
    assert is_judged(db, repeat, "ann")  # in another window it may still be on screen
    undo(db, project_id, "ann", repeat.comparison.pair_id)
    assert not is_judged(db, repeat, "ann")
