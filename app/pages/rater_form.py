"""What raters are told and asked in a project: guidelines and reasons, as a form."""

from dataclasses import dataclass

import gradio as gr
from gradio.blocks import Block

from app import text
from app.events import listen
from app.live_text import live_text, said
from app.studio import Studio
from app.text import raters as text_raters
from gem_backend.errors import DataError


@dataclass(frozen=True)
class RaterForm:
    """The form's handlers and what they fill."""

    studio: Studio
    outputs: list[Block]

    def values(self, project_id: str) -> tuple[object, ...]:
        """Return a project's guidelines and reasons, and no receipt."""
        if not project_id:
            return "", "", False, 1, 0, said("")
        project = self.studio.project(project_id)
        reasons = "\n".join(project.reasons)
        needed = (project.is_reason_required, project.raters_per_case, project.repeat_percent)
        return project.guidelines, reasons, *needed, said("")

    def save(
        self,
        project_id: str,
        guidelines: str,
        reasons: str,
        is_reason_required: bool,
        raters_per_case: float | None,
        repeat_percent: float | None,
    ) -> tuple[object, ...]:
        """Store the form, one reason a line, and show it as it was stored."""
        if not project_id:
            raise DataError(text.NO_PROJECT)
        self.studio.update_project(
            project_id,
            guidelines=guidelines,
            reasons=reasons.splitlines(),
            is_reason_required=is_reason_required,
            raters_per_case=int(raters_per_case or 0),
            repeat_percent=int(repeat_percent or 0),
        )
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
            needed = gr.Number(
                label=text_raters.RATERS_PER_CASE, precision=0, minimum=1, elem_id="rater-needed"
            )
            repeats = gr.Number(
                label=text_raters.REPEAT_PERCENT,
                precision=0,
                minimum=0,
                maximum=50,
                elem_id="rater-repeats",
            )
    with gr.Row(elem_classes="gs-actions"):
        save = gr.Button(text.RATER_FORM_SAVE, elem_id="rater-save", scale=0)
        receipt = live_text("rater-receipt")
    fields: list[Block] = [guidelines, reasons, is_required, needed, repeats]
    form = RaterForm(studio, [*fields, receipt])
    listen(save.click, form.save, [project_id, *fields], form.outputs)
    return form
