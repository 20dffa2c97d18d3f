"""What a label says beside its verdict, and the last ten labels, through the actions."""

from dataclasses import replace

import pytest

from app import text
from app.actions.label import Drafts, LabelActions
from app.actions.label_records import Choice, Draft, Kept, Words
from app.pages.label_screen import screen_values
from app.sides import to_verdict
from app.views.cases import guidelines_markdown
from gem_backend.types import Rater
from storage.errors import StorageError
from storage.pairs import Judgement
from storage.recent import SampledBy, StoredLabel
from tests.app.fakes import make_case
from tests.app.test_label_page import chose


@pytest.fixture
def actions(studio):
    return LabelActions(studio, Drafts())


# --- strength, acceptability, reasons ---------------------------------------------------------
@pytest.mark.parametrize(("strength", "words"), [(1, "slightly"), (2, "clearly"), (3, "very much")])
def test_receipt_says_how_much_whether_usable_and_why(actions, studio, strength, words):
    case = studio.next_turn("demo").case
    choice = chose(case, "right", strength, is_acceptable=False, reasons=["safety", "accuracy"])
    screen = actions.save("demo", case, choice, Words())
    said = studio.saved[0].judgement
    assert (said.strength, said.is_acceptable) == (strength, False)
    assert said.reasons == ("accuracy", "safety")  # in the order of the project's list
    assert screen.receipt == (
        f"Saved: right is better, {words}, not acceptable to use. Reasons: accuracy, safety."
    )


@pytest.mark.parametrize("choice", ["both_bad", "cannot_judge"])
def test_acceptable_does_not_apply_where_nothing_is_put_to_use(actions, studio, choice):
    case = studio.next_turn("demo").case
    screen = actions.save("demo", case, chose(case, choice, is_acceptable=False), Words())
    assert studio.saved[0].judgement.is_acceptable
    assert "acceptable" not in screen.receipt


@pytest.mark.parametrize("strength", [0, 4, "2", None, True, [3]])
def test_strength_that_there_is_not_is_slightly(actions, studio, strength):
    case = studio.next_turn("demo").case
    actions.save("demo", case, chose(case, "left", strength), Words())
    assert studio.saved[0].judgement.strength == 1


@pytest.mark.parametrize("reasons", [["<b>made up</b>"], "safety", None, [None, 3]])
def test_reason_that_is_not_on_the_list_is_left_out(actions, studio, reasons):
    case = studio.next_turn("demo").case
    actions.save("demo", case, chose(case, "left", reasons=reasons), Words())
    assert studio.saved[0].judgement.reasons == ()


def test_required_reason_is_asked_for_and_nothing_is_lost(actions, studio):
    studio.update_project("demo", reasons=["dose", "tone"], is_reason_required=True)
    case = studio.next_turn("demo").case
    screen = actions.save("demo", case, chose(case, "left", 3), Words("because"))
    assert (studio.saved, screen.case, screen.receipt) == ([], case, text.REASON_FIRST)
    assert screen.draft == Draft(case.left, 3, words=Words("because"))
    actions.save("demo", case, chose(case, "left", 3, reasons=["tone"]), Words("because"))
    assert studio.saved[0].judgement.reasons == ("tone",)


@pytest.mark.parametrize("choice", ["tie", "both_bad", "cannot_judge"])
def test_only_a_preference_needs_a_reason(actions, studio, choice):
    studio.update_project("demo", reasons=["dose"], is_reason_required=True)
    case = studio.next_turn("demo").case
    actions.save("demo", case, chose(case, choice), Words())
    assert len(studio.saved) == 1


def test_reason_that_left_the_list_stays_with_its_case(actions, studio):
    case = studio.next_turn("demo").case
    actions.save("demo", case, chose(case, "left", reasons=["safety"]), Words())
    studio.update_project("demo", reasons=["dose"])
    screen = actions.undo("demo", None, Choice(), Words())
    assert screen_values(screen)[2]["words"] == ["dose", "safety"]
    actions.save("demo", case, chose(case, "left", reasons=["safety", "dose"]), Words())
    assert studio.saved[0].judgement.reasons == ("dose", "safety")


def test_written_answer_goes_with_both_bad_alone(actions, studio):
    for choice in ("both_bad", "tie"):
        case = studio.next_turn("demo").case
        screen = actions.save("demo", case, chose(case, choice), Words("why", " Better. "))
        assert screen.receipt.endswith("preferred to both.") == (choice == "both_bad")
    assert [label.judgement.written for label in studio.saved] == ["Better.", ""]


# --- the last ten -----------------------------------------------------------------------------
def test_last_ten_say_question_verdict_and_time(actions, studio):
    for _ in range(2):
        case = studio.next_turn("demo").case
        screen = actions.save("demo", case, chose(case, "left", 2), Words())
    assert [line.pair_id for line in screen.recent] == ["case-1", "case-0"]
    assert screen.recent[1].question.startswith("A 78-year-old woman has had")
    assert screen.recent[1].question.endswith(" …")
    assert "\n" not in screen.recent[1].question
    assert screen.recent[0].verdict == "left is better, clearly, acceptable to use"
    assert screen.recent[0].time == "2026-11-20 12:00"
    assert screen.recent[0].source == "Both answers: from a file"


@pytest.mark.parametrize(
    ("source", "models", "words"),
    [
        ("entered", ((), ()), "Both answers: entered by hand"),
        ("sampled", ((), ()), "Both answers: sampled by a model"),
        (
            "sampled",
            (("demo",), ("/models/large",)),
            "Left: sampled by large · right: sampled by demo",
        ),
        (
            "sampled",
            (("demo",), ("demo", "1a2b3c4d5e6f")),
            "Left: sampled by demo with the adapter of run 1a2b3c4d · right: sampled by demo",
        ),
    ],
)
def test_last_ten_say_where_the_answers_come_from(actions, studio, source, models, words):
    given = make_case("1", left="b")
    case = replace(given, comparison=replace(given.comparison, source=source))
    by = tuple(SampledBy(*named) for named in models)
    studio.saved.append(StoredLabel(case, Judgement("a"), "", models=by))
    assert actions.show("demo", None).recent[0].source == words


def test_reopening_withdraws_that_label_and_keeps_the_case_at_hand(actions, studio):
    said = [("left", 1), ("right", 3), ("tie", 1), ("both_bad", 1), ("left", 2)]
    for choice, strength in said:
        case = studio.next_turn("demo").case
        words = Words(f"because {choice}", "Better." if choice == "both_bad" else "")
        actions.save("demo", case, chose(case, choice, strength, reasons=["clarity"]), words)
    at_hand = studio.next_turn("demo").case
    screen = actions.reopen("demo", at_hand, chose(at_hand, "tie"), Words("half"), "case-1")
    assert screen.case.comparison.pair_id == "case-1"
    verdict = to_verdict("right", screen.case)
    assert screen.draft == Draft(verdict, 3, True, ("clarity",), Words("because right"))
    assert screen.receipt == text.REOPENED
    kept = [label.case.comparison.pair_id for label in studio.saved]
    assert kept == ["case-0", "case-2", "case-3", "case-4"]
    assert actions.show("demo", at_hand).draft == Draft("tie", words=Words("half"))
    again = actions.reopen("demo", at_hand, Choice(), Words(), "case-3")
    assert again.draft.words == Words("because both_bad", "Better.")


def test_reopening_what_was_withdrawn_elsewhere_says_so(actions, studio):
    case = studio.next_turn("demo").case
    screen = actions.reopen("demo", case, chose(case, "left"), Words("w"), "gone")
    assert (screen.case, screen.receipt) == (case, text.NOTHING_TO_UNDO)
    assert screen.draft == Draft(case.left, words=Words("w"))


def test_case_labelled_in_another_window_is_not_labelled_twice(actions, studio):
    case = studio.next_turn("demo").case
    actions.save("demo", case, chose(case, "left"), Words())
    screen = actions.save("demo", case, chose(case, "right"), Words())
    assert (len(studio.saved), screen.receipt) == (1, text.LABELLED_ELSEWHERE)
    assert screen.case != case


def test_a_page_that_asked_before_its_press_was_answered_gets_the_next_case(actions, studio):
    case = studio.next_turn("demo").case
    after = actions.save("demo", case, chose(case, "left"), Words())
    assert actions.show("demo", case).case == after.case != case


def test_skipping_keeps_what_was_said(actions, studio):
    case = studio.next_turn("demo").case
    actions.skip("demo", case, chose(case, "tie"), Words("half"))
    assert actions.show("demo", case).draft == Draft("tie", words=Words("half"))


# --- after the studio did not answer ----------------------------------------------------------
def kept(case, rater="expert", **said):
    said = {"was_lost": True} | said
    return Kept(rater=rater, choice=chose(case, "right", 2, sent_ms=5.0), **said)


def test_what_was_said_meanwhile_comes_back_to_its_case(actions, studio):
    first, second = studio.cases[0], studio.cases[1]
    actions.keep_draft(first, chose(first, "left", sent_ms=1.0), Words("ol"))
    screen = actions.restore("demo", first, kept(first, rationale="older"))
    expected = Draft(to_verdict("right", first), 2, words=Words("older"))
    assert (screen.case, screen.draft, screen.receipt) == (first, expected, text.RESTORED)
    screen = actions.restore("demo", first, kept(second, written="x"))  # handed another meanwhile
    assert (screen.case, screen.draft.words) == (second, Words("", "x"))
    assert studio.held == second
    assert actions.show("demo", first).draft == expected
    assert studio.saved == []


def test_what_was_said_a_moment_before_a_reload_comes_back_without_a_word(actions, studio):
    first, second = studio.cases[0], studio.cases[1]
    screen = actions.restore("demo", first, kept(first, rationale="quick", was_lost=False))
    assert (screen.draft.words, screen.receipt) == (Words("quick"), "")
    actions.save("demo", second, chose(second, "left"), Words())
    screen = actions.restore("demo", first, kept(second, was_lost=False))
    assert (screen.case, screen.receipt) == (first, "")


def test_what_was_said_of_a_repeat_comes_back_though_its_first_label_holds(actions, studio):
    case = studio.next_turn("demo").case
    actions.save("demo", case, chose(case, "left"), Words())
    turned = replace(case, left="b" if case.left == "a" else "a", repeats=1)
    screen = actions.restore("demo", turned, kept(turned, rationale="again"))
    assert (screen.case, screen.receipt) == (turned, text.RESTORED)
    assert (screen.draft.verdict, screen.draft.words.rationale) == (
        to_verdict("right", turned),
        "again",
    )


def test_what_was_said_of_a_case_labelled_elsewhere_is_not_there_when_it_comes_again(
    actions, studio
):
    case = studio.next_turn("demo").case
    actions.save("demo", case, chose(case, "left"), Words())
    screen = actions.save("demo", case, chose(case, "right"), Words("late"))
    assert screen.receipt == text.LABELLED_ELSEWHERE
    assert actions.show("demo", case).draft == Draft()


def test_case_that_was_saved_after_all_is_not_opened_again(actions, studio):
    case = studio.next_turn("demo").case
    actions.save("demo", case, chose(case, "left"), Words())
    screen = actions.restore("demo", None, kept(case, rationale="older"))
    assert (screen.case == case, screen.receipt) == (False, text.SAVED_BEFORE)
    assert len(studio.saved) == 1


@pytest.mark.parametrize("rater", ["bob", "", None])
def test_what_somebody_else_said_in_that_browser_is_not_restored(actions, studio, rater):
    case = studio.next_turn("demo").case
    screen = actions.restore("demo", case, kept(case, rater, rationale="bob's words"))
    assert (screen.draft, screen.receipt) == (Draft(), "")


def test_kept_words_of_an_unknown_case_are_told(actions, studio):
    with pytest.raises(StorageError, match="no longer there"):
        actions.restore("demo", None, kept(make_case("gone")))


# --- progress and guidelines ------------------------------------------------------------------
@pytest.mark.parametrize(
    ("pace_s", "words"),
    [(None, ""), (0.2, "1 s"), (12.4, "12 s"), (89.9, "90 s"), (90, "2 min"), (600, "10 min")],
)
def test_progress_says_how_long_a_case_takes(pace_s, words):
    shown = text.progress_line(3, 1, 6, pace_s)
    assert shown.endswith(f" · about {words} a case" if words else "6 to do")


def test_progress_says_when_the_skipped_ones_are_back():
    assert "2 skipped, back now" in text.progress_line(3, 2, 0)


def test_guidelines_keep_their_markdown_and_lose_tags_and_pictures():
    shown = guidelines_markdown("**Dose** < 5\n<script>x</script> ![p](http://far.example/p.png)")
    assert shown.startswith("**Dose** &lt; 5\n")
    assert "<" not in shown
    assert "![" not in shown
    assert guidelines_markdown(" \n") == text.NO_GUIDELINES


def test_a_second_rater_sees_nothing_of_the_firsts_draft(studio, monkeypatch):
    """Both have the same case open; each finds what they themselves had said of it."""
    actions = LabelActions(studio, Drafts())
    case = actions.show("demo", None).case
    raters = {name: Rater(name) for name in ("ann", "bob")}

    def act_as(name):
        monkeypatch.setattr(type(studio.access), "current", lambda _: raters[name])

    act_as("ann")
    actions.keep_draft(case, chose(case, "left", 3), Words("unsafe dose"))
    act_as("bob")
    assert actions.show("demo", case).draft == Draft()
    actions.keep_draft(case, chose(case, "right", 1), Words("too long"))
    act_as("ann")
    assert actions.show("demo", case).draft.words == Words("unsafe dose")


def test_a_repeat_is_saved_though_its_case_was_judged_before(actions, studio):
    case = studio.next_turn("demo").case
    studio.save_label(case, Judgement("a"))
    repeat = replace(case, repeats=1)
    screen = actions.save("demo", repeat, chose(repeat, "tie"), Words())
    assert screen.receipt.startswith("Saved")
    assert studio.saved[-1].judgement.verdict == "tie"


def test_a_repeat_that_two_windows_show_is_saved_once(actions, studio):
    case = studio.next_turn("demo").case
    studio.save_label(case, Judgement("a"))
    repeat = replace(case, repeats=1)
    actions.save("demo", repeat, chose(repeat, "tie"), Words())
    screen = actions.save("demo", repeat, chose(repeat, "left"), Words("other"))
    assert screen.receipt == text.LABELLED_ELSEWHERE
    assert [label.judgement.verdict for label in studio.saved] == ["a", "tie"]
    again = actions.restore("demo", None, kept(repeat, rationale="lost answer"))
    assert again.receipt == text.SAVED_BEFORE
