"""Pairs that raters type themselves: stored as typed, judged at once, never over a label."""

from dataclasses import astuple

import gradio as gr
import pytest

from app import text
from app.actions.entry import Entry, EntryActions, read_entry
from app.actions.label import Drafts, LabelActions
from app.actions.label_records import Draft, Words
from app.pages.entry_form import build_entry_form
from app.studio import Studio
from gem_backend.errors import DataError
from storage.audit import label_log
from storage.exchange import import_file
from storage.pairs import Judgement
from tests.app.test_label_page import chose

PAIR = ("Q", "yes", "no")


@pytest.fixture
def labels(studio):
    return LabelActions(studio, Drafts())


@pytest.fixture
def actions(studio, labels):
    return EntryActions(studio, labels)


def test_typed_pair_is_stored_with_its_choice(actions, studio):
    screen = actions.enter("demo", Entry("Q ", "A", "B", "b"))
    assert studio.saved[0].judgement.verdict == "b"
    assert screen.receipt == text.PAIR_LABELLED


@pytest.mark.parametrize("verdict", ["tie", "both_bad", "cannot_judge"])
def test_typed_pair_takes_the_verdicts_that_prefer_neither(actions, studio, verdict):
    """What was set while A was preferred does not count; required reasons are for preferences."""
    studio.update_project("demo", reasons=["dose"], is_reason_required=True)
    screen = actions.enter("demo", Entry(*PAIR, verdict, 3, False, (), " why "))
    assert studio.saved[0].judgement == Judgement(verdict, 1, True, "why")
    assert screen.receipt == text.PAIR_LABELLED


def test_typed_texts_are_kept_as_they_were_typed(actions, studio):
    actions.enter("demo", Entry("  Q\n", "A ", "\tB\n\n", "later"))
    kept = studio.cases[-1].comparison
    assert (kept.prompt, kept.answer_a, kept.answer_b) == ("  Q\n", "A ", "\tB\n\n")


@pytest.mark.parametrize("texts", [(" ", "A", "B"), ("Q", "\n", "B"), ("Q", "A", "")])
def test_blank_texts_are_refused(actions, studio, texts):
    cases = len(studio.cases)
    with pytest.raises(DataError, match="both answers"):
        actions.enter("demo", Entry(*texts, "a"))
    assert (len(studio.cases), studio.saved) == (cases, [])


def test_typed_pair_without_choice_waits(actions, studio):
    actions.enter("demo", Entry(*PAIR, "later"))
    assert studio.cases[-1].comparison.source == "entered"


def test_entered_pair_is_not_judged_without_the_reason_the_project_asks_for(actions, studio):
    studio.update_project("demo", reasons=["dose"], is_reason_required=True)
    with pytest.raises(DataError, match="asks for a reason"):
        actions.enter("demo", Entry(*PAIR, "a"))
    assert not studio.saved
    assert actions.enter("demo", Entry(*PAIR, "later")).receipt == text.PAIR_ADDED


def test_entered_pair_takes_all_that_a_label_says(actions, studio):
    studio.update_project("demo", reasons=["dose", "tone"], is_reason_required=True)
    said = Entry(*PAIR, "b", 3, False, ("tone", "made up", "dose"), " why ")
    assert actions.enter("demo", said).receipt == text.PAIR_LABELLED
    assert studio.saved[0].judgement == Judgement("b", 3, False, "why", reasons=("dose", "tone"))


@pytest.mark.parametrize("strength", [0, 4, "2", None, True, [3]])
def test_what_the_form_cannot_say_is_left_out(strength):
    said = read_entry([None, "A", "B", None, strength, None, "safety", None])
    assert said == Entry("", "A", "B")


# --- what is typed and not added --------------------------------------------------------------
def test_typed_texts_outlast_the_page_and_the_studio_until_they_are_added(studio, actions, labels):
    typed = Entry("Q", "yes", "no", "a", 2, False, ("safety",), "why")
    actions.keep("demo", typed)
    assert actions.entry("demo") == typed
    assert actions.entry("other") == Entry()
    again = EntryActions(studio, labels)  # as after a restart
    assert again.entry("demo") == typed
    again.enter("demo", typed)
    assert again.entry("demo") == EntryActions(studio, labels).entry("demo") == Entry()


def test_refused_entry_is_kept(actions):
    refused = Entry("Q", " ", "no", "a")
    with pytest.raises(DataError):
        actions.enter("demo", refused)
    assert actions.entry("demo") == refused


def test_form_is_filled_unless_the_page_holds_the_same(studio, actions):
    with gr.Blocks():
        form = build_entry_form(actions, gr.State("demo"), [], lambda _: ())
    actions.keep("demo", Entry("Q", "yes", "no", "a", reasons=("safety", "gone")))
    values = form.values("demo", *astuple(Entry()))
    assert len(values) == len(form.outputs)
    assert values[:4] == ("Q", "yes", "no", "a")
    assert (values[6].value, values[8].visible) == (["safety"], True)
    values = form.values("demo", *astuple(actions.entry("demo")))
    assert values[:6] == (gr.skip(),) * 6
    assert form.values("", *astuple(Entry()))[0] == gr.skip()


# --- pairs that are there ---------------------------------------------------------------------
@pytest.fixture
def real(tmp_path):
    with Studio(tmp_path) as studio:
        yield studio


@pytest.mark.parametrize("preferred", ["a", "b", "later"])
def test_a_pair_that_was_judged_is_opened_and_not_judged_over(real, preferred):
    project_id = real.create_project("Typed").project_id
    labels = LabelActions(real, Drafts())
    actions = EntryActions(real, labels)
    actions.enter(project_id, Entry(*PAIR, "later"))
    case = real.next_turn(project_id).case
    right = "left" if case.left == "b" else "right"
    labels.save(project_id, case, chose(case, right, 3, is_acceptable=False), Words("because"))
    screen = actions.enter(project_id, Entry("Q", "no", "yes", preferred))
    assert screen.receipt == text.ENTERED_BEFORE
    assert (screen.case, screen.draft) == (case, Draft("b", 3, False, words=Words("because")))
    assert real.recent_labels(project_id) == []  # it is open, as after undo
    kinds = [event.kind for event in label_log(real._db, project_id)]
    assert kinds == ["undo", "label"]


def test_the_answers_may_be_typed_the_other_way_round(real):
    project_id = real.create_project("Typed").project_id
    actions = EntryActions(real, LabelActions(real, Drafts()))
    actions.enter(project_id, Entry(*PAIR, "later"))
    actions.enter(project_id, Entry("Q", "no", "yes", "a"))
    [label] = real.recent_labels(project_id)
    assert label.judgement == Judgement("b")


def test_a_label_that_came_from_a_file_is_not_judged_over_either(real, tmp_path):
    project_id = real.create_project("Typed").project_id
    path = tmp_path / "labels.jsonl"
    path.write_text('{"prompt": "Q", "chosen": "yes", "rejected": "no", "rater": "expert"}\n')
    import_file(real._db, project_id, path)
    actions = EntryActions(real, LabelActions(real, Drafts()))
    with pytest.raises(DataError, match="imported"):
        actions.enter(project_id, Entry(*PAIR, "b"))
    assert len(label_log(real._db, project_id)) == 1


def test_last_words_that_come_late_do_not_bring_an_added_pair_back(actions):
    """The browser tells of a field that is left when the button is pressed already."""
    said = Entry("Q", "yes", "no", "a", rationale="why")
    actions.enter("demo", said)
    actions.keep("demo", said)
    assert actions.entry("demo") == Entry()
    actions.keep("demo", Entry("Q2"))
    assert actions.entry("demo") == Entry("Q2")
