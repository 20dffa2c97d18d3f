"""Label: one case at a time, two answers side by side, five verdicts on five keys."""

from collections.abc import Callable

import gradio as gr
from gradio.blocks import Block

from app import text
from app.actions.entry import EntryActions
from app.actions.label import Drafts, LabelActions
from app.actions.label_records import Choice, Kept, LabelScreen, Words
from app.actions.order import OrderActions
from app.components.order import Order, order_board
from app.components.verdict import RecentList, recent_list, verdict_buttons
from app.desks.sampling import MAX_CASE_ANSWERS
from app.events import listen, settle_after
from app.live_text import live_text, said
from app.pages import PageHandles
from app.pages.entry_form import EntryForm, build_entry_form
from app.pages.label_screen import frame_values, refreshed_values, screen_values
from app.records import TaskState
from app.studio import Studio
from app.text.order import CLOSE_BOARD, SAVE_ORDER
from app.views.cases import (
    task_line,
)
from gem_backend.types import Case

# The time from the case's appearance to the press, measured where it is seen.
_WITH_ELAPSED = """(project, held, choice, ...words) => [project, held,
  {...choice, sent_ms: Date.now(),
    elapsed_s: (performance.now() - window.gemStudio.shownAt) / 1000}, ...words]"""
_WITH_SENT = "(held, choice, ...words) => [held, {...choice, sent_ms: Date.now()}, ...words]"

_Act = Callable[[str, Case | None, Choice, Words], LabelScreen]
_Handler = Callable[[str, Case | None, Choice, str, str], tuple[object, ...]]
_OrderAct = Callable[[str, Case | None, Choice, Words, Order], LabelScreen]
_OrderHandler = Callable[[str, Case | None, Choice, str, str, Order], tuple[object, ...]]


def _shows(act: _Act) -> _Handler:
    """Make a handler out of an action: its screen becomes the outputs' values."""

    def handler(
        project_id: str, case: Case | None, choice: Choice, rationale: str, written: str
    ) -> tuple[object, ...]:
        return screen_values(act(project_id, case, choice, _words(rationale, written)))

    return handler


def _words(rationale: str, written: str) -> Words:
    """Take what came from the browser as it was."""
    return Words(str(rationale or ""), str(written or ""))


def _shows_order(act: _OrderAct) -> _OrderHandler:
    """Make a handler out of an action that takes the board too."""

    def handler(
        project_id: str,
        case: Case | None,
        choice: Choice,
        rationale: str,
        written: str,
        order: Order,
    ) -> tuple[object, ...]:
        return screen_values(act(project_id, case, choice, _words(rationale, written), order))

    return handler


def build_label_page(studio: Studio, project_id: gr.State) -> PageHandles:
    """Build the page inside the open tab."""
    actions = LabelActions(studio, Drafts(studio.drafts))
    orders = OrderActions(studio, actions)
    case = gr.State(None)
    with gr.Row(elem_classes="gs-line"):
        progress = gr.HTML(elem_id="label-progress", apply_default_css=False)
        receipt = live_text("label-receipt")
    with gr.Accordion(text.GUIDELINES, open=False, elem_id="label-guidelines"):
        guidelines = gr.Markdown(latex_delimiters=[], elem_id="label-guidelines-text")
    empty = gr.HTML(visible=False, apply_default_css=False)
    with gr.Column(visible=False, elem_id="label-panel") as panel:
        shown = gr.HTML(elem_id="label-case", apply_default_css=False)
        board = order_board("label-order")
        choice = verdict_buttons()
        written = gr.Textbox(
            label=text.WRITTEN,
            placeholder=text.WRITTEN_HINT,
            lines=3,
            max_lines=12,
            elem_id="label-written",
        )
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
        undo = gr.Button(text.UNDO, elem_id="label-undo", scale=0)
        open_order = gr.Button(elem_id="order-open", visible=False, scale=0)
        # The style sheet shows these two, and only these, while the board has cards.
        save_order = gr.Button(SAVE_ORDER, variant="primary", elem_id="order-save", scale=0)
        close_order = gr.Button(CLOSE_BOARD, elem_id="order-close", scale=0)
    last_ten = recent_list()
    frame = gr.State(None)
    outputs: list[Block] = [
        *(case, shown, choice, rationale, written, progress, receipt),
        *(guidelines, last_ten, board, frame),
    ]
    listen(
        frame.change,
        frame_values,
        [frame],
        [panel, empty, save, skip, open_order],
        mode="always_last",
    )
    said_so_far = [case, choice, rationale, written]
    # One at a time, which the page's script sees to: Gradio's "once" would lose an early key.
    listening = [
        listen(
            trigger,
            _shows(act),
            [project_id, *said_so_far],
            outputs,
            mode="multiple",
            js=js,
            is_raw=True,
        )
        for trigger, act, js in (
            (save.click, actions.save, _WITH_ELAPSED),
            (skip.click, actions.skip, None),
            (undo.click, actions.undo, None),
            (open_order.click, orders.open, None),
        )
    ]
    listening += [
        listen(
            trigger,
            _shows_order(act),
            [project_id, *said_so_far, board],
            outputs,
            mode="multiple",
            js=js,
            is_raw=True,
        )
        for trigger, act, js in (
            (save_order.click, orders.save, _WITH_ELAPSED),
            (close_order.click, orders.close, None),
        )
    ]
    listening.append(
        listen(
            last_ten.reopen,
            _reopener(actions),
            [project_id, *said_so_far, last_ten],
            outputs,
            mode="multiple",
        )
    )
    for answered in listening:
        settle_after(answered)
    # Each carries its time, because requests may overtake each other. A Textbox keeps the first
    # change after Python filled it to itself (it may be a whole paste), so leaving it tells again.
    typed = (rationale.input, rationale.blur, written.input, written.blur)
    for changed in (choice.input, *typed):
        listen(
            changed, _keeper(actions), said_so_far, [], mode="multiple", js=_WITH_SENT, is_raw=True
        )
    listen(board.input, orders.keep, [case, board], [], mode="multiple", js=_WITH_SENT)
    settle_after(listen(choice.restore, _restorer(actions), [project_id, case, choice], outputs))
    form, poll, poll_outputs = _more_cases(
        EntryActions(studio, actions), actions, project_id, case, outputs
    )
    listen(save.click, _forget_sampled, poll_outputs[:1], poll_outputs[1:2])

    def refresh(
        project_id: str, case: Case | None, choice: Choice, order: Order | None, *entry: object
    ) -> tuple[object, ...]:
        shown = refreshed_values(actions.show(project_id, case), choice, order)
        return *shown, *form.values(project_id, *entry)

    return PageHandles(
        refresh=refresh,
        refresh_inputs=[case, choice, board, *form.fields],
        outputs=[*outputs, *form.outputs],
        poll=poll,
        poll_inputs=[case, poll_outputs[0]],
        poll_outputs=poll_outputs,
    )


def _reopener(
    actions: LabelActions,
) -> Callable[[str, Case | None, Choice, str, str, RecentList], tuple[object, ...]]:
    def reopen(
        project_id: str,
        case: Case | None,
        choice: Choice,
        rationale: str,
        written: str,
        listed: RecentList,
    ) -> tuple[object, ...]:
        words = _words(rationale, written)
        pair_id = listed.get("reopen", "")
        return screen_values(actions.reopen(project_id, case, choice, words, pair_id))

    return reopen


def _restorer(
    actions: LabelActions,
) -> Callable[[str, Case | None, Choice], tuple[object, ...]]:
    def restore(project_id: str, case: Case | None, choice: Choice) -> tuple[object, ...]:
        return screen_values(actions.restore(project_id, case, choice.get("kept", Kept())))

    return restore


def _keeper(actions: LabelActions) -> Callable[[Case | None, Choice, str, str], None]:
    def keep_draft(case: Case | None, choice: Choice, rationale: str, written: str) -> None:
        actions.keep_draft(case, choice, _words(rationale, written))

    return keep_draft


def _forget_sampled(seen: TaskState | None) -> object:
    """Clear the line that announced the model's answers, once the rater went on."""
    return said("") if seen and seen.state == "done" else gr.skip()


Poll = Callable[[str, object, TaskState | None], tuple[object, ...]]


def _more_cases(
    entries: EntryActions,
    actions: LabelActions,
    project_id: gr.State,
    case: gr.State,
    outputs: list[Block],
) -> tuple[EntryForm, Poll, list[Block]]:
    """Build the two ways to get another case; return the poll of the model's answers too."""
    seen = gr.State(None)
    with gr.Column(elem_classes="gs-more"):
        with gr.Row(elem_classes="gs-actions"):
            ask = gr.Button(text.SAMPLE_CASE, elem_id="label-ask", scale=0)
            count = gr.Number(
                2,
                label=text.ANSWER_COUNT,
                minimum=2,
                maximum=MAX_CASE_ANSWERS,
                precision=0,
                elem_id="label-ask-count",
                scale=0,
                min_width=96,
            )
            asked = live_text("label-asked")
        with gr.Accordion(text.ENTER_PAIR, open=False):
            form = build_entry_form(entries, project_id, outputs, screen_values)

    def start(project_id: str, count: int) -> tuple[TaskState, dict[str, str]]:
        task = actions.ask_model(project_id, count)
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

    listen(ask.click, start, [project_id, count], [seen, asked])
    return form, poll, [seen, asked, *outputs]
