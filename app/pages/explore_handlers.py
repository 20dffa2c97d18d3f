"""What Explore's components call, as plain functions: values in, values out."""

import time
from dataclasses import dataclass

import gradio as gr
import plotly.graph_objects as go
from gradio.processing_utils import save_bytes_to_cache
from gradio.utils import get_upload_folder

from app.actions.explore import ExploreActions, reader
from app.actions.explore_records import Asked, Choices, ExploreScreen, GoOn, Group, Watched
from app.components.heatmap import Packed, heatmap_value
from app.events import address
from app.live_text import said
from app.offline_page import offline_page
from app.pages.explore_batch import BatchHandlers
from app.pages.explore_values import (
    blind_values,
    group_values,
    groups_value,
    learning_words,
    lesson_values,
    meaning_words,
    ordering_values,
    progress_values,
    rerank,
    rereading_words,
    sampling_config,
    trace_of,
)
from app.records import TaskState
from app.text import offline as say_offline
from app.views.blind import tau_html
from app.views.cases import listed_html, prompt_html
from gem_backend.errors import ConfigError


@dataclass(frozen=True)
class ExploreHandlers:
    """What the components call; each returns one value for each of its outputs.

    ``asked`` are the values of the controls in the order of ``Asked``.
    """

    actions: ExploreActions

    @property
    def batch(self) -> BatchHandlers:
        """What the panel of all questions calls."""
        return BatchHandlers(self.actions)

    def refresh(
        self, project_id: str, prompt_id: str | None, seen: Watched | None, *asked: object
    ) -> tuple[object, ...]:
        """Draw the whole page; the first time with what the address names.

        An earlier group that was opened stays, unless another was sampled since.
        """
        wish = Asked.of(asked)
        named = {"group": self._still_opened(prompt_id, seen)} if prompt_id else address()
        models = self.actions.model_choices(project_id)
        if wish.model not in [run_id for _, run_id in models]:
            wish = wish._replace(model="")
        screen = self.actions.screen(
            project_id,
            prompt_id or named.get("prompt"),
            wish.model,
            named.get("candidate", ""),
            named.get("group"),
        )
        listed = self.actions.prompt_list(project_id, "", screen.prompt_id)
        return (
            gr.Textbox("", visible=listed.can_search),
            gr.Dropdown(choices=listed.choices, value=screen.prompt_id),
            listed_html(listed.words),
            gr.Dropdown(choices=models, value=wish.model),
            gr.Row(visible=len(models) > 1),
            gr.Dropdown(choices=models, value=_other(models, screen.group)),
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

    def open_group(
        self, project_id: str, prompt_id: str | None, group_id: str | None, *asked: object
    ) -> tuple[object, ...]:
        """Show another group of the prompt."""
        wish = Asked.of(asked)
        screen = self.actions.screen(project_id, prompt_id, wish.model, group_id=group_id)
        return self._values(project_id, screen, wish)

    def load(self, project_id: str, prompt_id: str | None, *asked: object) -> tuple[object, ...]:
        """Show the group that has just come, and what the labels say to the model behind it."""
        wish = Asked.of(asked)
        screen = self.actions.screen(project_id, prompt_id, wish.model)
        return self._group_and_lesson(project_id, screen, wish)

    def sample(
        self,
        prompt_id: str | None,
        model: str | None,
        seen: Watched | None,
        *how: float | None,
    ) -> tuple[object, ...]:
        """Begin to sample a group; ``how`` are the values of ``Controls.how``."""
        return _begun(seen, self.actions.sample(prompt_id, sampling_config(how), model or ""))

    def go_on(
        self, point: GoOn, group: Group, seen: Watched | None, *how: float | None
    ) -> tuple[object, ...]:
        """Begin to sample other ways to go on from a token."""
        opened = (seen or Watched()).opened
        return _begun(seen, self.actions.branch(group, point, sampling_config(how), opened))

    def stop(self, prompt_id: str | None) -> object:
        """End sampling; the next poll says that it has."""
        self.actions.stop(prompt_id)
        return gr.Button(interactive=False)

    def pair(self, first_id: str, second_id: str) -> dict[str, str]:
        """Make a pair of two candidates and say where it waits."""
        return said(self.actions.pair(first_id, second_id))

    def put_in_order(
        self, prompt_id: str | None, group: Group, seen: Watched | None = None
    ) -> dict[str, str]:
        """Call the answers on screen, or those that are withheld, to Label and say so."""
        opened = (seen or Watched()).opened
        return said(self.actions.put_in_order(prompt_id, group, opened))

    def compare(self, project_id: str, group: Group, *asked: object) -> str:
        """Say how far the viewer's order and the one on the cards agree."""
        weighing = self.actions.weighing(project_id, group, Asked.of(asked))
        return tau_html(self.actions.reveal(project_id, group, weighing))

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

    def read_again(
        self, project_id: str, group: Group, model: str | None, seen: Watched | None
    ) -> tuple[object, ...]:
        """Begin to read the cards with another model."""
        task = self.actions.read_again(project_id, group, model)
        return (seen or Watched())._replace(rereading=task), rereading_words(task)

    def group_by_meaning(self, group: Group, seen: Watched | None) -> tuple[object, ...]:
        """Begin to group the answers by what they say."""
        task = self.actions.group_by_meaning(group)
        return (seen or Watched())._replace(grouping=task), meaning_words(task, None, group)

    def show_difference(self, project_id: str, group: Group) -> Packed:
        """Draw the cards with what changes under the other model."""
        return heatmap_value(*group, against=self.actions.against(project_id, group))

    def reorder(self, project_id: str, group: Group, *asked: object) -> Packed:
        """Order the cards anew; the labels' weights are fitted again, without the model."""
        return rerank(group, self.actions.weighing(project_id, group, Asked.of(asked)))

    def relearn(self, project_id: str, group: Group, *asked: object) -> tuple[object, ...]:
        """Say again what the labels say, under other weights of the score."""
        return lesson_values(self.actions.lesson(project_id, group, Asked.of(asked)))

    def learned(self, project_id: str, group: Group, *asked: object) -> tuple[object, ...]:
        """Show what was just learned, in the card and in the order."""
        return self.reorder(project_id, group, *asked), *self.relearn(project_id, group, *asked)

    def save_page(self, project_id: str, group: Group, *asked: object) -> gr.File:
        """Offer the group, in its order, as a page that opens without the studio."""
        if not group:
            raise ConfigError(say_offline.NOTHING)
        page = offline_page(group, self.actions.weighing(project_id, group, Asked.of(asked)))
        path = save_bytes_to_cache(page.encode(), say_offline.FILE_NAME, get_upload_folder())
        return gr.File(path, visible=True)

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
            now._replace(opened="") if _is_sampled(before, now) else now,
            *progress_values(now.sampling, count),
            self._arrival(prompt_id, before, now, group),
            learning_words(now.learning),
            _turn(before.learning, now.learning),
            *self._batch_news(project_id, before, now, model),
            *self._ordering(project_id, now.ordering),
            rereading_words(now.rereading),
            meaning_words(now.grouping, self.actions.meanings(group), group),
            _turn(before.rereading, now.rereading),
        )

    def _arrival(
        self, prompt_id: str | None, before: Watched, now: Watched, group: Group
    ) -> object:
        """A new value when there is a group to draw; a batch draws none in place of another."""
        is_empty = not group and not before.opened
        if now.batch != before.batch and is_empty and self.actions.group(prompt_id):
            return time.monotonic()
        return time.monotonic() if _is_sampled(before, now) else gr.skip()

    def _still_opened(self, prompt_id: str, seen: Watched | None) -> str:
        """The earlier group that was opened; none where sampling has ended since."""
        before = seen or Watched()
        now = before._replace(sampling=self.actions.sampling_state(prompt_id))
        return "" if _is_sampled(before, now) else before.opened

    def _batch_news(
        self, project_id: str, before: Watched, now: Watched, model: str | None
    ) -> tuple[object, ...]:
        """The panel of all questions, where it or what it counts has changed."""
        if now.batch == before.batch and not _is_sampled(before, now):
            return gr.skip(), gr.skip(), gr.skip()
        return self.batch.values(project_id, now.batch, model)

    def _values(self, project_id: str, screen: ExploreScreen, wish: Asked) -> tuple[object, ...]:
        return (
            screen.tasks,
            *progress_values(screen.tasks.sampling, screen.num_newest),
            learning_words(screen.tasks.learning),
            *self.batch.values(project_id, screen.tasks.batch, wish.model),
            *self._ordering(project_id, screen.tasks.ordering),
            rereading_words(screen.tasks.rereading),
            self._meant(screen),
            *self._group_and_lesson(project_id, screen, wish),
        )

    def _meant(self, screen: ExploreScreen) -> dict[str, str]:
        found = self.actions.meanings(screen.group)
        return meaning_words(screen.tasks.grouping, found, screen.group)

    def _ordering(self, project_id: str, task: TaskState) -> tuple[object, ...]:
        return ordering_values(project_id, task, self.actions.queue_order(project_id))

    def _group_and_lesson(
        self, project_id: str, screen: ExploreScreen, wish: Asked
    ) -> tuple[object, ...]:
        group = screen.group
        weighing = self.actions.weighing(project_id, group, wish)
        lesson = self.actions.lesson(project_id, group, wish)
        against = self.actions.against(project_id, group)
        tau = self.actions.reveal(project_id, group, weighing)
        shown = group_values(group, weighing, against, screen.is_withheld)
        blind = blind_values(screen.is_withheld, tau)
        groups = groups_value(screen.groups, screen.group_id)
        rest = (said(""), gr.File(None, visible=False), groups, *blind)
        return *shown, *lesson_values(lesson), *rest


def _begun(seen: Watched | None, task: TaskState) -> tuple[object, ...]:
    """What was seen is put back to the start, or work that ends before the next poll is missed."""
    return (seen or Watched())._replace(sampling=task), *progress_values(task)


def _is_sampled(before: Watched, now: Watched) -> bool:
    """Whether sampling for the prompt has come to its end with something to show."""
    return now.sampling != before.sampling and now.sampling.state == "done"


def _other(models: Choices, group: Group) -> str:
    """The first model that did not sample the group; the base model where there is no other."""
    own = reader(group, "") or ""
    return next((run_id for _, run_id in models if run_id != own), "")


def _turn(before: TaskState, now: TaskState) -> object:
    """A new value, for an event to follow, when a piece of work has come to its end."""
    return time.monotonic() if now != before and now.state in ("done", "failed") else gr.skip()
