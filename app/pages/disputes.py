"""The card of the Data page on which an admin settles what raters disagree on."""

from collections.abc import Sequence

import gradio as gr
from gradio.blocks import Block

from app import text
from app.actions.label import shortened
from app.events import listen
from app.live_text import live_text, said
from app.records import DisputedCase
from app.studio import Studio
from app.text import disputes as say
from app.views import tables
from app.views.disputes import dispute_html
from gem_backend.types import Case

_CHOICES = [(label, name) for name, _, label in text.CHOICES]
_STRENGTHS = [(label, level) for level, label in text.STRENGTHS]


class DisputesCard:
    """One disputed case at a time, chosen from a list; the sides are those of who settles.

    Args:
        studio: the use cases behind it.
        project_id: the open project.
    """

    def __init__(self, studio: Studio, project_id: gr.State) -> None:
        """Build the components inside the open column, and wire them."""
        self._studio = studio
        self._case = gr.State(None)
        self._line = gr.HTML("", elem_id="disputes-line")
        with gr.Column(visible=False) as self._panel:
            self._chooser = gr.Dropdown(label=say.CASE, filterable=False, elem_id="dispute")
            self._shown = gr.HTML("", elem_id="dispute-case", apply_default_css=False)
            self._choice = gr.Radio(_CHOICES, label=say.VERDICT, elem_id="dispute-choice")
            with gr.Row():
                self._strength = gr.Radio(_STRENGTHS, value=1, label=say.STRENGTH)
                self._usable = gr.Checkbox(label=say.ACCEPTABLE, value=True)
            self._why = gr.Textbox(label=say.RATIONALE, lines=1, max_lines=6)
            with gr.Row(elem_classes="gs-actions"):
                settle = gr.Button(say.SETTLE, elem_id="dispute-settle", scale=0)
                withdraw = gr.Button(say.WITHDRAW, elem_id="dispute-withdraw", scale=0)
                self._receipt = live_text("dispute-receipt")
        given: list[Block] = [project_id, self._case]
        listen(self._chooser.input, self.choose, [project_id, self._chooser], self.outputs)
        answer: list[Block] = [self._choice, self._strength, self._usable, self._why]
        listen(settle.click, self.settle, [*given, *answer], self.outputs)
        listen(withdraw.click, self.withdraw, given, self.outputs)

    @property
    def outputs(self) -> list[Block]:
        """What ``values`` fills."""
        return [
            *(self._line, self._panel, self._case, self._chooser, self._shown),
            *(self._choice, self._strength, self._usable, self._why, self._receipt),
        ]

    def values(self, project_id: str, pair_id: str = "", receipt: str = "") -> tuple[object, ...]:
        """Return the card for a project, at one case of it or at the first that is open."""
        cases = self._studio.disputes(project_id) if project_id else []
        shown = next((one for one in cases if _key(one.case) == pair_id), next(iter(cases), None))
        settled, total = self._studio.count_disputes(project_id) if cases else (0, 0)
        more = say.listed(len(cases)) if total > len(cases) else ""
        line = f'<p class="gem-quiet">{say.progress(settled, total)}{more}</p>'
        return (
            line if cases else tables.empty(say.NONE),
            gr.Column(visible=shown is not None),
            shown.case if shown else None,
            gr.Dropdown(choices=_listed(cases), value=_key(shown.case) if shown else None),
            dispute_html(shown),
            *(None, 1, True, ""),
            said(receipt),
        )

    def choose(self, project_id: str, pair_id: str) -> tuple[object, ...]:
        """Show another case of the list."""
        return self.values(project_id, pair_id)

    def settle(
        self,
        project_id: str,
        case: Case | None,
        choice: str | None,
        strength: int,
        is_acceptable: bool,
        rationale: str,
    ) -> tuple[object, ...]:
        """Store what is right, and go on to the next open case."""
        if case is not None:
            self._studio.settle(case, choice or "", strength, (is_acceptable, rationale))
        return self.values(project_id, receipt=say.SETTLED if case else "")

    def withdraw(self, project_id: str, case: Case | None) -> tuple[object, ...]:
        """Take one's own settlement of the case at hand back."""
        if case is None:
            return self.values(project_id)
        is_taken_back = self._studio.reopen_dispute(case)
        receipt = say.WITHDRAWN if is_taken_back else say.NOT_MINE
        return self.values(project_id, _key(case), receipt)


def _listed(cases: Sequence[DisputedCase]) -> list[tuple[str, str]]:
    """Return the list's lines, each with its pair; questions are plain text there."""
    return [
        (
            say.case_name(number, shortened(one.case.comparison.prompt), one.final is not None),
            _key(one.case),
        )
        for number, one in enumerate(cases, start=1)
    ]


def _key(case: Case) -> str:
    return case.comparison.pair_id
