"""The form on the Label page in which a rater types a pair; it keeps what is typed."""

from collections.abc import Callable
from dataclasses import astuple, dataclass

import gradio as gr
from gradio.blocks import Block

from app import text
from app.actions.entry import Entry, EntryActions, read_entry
from app.actions.label_records import LabelScreen
from app.events import listen, listen_to_typing


@dataclass(frozen=True)
class EntryForm:
    """The form's handlers, its fields, and what they fill."""

    actions: EntryActions
    fields: list[Block]
    outputs: list[Block]

    def values(self, project_id: str, *held: object) -> tuple[object, ...]:
        """Return what the rater has typed; where the page holds just that, it stays."""
        entry = self.actions.entry(project_id) if project_id else Entry()
        known = self.actions.reasons(project_id)
        is_there = bool(held) and read_entry(held) == entry
        texts = tuple(gr.skip() if is_there else value for value in astuple(entry))
        ticked = [word for word in entry.reasons if word in known]
        chips = (
            gr.CheckboxGroup(choices=known, visible=bool(known))
            if is_there
            else gr.CheckboxGroup(choices=known, value=ticked, visible=bool(known))
        )
        return *texts[:6], chips, *texts[7:], _finer(entry.preferred)


def _finer(preferred: str) -> gr.Column:
    """Show what goes with a preference only beside one."""
    return gr.Column(visible=preferred in ("a", "b"))


def build_entry_form(
    actions: EntryActions,
    project_id: gr.State,
    outputs: list[Block],
    shown: Callable[[LabelScreen], tuple[object, ...]],
) -> EntryForm:
    """Build and wire the form inside the open fold.

    Args:
        actions: what it does.
        project_id: the open project.
        outputs: the page's, which ``shown`` makes a screen into values for.
        shown: see ``outputs``.
    """
    prompt = gr.Textbox(label=text.ENTER_PROMPT, lines=2, max_lines=8, elem_id="enter-prompt")
    with gr.Row():
        answer_a = gr.Textbox(label=text.ENTER_A, lines=4, max_lines=12, elem_id="enter-a")
        answer_b = gr.Textbox(label=text.ENTER_B, lines=4, max_lines=12, elem_id="enter-b")
    preferred = gr.Radio(
        list(text.ENTER_CHOICES), value="later", label=text.ENTER_WHICH, elem_id="enter-which"
    )
    with gr.Column(visible=False, elem_id="enter-finer") as finer:
        with gr.Row():
            strength = gr.Radio(
                [(words, level) for level, words in text.STRENGTHS],
                value=1,
                label=text.STRENGTH_QUESTION,
                elem_id="enter-strength",
            )
            is_acceptable = gr.Checkbox(True, label=text.ENTER_ACCEPTABLE, elem_id="enter-usable")
        reasons = gr.CheckboxGroup([], label=text.REASONS, elem_id="enter-reasons")
        rationale = gr.Textbox(
            label=text.RATIONALE, lines=1, max_lines=6, elem_id="enter-rationale"
        )
    add = gr.Button(text.ADD_PAIR, elem_id="label-add", scale=0)

    def enter(project_id: str, *said: object) -> tuple[object, ...]:
        screen = actions.enter(project_id, read_entry(said))
        return *form.values(project_id), *shown(screen)

    def keep_draft(project_id: str, *said: object) -> None:
        actions.keep(project_id, read_entry(said))

    fields: list[Block] = [
        *(prompt, answer_a, answer_b, preferred),
        *(strength, is_acceptable, reasons, rationale),
    ]
    form = EntryForm(actions, fields, [*fields, finer])
    listen(add.click, enter, [project_id, *fields], [*form.outputs, *outputs])
    listen(preferred.input, _finer, [preferred], [finer])
    listen_to_typing(fields, keep_draft, [project_id, *fields])
    return form
