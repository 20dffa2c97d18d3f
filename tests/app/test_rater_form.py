import gradio as gr
import pytest

from app import text
from app.pages.rater_form import build_rater_form
from gem_backend.errors import DataError
from storage.errors import EntryError

HOSTILE = "${alert(1)} {{value}} <img src=x onerror=alert(1)> \\u12"


@pytest.fixture
def form(studio):
    return rebuilt(studio)


def rebuilt(studio):
    with gr.Blocks():
        return build_rater_form(studio, gr.State("demo"))


def test_form_shows_the_projects_own_words(form):
    values = form.values("demo")
    assert values[1:] == (
        "accuracy\nsafety\ncompleteness\nclarity",
        False,
        1,
        0,
        False,
        {"text": ""},
    )
    assert len(values) == len(form.values("")) == len(form.outputs)


def test_saved_words_come_back_as_they_were_typed(form, studio):
    saved = form.save("demo", HOSTILE, f"dose\n{HOSTILE}", True, 2.0, 10.0, True)
    guidelines, reasons, is_required, raters_per_case, repeats, is_blind_first, receipt = saved
    assert (guidelines, is_required, receipt["text"]) == (HOSTILE, True, text.RATER_FORM_SAVED)
    assert (raters_per_case, repeats, is_blind_first) == (2, 10, True)
    assert studio.project("demo").is_blind_first
    assert reasons == f"dose\n{HOSTILE}"
    assert studio.project("demo").reasons == ("dose", HOSTILE)


def test_form_is_kept_until_it_is_saved(form, studio):
    typed = ("half a sent", "dose", True, 2, 10, True)
    form.keep("demo", *typed)
    again = rebuilt(studio)  # another page, or the studio after a restart
    assert again.values("demo") == (*typed, {"text": text.RATER_FORM_UNSAVED})
    assert again.values("demo", *typed)[:6] == (gr.skip(),) * 6  # somebody may be typing there
    assert rebuilt(studio).save("demo", *typed)[-1]["text"] == text.RATER_FORM_SAVED
    assert rebuilt(studio).values("demo")[-1] == {"text": ""}
    form.keep("demo", *typed)  # what is stored is no draft
    assert studio.drafts.rows == {}


def test_form_without_a_project_or_with_a_refusal_changes_nothing(form, studio):
    with pytest.raises(DataError, match="project"):
        form.save("", "new", "dose", False, 1, 0)
    studio.refuses = EntryError("A reason is too long.")
    with pytest.raises(EntryError):
        form.save("demo", "new", "dose", False, 1, 0)
    assert studio.project("demo").guidelines == ""
