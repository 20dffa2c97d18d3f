"""Explore: several answers to one prompt, ranked, each token tinted by how unsure the model was."""

import time
from dataclasses import dataclass

import gradio as gr
import plotly.graph_objects as go
from gradio.blocks import Block

from app import text
from app.actions.explore import Asked, ExploreActions, ExploreScreen, Group, Lesson, Watched
from app.components.heatmap import Packed, heatmap_value, ranking_value
from app.desks.priority import QueueOrder
from app.events import listen
from app.live_text import said
from app.ordering import Weighing, find_placed
from app.pages import PageHandles
from app.pages.explore_parts import (
    LessonParts,
    OrderControls,
    Results,
    build_controls,
    build_order_and_lesson,
    build_results,
)
from app.records import TaskState
from app.studio import Studio
from app.text import calibration as say
from app.text import priority as text_priority
from app.views.calibration import calibration_card
from app.views.cases import empty_html, listed_html, prompt_html, task_line
from app.views.rankings import agreement_html, ranking
from app.views.trace import entropy_trace
from gem_backend.config import SamplingConfig


def rerank(group: Group, weighing: Weighing) -> Packed:
    """Order the cards again from the stored entropies."""
    return ranking_value(ranking(group, weighing))


def trace_of(group: Group, candidate_id: str | None, weighing: Weighing) -> go.Figure | None:
    """Return a candidate's curve; the best one's where no candidate is named."""
    found = find_placed(group, weighing, candidate_id)
    if found is None:
        return None
    ranked = found.ranked
    name = text.rank_words(ranked.rank, len(group))
    return entropy_trace(ranked.candidate, ranked.score.fork_tokens, name)


def group_values(group: Group, weighing: Weighing) -> tuple[object, ...]:
    """Return a group as the values of the eight parts that show it."""
    return (
        group,
        gr.HTML(empty_html(text.NO_CANDIDATES, text.NO_CANDIDATES_NEXT), visible=not group),
        gr.Column(visible=bool(group)),
        gr.Column(visible=bool(group)),
        agreement_html(group),
        heatmap_value(*group),
        rerank(group, weighing),
        trace_of(group, None, weighing),
    )


def lesson_values(lesson: Lesson | None) -> tuple[object, ...]:
    """Return what the labels say as the values of its card and its button."""
    if lesson is None:
        return "", gr.Button(interactive=False)
    has_learned = lesson.view.calibration is not None
    words = say.LEARN_AGAIN if has_learned else say.LEARN
    card = calibration_card(lesson.view, lesson.model, lesson.is_adapter)
    return card, gr.Button(words, interactive=True)


def status_words(task: TaskState, count: int = 0) -> dict[str, str]:
    """Return how sampling stands, as the value of the status line."""
    return said(task_line(task, text.SAMPLING, text.candidate_count(count)))


def learning_words(task: TaskState) -> dict[str, str]:
    """Return how learning stands, as the value of its line."""
    return said(task_line(task, say.LEARNING, say.LEARNED))


def ordering_values(
    project_id: str, task: TaskState, order: QueueOrder | None
) -> tuple[object, ...]:
    """Return the button that orders the cases and its line: how it stands, or what it made."""
    can_press = bool(project_id) and task.state != "running"
    made = order_words(order)
    words = task_line(task, text_priority.READING, made)
    return gr.Button(interactive=can_press), said(words or made)


def order_words(order: QueueOrder | None) -> str:
    """Return the order of the waiting cases in words; empty where they come as stored."""
    if order is None:
        return ""
    if not order.created_at:
        return text_priority.order_there(order.num_cases)
    is_learned, num_conflicts = order.is_by_labels, order.num_conflicts
    how = text_priority.by_labels(num_conflicts) if is_learned else text_priority.BY_ENTROPY
    return text_priority.order_made(order.created_at, order.num_cases, how, order.num_unread)


@dataclass(frozen=True)
class ExploreHandlers:
    """What the components call; each returns one value for each of its outputs.

    ``asked`` are the values of the controls in the order of ``Asked``.
    """

    actions: ExploreActions

    def refresh(self, project_id: str, prompt_id: str | None, *asked: object) -> tuple[object, ...]:
        """Draw the whole page."""
        wish = Asked.of(asked)
        screen = self.actions.screen(project_id, prompt_id, wish.model)
        models = self.actions.model_choices(project_id)
        known = [run_id for _, run_id in models]
        listed = self.actions.prompt_list(project_id, "", screen.prompt_id)
        return (
            gr.Textbox("", visible=listed.can_search),
            gr.Dropdown(choices=listed.choices, value=screen.prompt_id),
            listed_html(listed.words),
            gr.Dropdown(choices=models, value=wish.model if wish.model in known else ""),
            gr.Button(interactive=screen.prompt_id is not None),
            prompt_html(screen.prompt),
            *self._values(project_id, screen, wish),
        )

    def find(self, project_id: str, words: str, prompt_id: str | None) -> tuple[object, ...]:
        """List the prompts that have these words; the chosen one stays."""
        listed = self.actions.prompt_list(project_id, words.strip(), prompt_id)
        chosen = gr.Dropdown(choices=listed.choices, value=prompt_id)
        return chosen, listed_html(listed.words)

    def choose(self, project_id: str, prompt_id: str | None, *asked: object) -> tuple[object, ...]:
        """Show another prompt with its newest group."""
        wish = Asked.of(asked)
        screen = self.actions.screen(project_id, prompt_id, wish.model)
        return prompt_html(screen.prompt), *self._values(project_id, screen, wish)

    def load(self, project_id: str, prompt_id: str | None, *asked: object) -> tuple[object, ...]:
        """Show the group that has just come, and what the labels say to the model behind it."""
        wish = Asked.of(asked)
        group = self.actions.screen(project_id, prompt_id, wish.model).group
        return self._group_and_lesson(project_id, group, wish)

    def sample(
        self,
        prompt_id: str | None,
        model: str | None,
        seen: Watched | None,
        *how: float | None,
    ) -> tuple[object, ...]:
        """Begin to sample a group: so many candidates, at this temperature, from this seed."""
        count, temperature, seed = how
        config = SamplingConfig(
            num_candidates=int(count or 0), temperature=temperature or 0.0, seed=int(seed or 0)
        )
        task = self.actions.sample(prompt_id, config, model or "")
        # What was seen is put back to the start, or work that ends before the next poll is missed.
        return (seen or Watched())._replace(sampling=task), status_words(task)

    def learn(
        self, project_id: str, group: Group, model: str | None, seen: Watched | None
    ) -> tuple[object, ...]:
        """Begin to learn from the labels."""
        task = self.actions.learn(project_id, group, model)
        now = (seen or Watched())._replace(learning=task)
        return now, learning_words(task), gr.Button(interactive=False)

    def ask_first(
        self, project_id: str, group: Group, model: str | None, seen: Watched | None
    ) -> tuple[object, ...]:
        """Begin to order the cases that wait."""
        task = self.actions.ask_first(project_id, group, model)
        now = (seen or Watched())._replace(ordering=task)
        return now, *ordering_values(project_id, task, None)

    def reorder(self, project_id: str, group: Group, *asked: object) -> Packed:
        """Order the cards anew; the labels' weights are fitted again, without the model."""
        return rerank(group, self.actions.weighing(project_id, group, Asked.of(asked)))

    def relearn(self, project_id: str, group: Group, *asked: object) -> tuple[object, ...]:
        """Say again what the labels say, under other weights of the score."""
        return lesson_values(self.actions.lesson(project_id, group, Asked.of(asked)))

    def learned(self, project_id: str, group: Group, *asked: object) -> tuple[object, ...]:
        """Show what was just learned, in the card and in the order."""
        return self.reorder(project_id, group, *asked), *self.relearn(project_id, group, *asked)

    def show_trace(
        self, candidate_id: str, project_id: str, group: Group, *asked: object
    ) -> go.Figure | None:
        """Draw the curve of a candidate."""
        weighing = self.actions.weighing(project_id, group, Asked.of(asked))
        return trace_of(group, candidate_id, weighing)

    def poll(
        self,
        project_id: str,
        prompt_id: str | None,
        last: Watched | None,
        group: Group,
        model: str | None,
    ) -> object:
        """Say how the background work stands; what has ended is drawn by events of their own."""
        now = self.actions.poll(project_id, prompt_id, last, group, model)
        if now is None:
            return gr.skip()
        before = last or Watched()
        count = len(self.actions.group(prompt_id)) if now.sampling.state == "done" else 0
        return (
            now,
            status_words(now.sampling, count),
            _turn(before.sampling, now.sampling),
            learning_words(now.learning),
            _turn(before.learning, now.learning),
            *self._ordering(project_id, now.ordering),
        )

    def _values(self, project_id: str, screen: ExploreScreen, wish: Asked) -> tuple[object, ...]:
        return (
            screen.tasks,
            status_words(screen.tasks.sampling, len(screen.group)),
            learning_words(screen.tasks.learning),
            *self._ordering(project_id, screen.tasks.ordering),
            *self._group_and_lesson(project_id, screen.group, wish),
        )

    def _ordering(self, project_id: str, task: TaskState) -> tuple[object, ...]:
        return ordering_values(project_id, task, self.actions.queue_order(project_id))

    def _group_and_lesson(self, project_id: str, group: Group, wish: Asked) -> tuple[object, ...]:
        weighing = self.actions.weighing(project_id, group, wish)
        lesson = self.actions.lesson(project_id, group, wish)
        return *group_values(group, weighing), *lesson_values(lesson)


def _turn(before: TaskState, now: TaskState) -> object:
    """A new value, for an event to follow, when a piece of work has come to its end."""
    return time.monotonic() if now != before and now.state in ("done", "failed") else gr.skip()


def build_explore_page(studio: Studio, project_id: gr.State) -> PageHandles:
    """Build the page inside the open tab."""
    handlers = ExploreHandlers(ExploreActions(studio))
    seen = gr.State(None)
    controls = build_controls()
    order, lesson = build_order_and_lesson()
    results = build_results()
    # The group is drawn by an event of its own: the browser works on every output of a poll.
    arrived, learned = gr.State(0.0), gr.State(0.0)
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
    ]
    queue_parts: list[Block] = [lesson.ask_first, lesson.ordered]
    shown: list[Block] = [seen, controls.status, lesson.status, *queue_parts, *drawn]
    chosen = [project_id, controls.prompt, *asked]
    listen(arrived.change, handlers.load, chosen, drawn)
    listen(
        controls.search.input,
        handlers.find,
        [project_id, controls.search, controls.prompt],
        [controls.prompt, controls.listed],
        mode="always_last",
    )
    listen(controls.prompt.input, handlers.choose, chosen, [controls.shown_prompt, *shown])
    ordered = [project_id, results.group, *asked]
    listen(learned.change, handlers.learned, ordered, [results.order, lesson.card, lesson.learn])
    asked_of_sampling = [controls.prompt, controls.model, seen, *controls.how]
    listen(controls.sample.click, handlers.sample, asked_of_sampling, [seen, controls.status])
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
    _connect_order(handlers, ordered, order, lesson, results)
    listen(controls.model.input, handlers.relearn, ordered, [lesson.card, lesson.learn])
    return PageHandles(
        refresh=handlers.refresh,
        refresh_inputs=[controls.prompt, *asked],
        outputs=[
            controls.search,
            controls.prompt,
            controls.listed,
            controls.model,
            controls.sample,
            controls.shown_prompt,
            *shown,
        ],
        poll=handlers.poll,
        poll_inputs=[controls.prompt, seen, results.group, controls.model],
        poll_outputs=[seen, controls.status, arrived, lesson.status, learned, *queue_parts],
    )


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

    def show_trace(event: gr.EventData, project_id: str, group: Group, *asked: object) -> object:
        return handlers.show_trace(str(event.id), project_id, group, *asked)

    listen(results.cards.show_trace, show_trace, ordered, [results.trace])
