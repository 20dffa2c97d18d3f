"""The form on the Label page in which a rater types a pair."""

from collections.abc import Callable

import gradio as gr
from gradio.blocks import Block

from app import text
from app.actions.entry import EntryActions
from app.actions.label import LabelScreen
from app.events import listen


def build_entry_form(
    actions: EntryActions,
    project_id: gr.State,
    outputs: list[Block],
    shown: Callable[[LabelScreen], tuple[object, ...]],
) -> None:
    """Build and wire the form inside the open fold.

    Args:
        actions: what its button does.
        project_id: the open project.
        outputs: the page's, which ``shown`` makes a screen into values for.
        shown: see ``outputs``.
    """
    prompt = gr.Textbox(label=text.ENTER_PROMPT, lines=2, max_lines=8)
    with gr.Row():
        answer_a = gr.Textbox(label=text.ENTER_A, lines=4, max_lines=12)
        answer_b = gr.Textbox(label=text.ENTER_B, lines=4, max_lines=12)
    preferred = gr.Radio(list(text.ENTER_CHOICES), value="later", label=text.ENTER_WHICH)
    add = gr.Button(text.ADD_PAIR, elem_id="label-add", scale=0)

    def enter(
        project_id: str, prompt: str, answer_a: str, answer_b: str, preferred: str
    ) -> tuple[object, ...]:
        screen = actions.enter(project_id, (prompt, answer_a, answer_b), preferred)
        return "", "", "", "later", *shown(screen)

    fields: list[Block] = [prompt, answer_a, answer_b, preferred]
    listen(add.click, enter, [project_id, *fields], [*fields, *outputs])
