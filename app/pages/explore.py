"""Explore: several answers to one prompt, ranked, each token tinted by how unsure the model was."""

import time
from dataclasses import dataclass

import gradio as gr
import plotly.graph_objects as go
from gradio.blocks import Block

from app import text
from app.events import listen
from app.explore_actions import ExploreActions, ExploreScreen, Group, find_ranked
from app.heatmap_component import Packed, heatmap, heatmap_value, ranking_for, ranking_value
from app.live_text import live_text, said
from app.pages import PageHandles
from app.records import TaskState
from app.studio import Studio
from app.views.cases import empty_html, prompt_html, task_line
from app.views.heatmap import legend_html
from app.views.rankings import agreement_html, ranking
from app.views.trace import entropy_trace
from gem_backend.config import SamplingConfig, ScoringConfig

_HEATMAP = "explore-heatmap"
_DEFAULT_SAMPLING = SamplingConfig()
_DEFAULT_SCORING = ScoringConfig()
_MOST_CANDIDATES = 16


def scoring(lambda_fork: float, top_m: float) -> ScoringConfig:
    """Return the two sliders as settings."""
    return ScoringConfig(lambda_fork=lambda_fork, top_m=top_m)


def rerank(group: Group, lambda_fork: float, top_m: float) -> Packed:
    """Order the cards again from the stored entropies."""
    return ranking_value(ranking(group, scoring(lambda_fork, top_m)))


def trace_of(
    group: Group, candidate_id: str | None, lambda_fork: float, top_m: float
) -> go.Figure | None:
    """Return a candidate's curve; the best one's where no candidate is named."""
    config = scoring(lambda_fork, top_m)
    found = find_ranked(group, config, candidate_id)
    if found is None:
        return None
    name = text.rank_words(found.rank, len(group))
    return entropy_trace(found.candidate, found.score.fork_tokens, name)


def group_values(group: Group, lambda_fork: float, top_m: float) -> tuple[object, ...]:
    """Return a group as the values of the seven parts that show it."""
    return (
        group,
        gr.HTML(empty_html(text.NO_CANDIDATES, text.NO_CANDIDATES_NEXT), visible=not group),
        gr.Column(visible=bool(group)),
        agreement_html(group),
        heatmap_value(*group),
        rerank(group, lambda_fork, top_m),
        trace_of(group, None, lambda_fork, top_m),
    )


def status_words(screen: ExploreScreen) -> dict[str, str]:
    """Return how sampling stands, as the value of the status line."""
    return said(task_line(screen.task, text.SAMPLING, text.candidate_count(len(screen.group))))


@dataclass(frozen=True)
class _Controls:
    """What decides the next group."""

    prompt: gr.Dropdown
    model: gr.Dropdown
    count: gr.Slider
    temperature: gr.Slider
    seed: gr.Number
    sample: gr.Button
    status: gr.HTML
    shown_prompt: gr.HTML


@dataclass(frozen=True)
class _Results:
    """The state of a group, and the parts that show it, in the order of ``group_values``."""

    parts: list[Block]
    cards: gr.HTML
    order: gr.HTML
    trace: gr.Plot
    lambda_fork: gr.Slider
    top_m: gr.Slider

    @property
    def weights(self) -> list[Block]:
        """The two sliders."""
        return [self.lambda_fork, self.top_m]


def build_explore_page(studio: Studio, project_id: gr.State) -> PageHandles:
    """Build the page inside the open tab."""
    actions = ExploreActions(studio)
    seen = gr.State(None)
    controls = _build_controls()
    results = _build_results()
    shown: list[Block] = [seen, controls.status, *results.parts]

    def values(screen: ExploreScreen, lambda_fork: float, top_m: float) -> tuple[object, ...]:
        group = group_values(screen.group, lambda_fork, top_m)
        return screen.task, status_words(screen), *group

    def refresh(
        project_id: str, prompt_id: str | None, model: str | None, *weights: float
    ) -> tuple[object, ...]:
        screen = actions.screen(project_id, prompt_id)
        models = actions.model_choices(project_id)
        known = [run_id for _, run_id in models]
        return (
            gr.Dropdown(choices=actions.prompt_choices(project_id), value=screen.prompt_id),
            gr.Dropdown(choices=models, value=model if model in known else ""),
            gr.Button(interactive=screen.prompt_id is not None),
            prompt_html(screen.prompt),
            *values(screen, *weights),
        )

    def choose(project_id: str, prompt_id: str | None, *weights: float) -> tuple[object, ...]:
        screen = actions.screen(project_id, prompt_id)
        return prompt_html(screen.prompt), *values(screen, *weights)

    def sample(
        prompt_id: str | None, model: str | None, count: int, temperature: float, seed: float | None
    ) -> tuple[object, ...]:
        config = SamplingConfig(
            num_candidates=int(count), temperature=temperature, seed=int(seed or 0)
        )
        task = actions.sample(prompt_id, config, model or "")
        return task, status_words(ExploreScreen(prompt_id, task=task))

    def poll(project_id: str, prompt_id: str | None, last: TaskState | None) -> object:
        screen = actions.poll(prompt_id, last)
        if screen is None:
            return gr.skip()
        is_over = screen.task.state == "done"
        return screen.task, status_words(screen), time.monotonic() if is_over else gr.skip()

    def load(project_id: str, prompt_id: str | None, *weights: float) -> tuple[object, ...]:
        return group_values(actions.screen(project_id, prompt_id).group, *weights)

    chosen = [project_id, controls.prompt, *results.weights]
    # The group is drawn by an event of its own: the browser works on every output of a poll.
    arrived = gr.State(0.0)
    listen(arrived.change, load, chosen, results.parts)
    listen(
        controls.prompt.input,
        choose,
        chosen,
        [controls.shown_prompt, *shown],
    )
    asked = [controls.prompt, controls.model, controls.count, controls.temperature, controls.seed]
    listen(controls.sample.click, sample, asked, [seen, controls.status])
    _connect_ranking(results)
    return PageHandles(
        refresh=refresh,
        refresh_inputs=[controls.prompt, controls.model, *results.weights],
        outputs=[
            controls.prompt,
            controls.model,
            controls.sample,
            controls.shown_prompt,
            *shown,
        ],
        poll=poll,
        poll_inputs=[controls.prompt, seen],
        poll_outputs=[seen, controls.status, arrived],
    )


def _build_controls() -> _Controls:
    with gr.Column(elem_classes="gs-panel", elem_id="explore-controls"):
        prompt = gr.Dropdown(label=text.EXPLORE_PROMPT, filterable=True, elem_id="explore-prompt")
        shown_prompt = gr.HTML(apply_default_css=False)
        with gr.Row():
            model = gr.Dropdown(label=text.EXPLORE_MODEL, filterable=False, min_width=240)
            count = gr.Slider(
                1,
                _MOST_CANDIDATES,
                value=_DEFAULT_SAMPLING.num_candidates,
                step=1,
                label=text.NUM_CANDIDATES,
                min_width=200,
            )
            temperature = gr.Slider(
                0.1,
                2.0,
                value=_DEFAULT_SAMPLING.temperature,
                step=0.1,
                label=text.TEMPERATURE,
                min_width=200,
            )
            seed = gr.Number(
                _DEFAULT_SAMPLING.seed,
                label=text.SEED,
                precision=0,
                minimum=0,
                maximum=2**32 - 1,
                min_width=120,
            )
        with gr.Row(elem_classes="gs-actions"):
            # Inert until the first refresh has chosen a prompt, so that none is asked for in vain.
            sample = gr.Button(
                text.SAMPLE,
                variant="primary",
                elem_id="explore-sample",
                scale=0,
                interactive=False,
            )
            status = live_text("explore-status")
    return _Controls(prompt, model, count, temperature, seed, sample, status, shown_prompt)


def _build_results() -> _Results:
    group = gr.State(())
    empty = gr.HTML(visible=False, apply_default_css=False)
    with gr.Column(visible=False, elem_id="explore-results") as column:
        with gr.Row(elem_classes="gs-panel"):
            gr.HTML(legend_html(), apply_default_css=False)
            with gr.Column():
                lambda_fork = gr.Slider(
                    0,
                    3,
                    value=_DEFAULT_SCORING.lambda_fork,
                    step=0.1,
                    label=text.LAMBDA,
                    info=text.LAMBDA_INFO,
                )
                top_m = gr.Slider(
                    0.05,
                    1,
                    value=_DEFAULT_SCORING.top_m,
                    step=0.05,
                    label=text.TOP_M,
                    info=text.TOP_M_INFO,
                )
        agreed = gr.HTML(apply_default_css=False)
        cards = heatmap(_HEATMAP)
        order = ranking_for(_HEATMAP)
        with gr.Column(elem_classes="gs-panel gem-plot"):
            trace = gr.Plot(show_label=False, container=False, elem_id="explore-trace")
    parts: list[Block] = [group, empty, column, agreed, cards, order, trace]
    return _Results(parts, cards, order, trace, lambda_fork, top_m)


def _connect_ranking(results: _Results) -> None:
    given = [results.parts[0], *results.weights]
    for slider in (results.lambda_fork, results.top_m):
        listen(slider.input, rerank, given, [results.order], mode="always_last")

    def show_trace(
        group: Group, lambda_fork: float, top_m: float, event: gr.EventData
    ) -> go.Figure | None:
        return trace_of(group, str(event.id), lambda_fork, top_m)

    listen(results.cards.show_trace, show_trace, given, [results.trace])
