"""Raters at work, from what was said to the table on the Data page."""

from html import escape

import gradio as gr
import pytest

from app.desks.agreement import AgreementDesk, agreement_view
from app.pages.agreement import AgreementCard
from app.tasks import Tasks
from app.text import agreement as say
from app.views.raters_at_work import raters_at_work_html
from gem_backend.agreement_counts import Rating
from gem_backend.judged import JudgedCase
from gem_backend.rater_view import rater_rows
from storage.adjudication import settle
from storage.database import Database
from storage.pairs import Judgement, add_comparison, save_label, show_case
from storage.projects import create_project
from tests.app.fakes import FakeStudio

HOSTILE = "<img src=x onerror=alert(1)>"


def html(ratings, cases=(), last_active=None):
    return raters_at_work_html(
        agreement_view([], [], rater_rows(ratings, cases, last_active or {}))
    )


def test_a_rater_has_judgements_time_shares_agreement_and_the_last_moment():
    """ann and bob share four cases and agree on three: 75 %, by Wilson 30 to 95 %."""
    ratings = [Rating(str(n), "ann", "first") for n in range(4)]
    ratings += [Rating(str(n), "bob", "first" if n else "both_bad") for n in range(4)]
    cases = [JudgedCase("1", "Q", "yes", "no", "ann", "a", elapsed_s=float(s)) for s in (4, 6, 9)]
    row, other = html(ratings, cases, {"ann": "2026-11-20T10:00:00+00:00"}).split("</tr>")[1:3]
    for cell in (
        "<b>4</b>",
        '<b>6 s</b><span class="gem-hint">4 to 9 s, n = 3</span>',
        '<b>75 %</b><span class="gem-hint">30 to 95 %, n = 4</span>',
        "2026-11-20 12:00",
    ):
        assert cell in row
    assert '<b>25 %</b><span class="gem-hint">5 to 70 %</span>' in other
    assert say.NO_TIME in other
    assert say.NEVER_HERE in other


def test_no_comparison_is_said_plainly():
    assert say.NONE_SHARED in html([Rating("1", "ann", "first")])
    split = [Rating("1", "a", "tie"), Rating("1", "b", "first"), Rating("1", "c", "second")]
    assert html(split).count(escape(say.none_decided(1))) == 3
    both = [*split, Rating("2", "a", "tie"), Rating("2", "b", "tie")]
    assert html(both).count(say.left_out(1)) == 2


def test_nobody_yet_says_so():
    assert say.NO_RATER in html([])


def test_a_raters_name_is_text_and_nothing_else():
    found = html([Rating("1", HOSTILE, "first")])
    assert "<img" not in found
    assert escape(HOSTILE) in found


def test_final_labels_and_parts_are_no_judgements_of_a_rater():
    with Database(None) as db:
        project_id = create_project(db, "Study").project_id
        case = show_case(add_comparison(db, project_id, "Q", "yes", "no"), "ann")
        save_label(db, case, "ann", Judgement("both_bad", elapsed_s=7.0, written="perhaps"))
        save_label(db, case, "bob", Judgement("a"))
        settle(db, case, "eva", Judgement("a"))
        desk = AgreementDesk(db, Tasks())
        rows = desk.view(project_id).raters
        assert [(row.rater, row.num_judged) for row in rows] == [("ann", 1), ("bob", 1)]
        assert rows[0].both_bad.value == 1.0
        assert (rows[0].with_others.value, rows[0].with_others.n) == (0.0, 1)
        assert rows[0].last_active
        assert desk.view(project_id).raters is rows


@pytest.mark.parametrize("project_id", ["demo", ""])
def test_page_draws_it_between_agreement_and_health(project_id):
    with gr.Blocks():
        drawn = AgreementCard(FakeStudio(), gr.State("")).judged(project_id)
    assert len(drawn) == 4
    assert (say.NO_RATER in drawn[1]) == bool(project_id)
