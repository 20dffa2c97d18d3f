"""Label: one case at a time, two answers side by side, five verdicts on five keys."""

import functools
from collections.abc import Callable
from typing import ParamSpec

import gradio as gr
from gradio.blocks import Block

from app import text
from app.events import listen
from app.label_actions import Choice, Drafts, LabelActions, LabelScreen, to_choice
from app.live_text import live_text, said
from app.look import asset
from app.pages import PageHandles
from app.records import TaskState
from app.studio import Studio
from app.views.cases import case_html, empty_html, progress_html, task_line

_Given = ParamSpec("_Given")

# The time from the case's appearance to the press, measured where it is seen.
_WITH_ELAPSED = """(project, held, choice, why) => [project, held,
  {...choice, elapsed_s: (performance.now() - window.gemStudio.shownAt) / 1000}, why]"""


def screen_values(screen: LabelScreen) -> tuple[object, ...]:
    """Return a screen as one value for each of the page's outputs."""
    case = screen.case
    choice = Choice(
        case=case.comparison.pair_id if case else "",
        choice=to_choice(screen.draft.verdict, case) if case else None,
        strength=screen.draft.strength,
    )
    words = (
        (text.ALL_DONE, text.ALL_DONE_NEXT)
        if screen.progress.done
        else (text.NO_CASES, text.NO_CASES_NEXT)
    )
    return (
        case,
        case_html(case),
        choice,
        screen.draft.rationale,
        gr.Column(visible=case is not None),
        gr.HTML(empty_html(*words), visible=case is None),
        progress_html(screen.progress),
        said(screen.receipt),
        gr.Button(visible=case is not None),
        gr.Button(visible=case is not None),
        gr.Button(interactive=screen.progress.can_undo),
    )


def _shows(act: Callable[_Given, LabelScreen]) -> Callable[_Given, tuple[object, ...]]:
    """Make a handler out of an action: its screen becomes the outputs' values."""

    @functools.wraps(act)
    def handler(*args: _Given.args, **kwargs: _Given.kwargs) -> tuple[object, ...]:
        return screen_values(act(*args, **kwargs))

    return handler


def build_label_page(studio: Studio, project_id: gr.State) -> PageHandles:
    """Build the page inside the open tab."""
    actions = LabelActions(studio, Drafts())
    case = gr.State(None)
    with gr.Row(elem_classes="gs-line"):
        progress = gr.HTML(elem_id="label-progress", apply_default_css=False)
        receipt = live_text("label-receipt")
    empty = gr.HTML(visible=False, apply_default_css=False)
    with gr.Column(visible=False, elem_id="label-panel") as panel:
        shown = gr.HTML(elem_id="label-case", apply_default_css=False)
        choice = _verdict_buttons()
        rationale = gr.Textbox(
            label=text.RATIONALE,
            placeholder=text.RATIONALE_HINT,
            lines=1,
            max_lines=6,
            elem_id="label-rationale",
        )
    with gr.Row(elem_classes="gs-actions", elem_id="label-actions"):
        save = gr.Button(text.SAVE, variant="primary", elem_id="label-save", scale=0)
        skip = gr.Button(text.SKIP, elem_id="label-skip", scale=0)
        undo = gr.Button(text.UNDO, elem_id="label-undo", interactive=False, scale=0)
    outputs: list[Block] = [
        *(case, shown, choice, rationale, panel, empty, progress, receipt),
        *(save, skip, undo),
    ]
    # Events run "once" on purpose: a key pressed while a save is under way judges no unseen case.
    listen(
        save.click,
        _shows(actions.save),
        [project_id, case, choice, rationale],
        outputs,
        js=_WITH_ELAPSED,
    )
    listen(skip.click, _shows(actions.skip), [project_id, case], outputs)
    listen(undo.click, _shows(actions.undo), [project_id, case], outputs)
    listen(
        rationale.input,
        actions.keep_draft,
        [case, choice, rationale],
        [],
        mode="always_last",
    )
    poll, poll_inputs, poll_outputs = _more_cases(actions, project_id, case, outputs)
    seen, asked, *_ = poll_outputs
    listen(save.click, _forget_sampled, [seen], [asked])
    return PageHandles(
        refresh=_shows(actions.show),
        refresh_inputs=[case, choice, rationale],
        outputs=outputs,
        poll=poll,
        poll_inputs=poll_inputs,
        poll_outputs=poll_outputs,
    )


def _forget_sampled(seen: TaskState | None) -> object:
    """Clear the line that announced the model's answers, once the rater went on."""
    return said("") if seen and seen.state == "done" else gr.skip()


def _verdict_buttons() -> gr.HTML:
    choices = "".join(
        f'<button type="button" id="choice-{name}" data-choice="{name}" aria-pressed="false">'
        f'<kbd aria-hidden="true">{key}</kbd><span>{label}</span></button>'
        for name, key, label in text.CHOICES
    )
    strengths = "".join(
        f'<button type="button" data-strength="{level}" aria-pressed="false" disabled>'
        f"{label}</button>"
        for level, label in text.STRENGTHS
    )
    return gr.HTML(
        Choice(case="", choice=None, strength=1),
        html_template=(
            f'<h2 id="choice-question">{text.VERDICT_QUESTION}</h2>'
            '<div role="group" aria-labelledby="choice-question" class="gs-choices">'
            f"{choices}</div>"
            f'<div role="group" aria-labelledby="strength-question" class="gs-strength">'
            f'<span id="strength-question">{text.STRENGTH_QUESTION}</span>{strengths}'
            f"<small>{text.STRENGTH_HINT}</small></div>"
            f"<p data-hint hidden>{text.CANNOT_JUDGE_HINT}</p>"
        ),
        js_on_load=asset("verdict.js"),
        apply_default_css=False,
        elem_id="label-choice",
    )


Poll = Callable[[str, object, TaskState | None], tuple[object, ...]]


def _more_cases(
    actions: LabelActions, project_id: gr.State, case: gr.State, outputs: list[Block]
) -> tuple[Poll, list[Block], list[Block]]:
    """Build the two ways to get another case; return the poll of the model's answers."""
    seen = gr.State(None)
    with gr.Column(elem_classes="gs-more"):
        with gr.Row(elem_classes="gs-actions"):
            ask = gr.Button(text.SAMPLE_CASE, elem_id="label-ask", scale=0)
            asked = live_text("label-asked")
        with gr.Accordion(text.ENTER_PAIR, open=False):
            _entry_form(actions, project_id, outputs)

    def start(project_id: str) -> tuple[TaskState, dict[str, str]]:
        task = actions.ask_model(project_id)
        return task, said(task_line(task, text.SAMPLING_CASE, text.SAMPLED_CASE))

    def poll(project_id: str, held: object, last: TaskState | None) -> tuple[object, ...]:
        task = actions.sampling(project_id)
        unchanged = tuple(gr.skip() for _ in outputs)
        if task == last or (last is None and task.state != "running"):
            return gr.skip(), gr.skip(), *unchanged
        words = said(task_line(task, text.SAMPLING_CASE, text.SAMPLED_CASE))
        if task.state == "done" and held is None:
            return task, words, *screen_values(actions.show(project_id, None))
        return task, words, *unchanged

    listen(ask.click, start, [project_id], [seen, asked])
    return poll, [case, seen], [seen, asked, *outputs]


def _entry_form(actions: LabelActions, project_id: gr.State, outputs: list[Block]) -> None:
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
        return "", "", "", "later", *screen_values(screen)

    fields: list[Block] = [prompt, answer_a, answer_b, preferred]
    listen(add.click, enter, [project_id, *fields], [*fields, *outputs])
