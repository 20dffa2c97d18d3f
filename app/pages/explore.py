"""Explore: several answers to one prompt, ranked, each token tinted by how unsure the model was."""

import gradio as gr
from gradio.blocks import Block

from app.actions.explore import ExploreActions
from app.actions.explore_records import GoOn, Group, Watched
from app.events import listen, run_in_browser
from app.pages import PageHandles
from app.pages.explore_batch import build_batch, connect_batch
from app.pages.explore_handlers import ExploreHandlers
from app.pages.explore_parts import (
    Controls,
    LessonParts,
    OrderControls,
    Results,
    build_controls,
    build_order_and_lesson,
    build_results,
)
from app.studio import Studio

_OPEN_LABEL = "() => document.getElementById('page-label-button').click()"
# A link to the prompt; a candidate that was named belongs to the one before.
_KEEP_ADDRESS = """(prompt) => {
  const address = new URL(window.location);
  address.searchParams.set('prompt', prompt);
  for (const its of ['candidate', 'group']) address.searchParams.delete(its);
  window.history.replaceState(null, '', address);
}"""
# A link to the group that was opened.
_KEEP_GROUP = """(group) => {
  const address = new URL(window.location);
  address.searchParams.set('group', group);
  address.searchParams.delete('candidate');
  window.history.replaceState(null, '', address);
}"""
# What was just sampled is the newest, which needs no name.
_NAME_NO_GROUP = """() => {
  const address = new URL(window.location);
  for (const its of ['candidate', 'group']) address.searchParams.delete(its);
  window.history.replaceState(null, '', address);
}"""


def build_explore_page(studio: Studio, project_id: gr.State) -> PageHandles:
    """Build the page inside the open tab."""
    handlers = ExploreHandlers(ExploreActions(studio))
    seen = gr.State(None)
    controls = build_controls()
    batch = build_batch()
    order, lesson = build_order_and_lesson()
    results = build_results(handlers.actions.can_group)
    # The group is drawn by an event of its own: the browser works on every output of a poll.
    arrived, learned, reread = gr.State(0.0), gr.State(0.0), gr.State(0.0)
    asked: list[Block] = [controls.model, *order.settings]
    drawn: list[Block] = [
        results.group,
        results.empty,
        order.column,
        results.column,
        results.agreed,
        results.cards,
        results.order,
        results.trace,
        lesson.card,
        lesson.learn,
        results.paired,
        results.saved,
        results.groups,
        *results.blind,
    ]
    queue_parts: list[Block] = [lesson.ask_first, lesson.ordered]
    watched: list[Block] = [*batch.outputs, *queue_parts, results.reread, results.meant]
    shown: list[Block] = [seen, *controls.progress, lesson.status, *watched, *drawn]
    chosen = [project_id, controls.prompt, *asked]
    loaded = listen(arrived.change, handlers.load, chosen, drawn)
    run_in_browser(loaded.then, [], _NAME_NO_GROUP)
    listen(
        controls.search.input,
        handlers.find,
        [project_id, controls.search, controls.prompt],
        [controls.prompt, controls.listed],
        mode="always_last",
    )
    chose = listen(controls.prompt.input, handlers.choose, chosen, [controls.shown_prompt, *shown])
    run_in_browser(chose.then, [controls.prompt], _KEEP_ADDRESS)
    in_group = [project_id, controls.prompt, results.groups, *asked]
    opened = listen(results.groups.input, handlers.open_group, in_group, shown, mode="always_last")
    run_in_browser(opened.then, [results.groups], _KEEP_GROUP)
    ordered = [project_id, results.group, *asked]
    fitted = [results.order, lesson.card, lesson.learn]
    relearned = listen(learned.change, handlers.learned, ordered, fitted)
    listen(relearned.then, handlers.compare, ordered, [results.tau])
    asked_of_sampling = [controls.prompt, controls.model, seen, *controls.how]
    begun: list[Block] = [seen, *controls.progress]
    listen(controls.sample.click, handlers.sample, asked_of_sampling, begun)
    listen(controls.stop.click, handlers.stop, [controls.prompt], [controls.stop])
    _connect_cards(handlers, [results.group, seen, *controls.how], begun, results)
    _connect_blind(handlers, controls, results, seen)
    listen(
        lesson.learn.click,
        handlers.learn,
        [project_id, results.group, controls.model, seen],
        [seen, lesson.status, lesson.learn],
    )
    listen(
        lesson.ask_first.click,
        handlers.ask_first,
        [project_id, results.group, controls.model, seen],
        [seen, *queue_parts],
    )
    connect_batch(handlers.batch, batch, controls, project_id, seen)
    _connect_order(handlers, ordered, order, lesson, results)
    listen(
        results.read_again.click,
        handlers.read_again,
        [project_id, results.group, results.against, seen],
        [seen, results.reread],
    )
    listen(
        results.by_meaning.click,
        handlers.group_by_meaning,
        [results.group, seen],
        [seen, results.meant],
    )
    listen(reread.change, handlers.show_difference, [project_id, results.group], [results.cards])
    listen(controls.model.input, handlers.relearn, ordered, [lesson.card, lesson.learn])
    return PageHandles(
        refresh=handlers.refresh,
        refresh_inputs=[controls.prompt, seen, *asked],
        outputs=[
            controls.search,
            controls.prompt,
            controls.listed,
            controls.model,
            results.difference,
            results.against,
            controls.sample,
            controls.shown_prompt,
            *shown,
        ],
        poll=handlers.poll,
        poll_inputs=[controls.prompt, seen, results.group, controls.model],
        poll_outputs=[*begun, arrived, lesson.status, learned, *watched, reread],
    )


def _connect_cards(
    handlers: ExploreHandlers, asked: list[Block], begun: list[Block], results: Results
) -> None:
    def go_on(
        event: gr.EventData, group: Group, seen: Watched | None, *how: float | None
    ) -> tuple[object, ...]:
        point = GoOn(event.id, event.token, event.alternative)
        return handlers.go_on(point, group, seen, *how)

    def pair(event: gr.EventData) -> object:
        return handlers.pair(event.first, event.second)

    listen(results.cards.branch, go_on, asked, begun)
    listen(results.cards.pair, pair, [], [results.paired])


def _connect_blind(
    handlers: ExploreHandlers, controls: Controls, results: Results, seen: gr.State
) -> None:
    """Call the answers to Label and go there, withheld ones and others."""
    buttons = (results.put_in_order, results.called), (results.rank, results.paired)
    for button, said in buttons:
        asked = [controls.prompt, results.group, seen]
        called = listen(button.click, handlers.put_in_order, asked, [said])
        run_in_browser(called.success, [], _OPEN_LABEL)


def _connect_order(
    handlers: ExploreHandlers,
    ordered: list[Block],
    order: OrderControls,
    lesson: LessonParts,
    results: Results,
) -> None:
    for part in (order.lambda_fork, order.top_m, order.ranking):
        moved = listen(part.input, handlers.reorder, ordered, [results.order], mode="always_last")
        # The card follows the cards: it takes another fit where the order is that of the paper.
        listen(
            moved.then, handlers.relearn, ordered, [lesson.card, lesson.learn], mode="always_last"
        )
        listen(moved.then, handlers.compare, ordered, [results.tau], mode="always_last")

    def show_trace(event: gr.EventData, project_id: str, group: Group, *asked: object) -> object:
        return handlers.show_trace(str(event.id), project_id, group, *asked)

    listen(results.cards.show_trace, show_trace, ordered, [results.trace])
    listen(results.save.click, handlers.save_page, ordered, [results.saved])
