"""The label log from the desk to the fold: who, when, on what, before and after; and who may."""

import gradio as gr
import pytest

from app.desks.audit import read_log
from app.pages.audit import AuditFold
from app.records import LogAsked, LogLine, LogPart
from app.views.audit import log_html
from gem_backend.errors import DataError
from storage.identity import utc_now
from storage.pairs import Judgement, add_comparison, save_label, show_case, skip
from storage.projects import create_project
from storage.recent import undo
from tests.app.fakes import FakeStudio

HOSTILE = "<img src=x onerror=alert(1)> ${alert(1)} {{value}}"


@pytest.fixture
def project_id(db):
    project_id = create_project(db, "Study").project_id
    case = show_case(add_comparison(db, project_id, "Fever?", "Wait.", "Go."), "ann")
    save_label(db, case, "ann", Judgement("b", 2, False, "Too late.", reasons=("safety", "dose")))
    save_label(db, case, "ann", Judgement("tie"))
    undo(db, project_id, "ann")
    skip(db, case, "bob")
    return project_id


def test_log_tells_who_when_before_and_after_in_words(db, project_id):
    part = read_log(db, project_id, LogAsked())
    assert (part.place, part.first, part.total, part.raters) == (0, 1, 4, ("ann", "bob"))
    first = ("B is better, clearly, not acceptable to use", "safety, dose. Too late.")
    tie, none = ("equally good, acceptable to use", ""), ("no label", "")
    assert [(one.rater, one.done, one.before, one.after) for one in part.lines] == [
        ("bob", "skipped", none, none),
        ("ann", "took a label back", tie, none),
        ("ann", "labelled", first, tie),
        ("ann", "labelled", none, first),
    ]
    assert {(one.prompt, one.answer_a, one.answer_b) for one in part.lines} == {
        ("Fever?", "Wait.", "Go.")
    }


def test_days_are_those_of_this_machines_calendar(db, project_id):
    # this machine is two hours ahead, so its day ends two hours before that of the log
    db.execute("UPDATE label_events SET created_at = '2026-03-01T22:30:00.000000+00:00'")
    [line, *_] = read_log(db, project_id, LogAsked(since="2026-03-02", until="2026-03-02")).lines
    assert line.moment == "2026-03-02 00:30"
    assert read_log(db, project_id, LogAsked(until="2026-03-01")).total == 0
    assert read_log(db, project_id, LogAsked(since=" 2026-03-03 ")).total == 0


@pytest.mark.parametrize("typed", ["yesterday", "2026-13-01", "9999-12-31"])
def test_what_is_no_day_is_said(db, project_id, typed):
    with pytest.raises(DataError, match="year-month-day"):
        read_log(db, project_id, LogAsked(until=typed))


def test_a_page_past_the_end_is_the_last_one(db, project_id):
    pair = add_comparison(db, project_id, "Rash?", "Yes.", "No.")
    for _ in range(30):
        skip(db, show_case(pair, "bob"), "bob")
    part = read_log(db, project_id, LogAsked(), 7)
    assert (part.place, part.first, len(part.lines), part.total) == (1, 26, 9, 34)


class LoggedStudio(FakeStudio):
    """Three pages of what somebody hostile wrote."""

    def read_log(self, project_id, asked, place=0):
        self.asked = asked
        said = ("A is better", HOSTILE)
        line = LogLine(utc_now(), HOSTILE, "labelled", (), HOSTILE, HOSTILE, HOSTILE, said, said)
        return LogPart((line,) * 25, place, place * 25 + 1, 75, (HOSTILE, "bob"))


@pytest.fixture
def fold():
    with gr.Blocks():
        yield AuditFold(LoggedStudio(), gr.State("demo"))


def test_fold_turns_pages_and_stops_at_both_ends(fold):
    place, raters, shown, newer, older = fold.read_log("demo", "bob", "undo", "fever", None, "")
    assert fold._studio.asked == LogAsked("bob", "undo", "fever")
    assert [value for _, value in raters.choices] == ["", HOSTILE, "bob"]
    assert "1 to 25 of 75 events, the newest first." in shown
    assert (place, newer.interactive, older.interactive) == (0, False, True)
    place, _, shown, newer, older = fold.read_older(1, "demo", "", "", "", "", "")
    assert "51 to 75 of 75" in shown
    assert (place, newer.interactive, older.interactive) == (2, True, False)
    assert fold.read_newer(0, "demo", "", "", "", "", "")[0] == 0


def test_what_people_wrote_is_shown_as_text(fold):
    shown = fold.read_log("demo", "", "", "", "", "")[2]
    assert "<img" not in shown
    assert shown.count("&lt;img src=x onerror=alert(1)&gt;") == 25 * 6


def test_nothing_found_says_what_to_do():
    assert "Nothing in the log fits" in log_html(LogPart((), 0, 1, 0, ()))
