"""What raters are told and asked in a project: guidelines and reasons, as a form."""

from dataclasses import astuple, dataclass

import gradio as gr
from gradio.blocks import Block

from app import text
from app.access import Access, for_admins
from app.drafts import DraftStore
from app.events import listen, listen_to_typing
from app.live_text import live_text, said
from app.studio import Studio
from app.text import blind as text_blind
from app.text import raters as text_raters
from gem_backend.errors import DataError


@dataclass(frozen=True, slots=True)
class FormDraft:
    """What stands in the form, one reason a line."""

    guidelines: str = ""
    reasons: str = ""
    is_reason_required: bool = False
    raters_per_case: float | None = 1
    repeat_percent: float | None = 0
    is_blind_first: bool = False


_NO_DRAFT = FormDraft(raters_per_case=-1)  # no project has that


@dataclass(frozen=True)
class RaterForm:
    """The form's handlers and what they fill; ``drafts`` are kept until they are saved."""

    studio: Studio
    fields: list[Block]
    outputs: list[Block]
    drafts: DraftStore[FormDraft]

    @property
    def access(self) -> Access:
        """Who is there."""
        return self.studio.access

    def values(self, project_id: str, *held: object) -> tuple[object, ...]:
        """Return a project's form as it was left, or as it is stored, and whether it is saved.

        What the page holds already stays: somebody may be typing.
        """
        if not project_id:
            return *astuple(FormDraft()), said("")
        draft = self.drafts.get(self.access.current().rater, project_id)
        is_draft = draft != _NO_DRAFT
        shown = astuple(draft if is_draft else self._stored(project_id))
        kept = (gr.skip() if shown == held else value for value in shown)
        return *kept, said(text.RATER_FORM_UNSAVED if is_draft else "")

    def _stored(self, project_id: str) -> FormDraft:
        project = self.studio.project(project_id)
        return FormDraft(
            project.guidelines,
            "\n".join(project.reasons),
            project.is_reason_required,
            project.raters_per_case,
            project.repeat_percent,
            project.is_blind_first,
        )

    @for_admins
    def keep(self, project_id: str, *typed: object) -> None:
        """Keep what is being typed, unless it is what is stored."""
        if not project_id:
            return
        rater, draft = self.access.current().rater, FormDraft(*typed)  # type: ignore[arg-type]
        if draft == self._stored(project_id):
            self.drafts.drop(rater, project_id)
        else:
            self.drafts.put(rater, project_id, draft)

    def save(self, project_id: str, *typed: object) -> tuple[object, ...]:
        """Store the form and show it as it was stored."""
        if not project_id:
            raise DataError(text.NO_PROJECT)
        form = FormDraft(*typed)  # type: ignore[arg-type]
        self.studio.update_project(
            project_id,
            guidelines=form.guidelines,
            reasons=form.reasons.splitlines(),
            is_reason_required=form.is_reason_required,
            raters_per_case=int(form.raters_per_case or 0),
            repeat_percent=int(form.repeat_percent or 0),
            is_blind_first=bool(form.is_blind_first),
        )
        self.drafts.drop(self.access.current().rater, project_id)
        return *self.values(project_id)[:-1], said(text.RATER_FORM_SAVED)


def build_rater_form(studio: Studio, project_id: gr.State) -> RaterForm:
    """Build and wire the form inside the open card."""
    gr.HTML(
        f'<h2 class="gem-title">{text.RATER_FORM}</h2>'
        f'<p class="gem-quiet">{text.RATER_FORM_HINT}</p>'
    )
    with gr.Row(equal_height=False):
        guidelines = gr.Textbox(
            label=text.GUIDELINES_FIELD,
            lines=6,
            max_lines=16,
            scale=3,
            min_width=420,
            elem_id="rater-guidelines",
        )
        with gr.Column(scale=2, min_width=320):
            reasons = gr.Textbox(
                label=text.REASONS_FIELD, lines=4, max_lines=12, elem_id="rater-reasons"
            )
            is_required = gr.Checkbox(label=text.REASON_REQUIRED_FIELD, elem_id="rater-required")
            # No limits here: what is out of bounds is refused in words when it is saved.
            needed = gr.Number(
                1, label=text_raters.RATERS_PER_CASE, precision=0, elem_id="rater-needed"
            )
            repeats = gr.Number(
                0, label=text_raters.REPEAT_PERCENT, precision=0, elem_id="rater-repeats"
            )
            is_blind_first = gr.Checkbox(label=text_blind.FIELD, elem_id="rater-blind-first")
    with gr.Row(elem_classes="gs-actions"):
        save = gr.Button(text.RATER_FORM_SAVE, elem_id="rater-save", scale=0)
        receipt = live_text("rater-receipt")
    fields: list[Block] = [guidelines, reasons, is_required, needed, repeats, is_blind_first]
    drafts = DraftStore(_NO_DRAFT, "rater form", studio.drafts)
    form = RaterForm(studio, fields, [*fields, receipt], drafts)
    listen(save.click, form.save, [project_id, *fields], form.outputs)
    listen_to_typing(fields, form.keep, [project_id, *fields])
    return form
