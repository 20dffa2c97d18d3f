"""The panel of Explore that samples every question of the project: its components, its values."""

from dataclasses import dataclass

import gradio as gr
from gradio.blocks import Block

from app.actions.explore import ExploreActions
from app.actions.explore_records import Watched
from app.desks.batch import BatchState
from app.events import listen
from app.live_text import live_text, said
from app.pages.explore_parts import Controls
from app.pages.explore_values import sampling_config
from app.text import batch as say

Values = tuple[gr.Button, gr.Button, dict[str, str]]


@dataclass(frozen=True)
class BatchParts:
    """The button that begins, the one that ends, and the line that says how it stands."""

    sample: gr.Button
    stop: gr.Button
    status: gr.HTML

    @property
    def outputs(self) -> list[Block]:
        """What ``BatchHandlers.values`` fills."""
        return [self.sample, self.stop, self.status]


@dataclass(frozen=True)
class BatchHandlers:
    """What the components call."""

    actions: ExploreActions

    def sample_all(
        self, project_id: str, model: str | None, seen: Watched | None, *how: float | None
    ) -> tuple[object, ...]:
        """Begin to sample groups; ``how`` are the values of ``Controls.how``."""
        batch = self.actions.sample_all(project_id, sampling_config(how), model or "")
        return (seen or Watched())._replace(batch=batch), *self.values(project_id, batch, model)

    def stop_all(self, project_id: str) -> gr.Button:
        """End it; the next poll says that it has."""
        self.actions.stop_all(project_id)
        return gr.Button(interactive=False)

    def choose_model(self, project_id: str, model: str | None) -> Values:
        """Say how far another model is."""
        return self.values(project_id, self.actions.batch(project_id), model)

    def values(self, project_id: str, batch: BatchState, model: str | None) -> Values:
        """Return the values of the two buttons and the line; counts prompts only at rest."""
        if batch.state == "running":
            words = _running_words(batch)
            return gr.Button(interactive=False), gr.Button(visible=True), said(words)
        num_sampled, num_prompts = self.actions.batch_counts(project_id, model or None)
        words = rest_words(batch, (num_sampled, num_prompts), model or None) if project_id else ""
        begin = gr.Button(interactive=num_sampled < num_prompts)
        return begin, gr.Button(visible=False, interactive=True), said(words)


def _running_words(batch: BatchState) -> str:
    how_far = say.running_words(batch.num_sampled, batch.num_prompts, batch.eta_s)
    failed = say.failed_words(batch.num_failed, batch.reason)
    return f"{how_far}. {failed}" if failed else how_far


def rest_words(batch: BatchState, counts: tuple[int, int], adapter: str | None) -> str:
    """Return how sampling ended for the chosen model, and what has changed since; or the counts.

    Args:
        batch: how the last one ended.
        counts: how many prompts have answers now, and how many there are.
        adapter: the chosen model's run id, None for the base model.
    """
    at_end = batch.num_sampled, batch.num_prompts
    ended = {
        "done": say.done_words(*at_end),
        "stopped": say.stopped_words(*at_end),
        "failed": say.broken_off_words(*at_end, batch.error),
    }.get(batch.state, "")
    if not ended or batch.adapter != adapter:
        return say.rest_words(*counts)
    failed = say.failed_words(batch.num_failed, batch.reason)
    now = say.rest_words(*counts) if counts != at_end else ""
    return " ".join(filter(None, (ended, failed, now)))


def build_batch() -> BatchParts:
    """Lay out the panel."""
    with gr.Column(elem_classes="gs-panel", elem_id="explore-batch"):
        gr.HTML(
            f'<h2 class="gem-title">{say.TITLE}</h2><p class="gem-quiet">{say.HINT}</p>',
            apply_default_css=False,
        )
        with gr.Row(elem_classes="gs-actions"):
            sample = gr.Button(
                say.SAMPLE_ALL,
                elem_id="explore-sample-all",
                scale=0,
                min_width=360,
                interactive=False,
            )
            stop = gr.Button(
                say.STOP, elem_id="explore-stop-all", scale=0, min_width=160, visible=False
            )
            status = live_text("explore-batch-status")
    return BatchParts(sample, stop, status)


def connect_batch(
    handlers: BatchHandlers,
    parts: BatchParts,
    controls: Controls,
    project_id: gr.State,
    seen: gr.State,
) -> None:
    """Connect the panel; ``seen`` holds what the page follows."""
    of_model: list[Block] = [project_id, controls.model]
    asked = [*of_model, seen, *controls.how]
    listen(parts.sample.click, handlers.sample_all, asked, [seen, *parts.outputs])
    listen(parts.stop.click, handlers.stop_all, [project_id], [parts.stop])
    listen(controls.model.input, handlers.choose_model, of_model, parts.outputs)
