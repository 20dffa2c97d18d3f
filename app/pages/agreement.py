"""The card of the Data page with figures on raters and labels."""

import time

import gradio as gr
from gradio.blocks import Block

from app.desks.agreement import AgreementView
from app.events import listen
from app.studio import Studio
from app.text import agreement as say
from app.views import agreement as views
from app.views.blind import bias_html
from app.views.raters_at_work import raters_at_work_html


class AgreementCard:
    """Figures that may take a while: the page polls until they are there.

    Args:
        studio: the use cases behind it.
        project_id: the open project.
    """

    def __init__(self, studio: Studio, project_id: gr.State) -> None:
        """Build the components inside the open column, and wire them."""
        self._studio = studio
        _heading(say.AGREEMENT_TITLE, say.AGREEMENT_HINT)
        agreement = gr.HTML("", elem_id="agreement")
        _heading(say.WORK_TITLE, say.WORK_HINT)
        at_work = gr.HTML("", elem_id="raters-at-work")
        _heading(say.HEALTH_TITLE, say.HEALTH_HINT)
        health = gr.HTML("", elem_id="label-health")
        self.is_waiting, self.worked_out = gr.State(False), gr.State(0.0)
        self.outputs: list[Block] = [agreement, at_work, health, self.is_waiting]
        listen(self.worked_out.change, self.at_last, [project_id], self.outputs)

    def judged(self, project_id: str) -> tuple[object, ...]:
        """Return the three parts for a project, and whether they wait for figures."""
        if not project_id:
            return "", "", "", False
        return self._values(project_id, self._studio.agreement(project_id), True)

    def at_last(self, project_id: str) -> tuple[object, ...]:
        """Return what was being worked out; labels that came since wait for the next look."""
        if not project_id:
            return "", "", "", False
        return self._values(project_id, self._studio.known_agreement(project_id), False)

    def poll(self, project_id: str, is_waiting: bool) -> object:
        """Return a new value, for an event to follow, when the figures have been worked out."""
        is_there = is_waiting and not self._studio.is_agreement_busy(project_id)
        return time.monotonic() if is_there else gr.skip()

    def _values(
        self, project_id: str, view: AgreementView | None, is_busy: bool
    ) -> tuple[object, ...]:
        state = views.state_html(view, is_busy)
        if view is None:
            return state, "", "", is_busy
        agreement = state + views.agreement_html(view)
        at_work = raters_at_work_html(view) + bias_html(self._studio.automation_bias(project_id))
        return agreement, at_work, views.health_html(view), view.is_outdated


def _heading(title: str, hint: str) -> None:
    gr.HTML(f'<h2 class="gem-title">{title}</h2><p class="gem-quiet">{hint}</p>')
