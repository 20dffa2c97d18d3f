import math

import gradio as gr
import pytest

from app import text
from app.actions.label import Drafts, LabelActions
from app.actions.label_records import Choice, Draft, Words
from app.live_text import said
from app.pages.label import build_label_page
from app.pages.label_screen import frame_values, refreshed_values, screen_values
from app.records import Header, TaskState
from app.sides import to_choice, to_verdict
from app.views.cases import (
    case_html,
    empty_html,
    progress_html,
    task_line,
)
from app.views.frame import facts_html, notice_html
from gem_backend.errors import DataError
from gem_backend.types import Case, Comparison, LabelProgress
from storage.pairs import Judgement
from tests.app.fakes import make_case
from tests.app.test_heatmap import HOSTILE


@pytest.fixture
def actions(studio):
    return LabelActions(studio, Drafts())


def chose(case, choice, strength=1, **more):
    return Choice(case=case.comparison.pair_id, choice=choice, strength=strength, **more)


# --- the case on screen -----------------------------------------------------------------------
@pytest.mark.parametrize("hostile", HOSTILE)
def test_texts_are_escaped_in_the_case(hostile):
    comparison = Comparison("1", "p", "q", f"Q{hostile}", f"A{hostile}", f"B{hostile}")
    shown = case_html(Case(comparison, "a"))
    assert "<img" not in shown
    assert "</script>" not in shown
    for name in "QAB":
        escaped = hostile.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
        assert f">{name}{escaped}</div>" in shown


def test_the_two_answers_differ_in_nothing_but_side_and_words():
    comparison = Comparison("1", "p", "q", "Q", "same", "same")
    shown = case_html(Case(comparison, "a"))
    left, right = shown.split('<article class="gs-answer"')[1:]
    swapped = right.replace("right", "left").replace("Right", "Left").replace(">2<", ">1<")
    assert swapped.removesuffix("</div>") == left


def test_source_of_an_answer_is_not_in_the_page():
    comparison = Comparison("1", "p", "q", "Q", "A", "B", source="sampled")
    assert "sampled" not in case_html(Case(comparison, "a"))


@pytest.mark.parametrize("left", ["a", "b"])
@pytest.mark.parametrize("choice", [name for name, _, _ in text.CHOICES])
def test_choice_and_verdict_translate_back(left, choice):
    case = make_case("1", left=left)
    assert to_choice(to_verdict(choice, case), case) == choice


def test_left_means_the_answer_that_stood_left():
    assert to_verdict("left", make_case("1", left="b")) == "b"
    assert to_verdict("right", make_case("1", left="b")) == "a"


def test_word_that_is_no_choice_is_no_verdict():
    assert to_verdict("constructor", make_case("1")) is None


def test_progress_counts_in_words_and_as_a_bar():
    shown = progress_html(LabelProgress(3, 1, 6))
    assert "3 of 10 labelled · 1 skipped · 6 to do" in shown
    assert 'aria-valuemax="10" aria-valuenow="3"' in shown


def test_empty_state_escapes():
    assert "<b>" not in empty_html("<b>", "<b>")


@pytest.mark.parametrize(
    ("task", "expected"),
    [
        (TaskState("idle"), ""),
        (TaskState("running", 1, 2), "Going 1 of 2"),
        (TaskState("running"), "Going"),
        (TaskState("done", 2, 2), "Over"),
        (TaskState("failed", error="The model is busy."), "The model is busy."),
    ],
)
def test_task_line_says_how_it_stands(task, expected):
    assert task_line(task, "Going", "Over") == expected


def test_header_escapes_and_names_what_is_missing():
    shown = facts_html(Header("p", "<b>", "", "<i>", ""))
    assert "<b>" not in shown
    assert "none" in shown
    assert "nothing is running" in shown


def test_notice_stands_over_the_demonstration_only():
    assert "Not for clinical use" in notice_html(Header("p", "demo", "", "r", ""))
    assert notice_html(Header("p", "Qwen", "", "r", "")) == ""


# --- what the buttons do ----------------------------------------------------------------------
def test_first_case_is_shown(actions):
    assert actions.show("demo", None).case.comparison.pair_id == "case-0"


def test_case_at_hand_stays_when_the_page_is_shown_again(actions, studio):
    second = studio.cases[1]
    assert actions.show("demo", second).case == second


def test_save_stores_answer_strength_rationale_and_time(actions, studio):
    case = studio.next_turn("demo").case
    screen = actions.save("demo", case, chose(case, "left", 2, elapsed_s=4.0004), Words(" dose "))
    assert studio.saved[0].judgement == Judgement(case.left, 2, True, "dose", 4.0)
    assert screen.receipt == "Saved: left is better, clearly, acceptable to use."
    assert screen.case.comparison.pair_id == "case-1"


def test_strength_belongs_to_a_better_answer_only(actions, studio):
    case = studio.next_turn("demo").case
    actions.save("demo", case, chose(case, "tie", 2), Words(""))
    assert studio.saved[0].judgement.strength == 1


def test_no_receipt_when_the_label_was_not_stored(actions, studio):
    studio.refuses = DataError("The disk is full.")
    case = studio.next_turn("demo").case
    with pytest.raises(DataError):
        actions.save("demo", case, chose(case, "left"), Words(""))
    assert actions.show("demo", case).draft.verdict == case.left


def test_save_without_a_choice_keeps_case_and_words(actions, studio):
    case = studio.next_turn("demo").case
    screen = actions.save("demo", case, chose(case, None), Words("because"))
    assert studio.saved == []
    assert (screen.case, screen.receipt) == (case, text.CHOOSE_FIRST)
    assert screen.draft.words.rationale == "because"


def test_choice_made_for_another_case_is_not_saved(actions, studio):
    case, other = studio.cases[0], studio.cases[1]
    screen = actions.save("demo", case, chose(other, "left"), Words(""))
    assert studio.saved == []
    assert (screen.receipt, screen.draft.verdict) == (text.CASE_CHANGED, None)


@pytest.mark.parametrize("elapsed", [math.nan, math.inf, -1, 1e9, "4", None, [1]])
def test_implausible_time_is_left_out(actions, studio, elapsed):
    case = studio.next_turn("demo").case
    actions.save("demo", case, chose(case, "left", elapsed_s=elapsed), Words(""))
    assert studio.saved[0].judgement.elapsed_s is None


def test_undo_reopens_the_case_with_what_was_said(actions, studio):
    case = studio.next_turn("demo").case
    after = actions.save("demo", case, chose(case, "right", 2), Words("dose"))
    screen = actions.undo("demo", after.case, Choice(), Words())
    assert screen.case == case
    assert screen.draft == Draft(to_verdict("right", case), 2, words=Words("dose"))
    assert studio.saved == []


def test_undo_with_nothing_to_undo_says_so(actions, studio):
    case = studio.next_turn("demo").case
    screen = actions.undo("demo", case, Choice(), Words())
    assert (screen.case, screen.receipt) == (case, text.NOTHING_TO_UNDO)


def test_skipped_case_comes_back_last(actions, studio):
    case = studio.next_turn("demo").case
    screen = actions.skip("demo", case, Choice(), Words())
    assert screen.case != case
    assert screen.progress.skipped == 1


def test_draft_survives_a_new_page(actions, studio):
    case = studio.next_turn("demo").case
    actions.keep_draft(case, chose(case, "tie"), Words("half a sent"))
    assert actions.show("demo", None).draft == Draft("tie", words=Words("half a sent"))


def test_words_typed_for_the_case_before_are_not_this_cases(actions, studio):
    before, case = studio.cases[0], studio.cases[1]
    actions.keep_draft(case, chose(before, "left"), Words("about the case before"))
    assert actions.show("demo", case).draft == Draft()


def test_older_draft_that_arrives_late_changes_nothing(actions, studio):
    case = studio.next_turn("demo").case
    actions.keep_draft(case, chose(case, "left", sent_ms=2.0), Words("dose"))
    actions.keep_draft(case, chose(case, "tie", sent_ms=1.0), Words("do"))
    assert actions.show("demo", case).draft == Draft(case.left, words=Words("dose"))
    actions.keep_draft(case, chose(case, "tie", sent_ms=2.0), Words("doses"))
    assert actions.show("demo", case).draft == Draft("tie", words=Words("doses"))


def test_choice_survives_a_visit_to_another_tab(actions, studio):
    case = studio.cases[1]
    actions.keep_draft(case, chose(case, "left", 2), Words("dose"))
    assert actions.show("demo", case).draft == Draft(case.left, 2, words=Words("dose"))


def test_oldest_drafts_go_first():
    drafts = Drafts()
    for number in range(501):
        drafts.put("ann", make_case(str(number)), Draft(words=Words("x")))
    assert drafts.get("ann", make_case("0")) == Draft()
    assert drafts.get("ann", make_case("500")).words == Words("x")


# --- the page ---------------------------------------------------------------------------------
def test_screen_fills_every_output(actions, studio):
    with gr.Blocks():
        page = build_label_page(studio, gr.State("demo"))
    assert len(page.refresh("demo", None, {}, None)) == len(page.outputs)


def test_refresh_leaves_what_is_being_said_about_the_case_alone(actions, studio):
    case = studio.cases[1]
    drawn = screen_values(actions.show("demo", case))[2]
    pressed = {**drawn, "choice": "left", "reasons": ["safety"]}
    values = refreshed_values(actions.show("demo", case), pressed)
    assert values[0] == case
    assert values[1] == values[2] == values[3] == values[4] == gr.skip()
    studio.update_project("demo", reasons=["dose"])
    values = refreshed_values(actions.show("demo", case), pressed)
    assert values[2] == {**pressed, "words": ["dose", "safety"]}


def test_refresh_takes_no_receipt_away_but_that_of_another_case(actions, studio):
    """A page that comes back is drawn once more after it was told that its case is saved."""
    screen = actions.show("demo", studio.cases[1])
    receipt = [
        refreshed_values(screen, {"case": held})[6]
        for held in ("", studio.cases[1].comparison.pair_id, studio.cases[0].comparison.pair_id)
    ]
    assert receipt == [gr.skip(), gr.skip(), said("")]


def test_refresh_draws_a_case_that_the_browser_does_not_hold_yet(actions, studio):
    before, case = studio.cases[0], studio.cases[1]
    actions.keep_draft(case, chose(case, "tie"), Words("dose"))
    values = refreshed_values(actions.show("demo", case), chose(before, "left"))
    assert (values[2]["choice"], values[3]) == ("tie", "dose")


def test_finished_queue_says_what_to_do_next(actions, studio):
    studio.cases.clear()
    case = make_case("last")
    studio.save_label(case, Judgement("a"))
    values = screen_values(actions.show("demo", None))
    empty = frame_values(values[-1])[1]
    assert values[0] is None
    assert text.ALL_DONE in empty.value
    assert "Align" in empty.value
    assert case_html(None) == ""
    assert case


def test_poll_is_silent_until_something_is_asked(studio):
    with gr.Blocks():
        page = build_label_page(studio, gr.State("demo"))
    values = page.poll("demo", None, None)
    assert all(value == gr.skip() for value in values)


def test_poll_shows_a_sampled_case_when_none_is_on_screen(studio):
    studio.cases.clear()
    with gr.Blocks():
        page = build_label_page(studio, gr.State("demo"))
    studio.start_sampled_case("demo")
    seen = None
    for _ in range(4):
        values = page.poll("demo", None, seen)
        seen = values[0] if isinstance(values[0], TaskState) else seen
    assert values[2].comparison.pair_id == "sampled"


def test_poll_leaves_the_case_on_screen_alone(studio):
    case = studio.next_turn("demo").case
    with gr.Blocks():
        page = build_label_page(studio, gr.State("demo"))
    studio.case_task = TaskState("done", 2, 2)
    values = page.poll("demo", case, TaskState("running", 2, 2))
    assert values[1] == {"text": text.SAMPLED_CASE}
    assert all(value == gr.skip() for value in values[2:])


def test_from_case_to_case_nothing_is_made_visible_again(actions, studio):
    frames = [screen_values(actions.show("demo", case))[-1] for case in list(studio.cases)[:2]]
    assert frames[0] == frames[1]
    assert [part.visible for part in frame_values(frames[0])] == [True, False, True, True, False]
    studio.cases.clear()
    ended = screen_values(actions.show("demo", None))[-1]
    assert [part.visible for part in frame_values(ended)] == [False, True, False, False, False]
