"""The card of the Data page on which an admin settles what raters disagree on."""

from collections.abc import Sequence
from dataclasses import dataclass
from dataclasses import fields as dataclass_fields

import gradio as gr
from gradio.blocks import Block
from pydantic import TypeAdapter

from app import text
from app.access import Access, for_admins
from app.drafts import DraftStore
from app.events import listen, listen_to_typing
from app.live_text import live_text, said
from app.records import DisputedCase
from app.studio import Studio
from app.text import disputes as say
from app.views import tables
from app.views.disputes import dispute_html
from gem_backend.types import Case

_CHOICES = [(label, name) for name, _, label in text.CHOICES]
_STRENGTHS = [(label, level) for level, label in text.STRENGTHS]


@dataclass(frozen=True, slots=True)
class Settlement:
    """What is being said of a case and not settled yet."""

    choice: str | None = None
    strength: int = 1
    is_acceptable: bool = True
    reasons: tuple[str, ...] = ()
    rationale: str = ""


_SETTLEMENT: TypeAdapter[Settlement] = TypeAdapter(Settlement)


class DisputesCard:
    """One disputed case at a time, chosen from a list; the sides are those of who settles.

    Args:
        studio: the use cases behind it.
        project_id: the open project.
    """

    def __init__(self, studio: Studio, project_id: gr.State) -> None:
        """Build the components inside the open column, and wire them."""
        self._studio = studio
        self._drafts = DraftStore(Settlement(), "settlement", studio.drafts)
        self._case = gr.State(None)
        self._line = gr.HTML("", elem_id="disputes-line")
        with gr.Column(visible=False) as self._panel:
            self._chooser = gr.Dropdown(label=say.CASE, filterable=False, elem_id="dispute")
            self._shown = gr.HTML("", elem_id="dispute-case", apply_default_css=False)
            self._choice = gr.Radio(_CHOICES, label=say.VERDICT, elem_id="dispute-choice")
            with gr.Row():
                self._strength = gr.Radio(_STRENGTHS, value=1, label=say.STRENGTH)
                self._usable = gr.Checkbox(label=say.ACCEPTABLE, value=True)
            self._reasons = gr.CheckboxGroup(label=text.REASONS, elem_id="dispute-reasons")
            self._why = gr.Textbox(label=say.RATIONALE, lines=1, max_lines=6)
            with gr.Row(elem_classes="gs-actions"):
                settle = gr.Button(say.SETTLE, elem_id="dispute-settle", scale=0)
                withdraw = gr.Button(say.WITHDRAW, elem_id="dispute-withdraw", scale=0)
                self._receipt = live_text("dispute-receipt")
        given: list[Block] = [project_id, self._case]
        listen(self._chooser.input, self.choose, [project_id, self._chooser], self.outputs)
        answer = self._answer
        # Two presses may be on their way at once: the second is not for the case that comes next.
        listen(settle.click, self.settle, [*given, self._chooser, *answer], self.outputs)
        listen(withdraw.click, self.withdraw, given, self.outputs)
        listen_to_typing(answer, self.keep, [self._case, self._chooser, *answer])

    @property
    def access(self) -> Access:
        """Who is there."""
        return self._studio.access

    @property
    def _answer(self) -> list[Block]:
        """The fields of a ``Settlement``, in its order."""
        return [self._choice, self._strength, self._usable, self._reasons, self._why]

    @property
    def held(self) -> list[Block]:
        """What ``refreshed`` takes beside the project."""
        return [self._case, *self._answer]

    @property
    def outputs(self) -> list[Block]:
        """What ``values`` fills."""
        return [
            *(self._line, self._panel, self._case, self._chooser, self._shown),
            *(*self._answer, self._receipt),
        ]

    def values(self, project_id: str, pair_id: str = "", receipt: str = "") -> tuple[object, ...]:
        """Return the card for a project, at one case of it or at the first that is open."""
        cases = self._studio.disputes(project_id) if project_id else []
        shown = next((one for one in cases if _key(one.case) == pair_id), next(iter(cases), None))
        reasons = self._studio.project(project_id).reasons if shown else ()
        settled, total = self._studio.count_disputes(project_id) if cases else (0, 0)
        more = say.listed(len(cases)) if total > len(cases) else ""
        line = f'<p class="gem-quiet">{say.progress(settled, total)}{more}</p>'
        return (
            line if cases else tables.empty(say.NONE),
            gr.Column(visible=shown is not None),
            shown.case if shown else None,
            gr.Dropdown(choices=_listed(cases), value=_key(shown.case) if shown else None),
            dispute_html(shown),
            *self._fields(shown.case if shown else None, reasons),
            said(receipt),
        )

    def refreshed(self, project_id: str, *held: object) -> tuple[object, ...]:
        """Return the card for a page that holds ``held`` of it; what stands there already stays."""
        case = next((one for one in held[:1] if isinstance(one, Case)), None)
        *card, receipt = self.values(project_id, _key(case) if case else "")
        is_there = case is not None and card[2] == case and _said(held[1:]) == self._draft(case)
        return *card[:5], *(gr.skip() if is_there else value for value in card[5:]), receipt

    def _fields(self, case: Case | None, reasons: Sequence[str]) -> tuple[object, ...]:
        """Return the fields as they were left at a case; empty ones without."""
        draft = self._draft(case) if case else Settlement()
        ticked = [reason for reason in draft.reasons if reason in reasons]
        boxes = gr.CheckboxGroup(list(reasons), value=ticked)
        return draft.choice, draft.strength, draft.is_acceptable, boxes, draft.rationale

    @for_admins
    def keep(self, case: Case | None, shown: str | None, *typed: object) -> None:
        """Keep what is being said of the case at hand; what comes late is of the one before."""
        if case is not None and shown == _key(case):
            self._drafts.hear(self.access.current().rater, case, _said(typed))

    def _draft(self, case: Case) -> Settlement:
        return self._drafts.get(self.access.current().rater, case)

    def choose(self, project_id: str, pair_id: str) -> tuple[object, ...]:
        """Show another case of the list."""
        return self.values(project_id, pair_id)

    def settle(
        self,
        project_id: str,
        case: Case | None,
        shown: str | None,
        *answer: object,
    ) -> tuple[object, ...]:
        """Store what is right of the case that was shown, and go on to the next open one."""
        if case is None:
            return self.values(project_id)
        if shown != _key(case):
            return self.values(project_id, _key(case), text.CASE_CHANGED)
        right = _said(answer)
        why = (right.is_acceptable, right.reasons, right.rationale)
        self._studio.settle(case, right.choice or "", right.strength, why)
        self._drafts.put(self.access.current().rater, case, right)
        self._drafts.drop(self.access.current().rater, case)
        return self.values(project_id, receipt=say.SETTLED)

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
            say.case_name(
                number, text.shortened(one.case.comparison.prompt), one.final is not None
            ),
            _key(one.case),
        )
        for number, one in enumerate(cases, start=1)
    ]


def _key(case: Case) -> str:
    return case.comparison.pair_id


def _said(fields: Sequence[object]) -> Settlement:
    """Return what the fields hold; those that nothing was ever put in hold None."""
    names = (field.name for field in dataclass_fields(Settlement))
    pairs = zip(names, fields, strict=True)
    return _SETTLEMENT.validate_python({name: value for name, value in pairs if value is not None})
