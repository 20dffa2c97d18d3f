"""Figures over many labels are worked out in the background, each state of the labels once."""

import time
from html import escape

import gradio as gr
import pytest

from app.desks import agreement
from app.desks.agreement import AgreementDesk
from app.pages.agreement import AgreementCard
from app.tasks import Tasks
from app.text import agreement as say
from storage.pairs import Judgement, add_comparison, save_label, show_case
from storage.projects import create_project
from tests.app.fakes import FakeStudio


@pytest.fixture
def project_id(db):
    return create_project(db, "Fever").project_id


def label(db, project_id, rater):
    case = show_case(add_comparison(db, project_id, "Q", "yes", "no"), rater)
    save_label(db, case, rater, Judgement("a"))


def wait_for(desk, project_id):
    deadline = time.monotonic() + 60
    while desk.is_busy(project_id):
        assert time.monotonic() < deadline, "the figures were never there"
        time.sleep(0.01)


def test_many_labels_are_worked_out_in_the_background_and_once(db, project_id, monkeypatch):
    monkeypatch.setattr(agreement, "AT_ONCE", 0)
    desk = AgreementDesk(db, Tasks())
    label(db, project_id, "ann")
    assert desk.known(project_id) is desk.view(project_id) is None
    wait_for(desk, project_id)
    first = desk.view(project_id)
    assert (first.num_raters, first.is_outdated) == (1, False)
    assert desk.view(project_id) is first
    label(db, project_id, "bob")
    outdated = desk.view(project_id)
    assert (outdated.num_raters, outdated.is_outdated) == (1, True)
    wait_for(desk, project_id)
    assert (desk.known(project_id).num_raters, desk.known(project_id).is_outdated) == (2, False)


class Waiting(FakeStudio):
    """A studio that works figures out until it is told that it is ready."""

    is_ready = False

    def agreement(self, project_id):
        return super().agreement(project_id) if self.is_ready else None

    def is_agreement_busy(self, project_id):
        return not self.is_ready


def test_page_says_that_figures_are_being_worked_out_and_draws_them_then():
    studio = Waiting()
    with gr.Blocks():
        card = AgreementCard(studio, gr.State(""))
    agreement_html, _, _, is_waiting = card.judged("demo")
    assert say.COMPUTING in agreement_html
    assert is_waiting
    assert card.poll("demo", is_waiting) == gr.skip()
    studio.is_ready = True
    assert isinstance(card.poll("demo", is_waiting), float)
    drawn, _, _, is_waiting = card.at_last("demo")
    assert say.ONE_RATER in drawn
    assert not is_waiting
    assert card.poll("demo", is_waiting) == gr.skip()


def test_figures_that_could_not_be_worked_out_are_said():
    with gr.Blocks():
        card = AgreementCard(Waiting(), gr.State(""))
    assert escape(say.NOT_WORKED_OUT) in card.at_last("demo")[0]
