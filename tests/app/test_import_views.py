"""What the import card shows; what stands in a file is never taken for HTML."""

from pathlib import Path

import pytest

from app.records import FilePreview, ImportState, PreviewRow
from app.text import imports as say
from app.views import imports as views
from gem_backend.types import ImportReport, SkippedRow
from storage.import_formats import FORMATS
from storage.import_names import OUR_NAMES
from storage.import_source import format_name
from tests.app.test_heatmap import HOSTILE

FILE = Path("rows.csv")


def row(text="yes", kind="label", verdict="a", strength=2, rater="anna"):
    return PreviewRow(kind, "Q", text, "no", verdict, strength, rater)


def test_preview_says_what_was_recognised_and_each_row():
    seen = FilePreview(FILE, "preference pairs", rows=(row(),), num_rows=1)
    shown = views.preview_html(seen)
    assert "Recognised: pairs with a better and another answer. This is its first row." in shown
    cells = ("Q", "yes", "no", "A is better", "clearly", "anna")
    for cell in cells:
        assert f">{cell}<" in shown
    assert say.REFUSED_TITLE not in shown


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"verdict": "tie"}, ("equally good", say.NOTHING, "anna")),
        ({"verdict": "b"}, ("B is better", "clearly", "anna")),
        ({"kind": "case", "verdict": None}, ("to be judged", say.NOTHING, say.NOTHING)),
        ({"kind": "prompt", "verdict": None}, ("question alone", say.NOTHING, say.NOTHING)),
        ({"kind": "event", "verdict": None}, ("skipped or undone", say.NOTHING, "anna")),
    ],
)
def test_row_without_a_preference_is_said_in_words(given, words):
    shown = views.preview_html(FilePreview(FILE, "judged answers", rows=(row(**given),)))
    *_, verdict, strength, rater = shown.split("<td>")
    for cell, word in zip((verdict, strength, rater), words, strict=True):
        assert word in cell


def test_every_format_and_every_column_has_words():
    names = {format_name(one.columns) for one in FORMATS}
    own = ({"event_id", "kind", "monotonic_s"}, {"prompt", "answer", "grade"}, {"prompt"})
    names |= {format_name(columns) for columns in own}
    names |= {format_name({"prompt", *more}) for more in (("chosen", "rejected"), ())}
    names |= {format_name({"prompt", "answer_a", "answer_b"})}
    assert names == say.FORMATS.keys()
    assert set(say.COLUMNS) == set(OUR_NAMES)


def test_refused_rows_stand_with_line_and_reason():
    refused = (SkippedRow(7, "The answer 'chosen' is empty."),)
    shown = views.preview_html(FilePreview(FILE, "questions", refused=refused, num_rows=20))
    assert say.NONE_GOOD in shown
    assert "<td class=gem-num>7</td><td>The answer &#x27;chosen&#x27; is empty.</td>" in shown


def test_file_of_unknown_columns_asks_for_them():
    refused = (SkippedRow(1, "This row has no 'prompt'."),)
    shown = views.preview_html(FilePreview(FILE, None, ("a", "b"), refused=refused))
    assert say.UNKNOWN in shown
    assert "prompt" not in shown


def test_long_text_is_cut():
    shown = views.preview_html(FilePreview(FILE, "preference pairs", rows=(row("ab \n" * 250),)))
    assert f">{'ab ' * 53}a …<" in shown


@pytest.mark.parametrize("hostile", HOSTILE)
def test_texts_of_a_file_are_escaped(hostile):
    seen = FilePreview(
        FILE,
        "judged answers",
        rows=(row(hostile, rater=hostile),),
        refused=(SkippedRow(2, hostile),),
    )
    state = ImportState("done", hostile, 3, ImportReport(1, 0, seen.refused))
    for shown in (
        views.preview_html(seen),
        views.preview_html(FilePreview(FILE, problem=hostile)),
        views.outcome_html(state),
        views.outcome_html(ImportState("failed", error=hostile)),
        views.progress_html(ImportState("running", hostile)),
    ):
        assert "<img" not in shown
        assert "</script>" not in shown


def test_import_says_how_far_it_is_and_how_it_ended():
    running = ImportState("running", "rows.csv", 12_500)
    assert "Importing rows.csv: 12,500 rows read." in views.progress_html(running)
    assert views.outcome_html(running) == ""
    storing = ImportState("running", "rows.csv", 2_000, stored_of=3_000)
    assert "all rows read, 66 % stored" in views.progress_html(storing)
    assert say.STOPPING in views.progress_html(ImportState("stopping", "rows.csv"))
    stopped = ImportState("stopped", "rows.csv")
    assert views.progress_html(stopped) == ""
    assert "nothing was stored" in views.outcome_html(stopped)
    failed = views.outcome_html(ImportState("failed", "rows.csv", error="The file is empty."))
    assert 'role="alert"><p>The file is empty.</p>' in failed


def test_report_names_the_file_and_cuts_a_long_list():
    rows = tuple(SkippedRow(line, "empty") for line in range(1, 1001))
    shown = views.outcome_html(ImportState("done", "a.csv", report=ImportReport(1, 4, rows)))
    assert "a.csv: 1 entry imported, 4 already there, 1,000 rows refused." in shown
    assert shown.count("<tr><td") == say.REFUSED_SHOWN
    assert "And 800 further rows" in shown
    more = views.outcome_html(ImportState("done", "a.csv", report=ImportReport(0, 0, rows, 2000)))
    assert "3,000 rows refused" in more and "And 2,800 further rows" in more
