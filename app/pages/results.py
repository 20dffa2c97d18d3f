"""The Results page: every run, the verdict of one, and its answers before and after."""

from collections.abc import Sequence
from dataclasses import dataclass

import gradio as gr
from gradio.blocks import Block
from gradio.components import Component
from gradio.processing_utils import save_file_to_cache

from app import run_facts
from app.comparison import compare_methods, method_names
from app.components.heatmap import heatmap, heatmap_value
from app.events import listen
from app.pages import PageHandles
from app.records import Decisions, RunView
from app.studio import Studio
from app.text import runs as say
from app.text import shortened
from app.views import charts, runs, story, tables
from app.views.calibration import run_calibration
from app.views.decisions import decisions_panel
from app.views.methods import methods_panel
from gem_backend.errors import DataError
from gem_backend.types import BeforeAfter, RunSummary

_CHOICE_LENGTH = 110

# The table is plain HTML made by ``tables``; a press sends the row's place and nothing else.
_PICK = """
element.addEventListener('click', event => {
  const row = event.target.closest('[data-place]');
  if (row) trigger('pick_run', {place: Number(row.dataset.place)});
});
"""


@dataclass(frozen=True, slots=True)
class ResultsScreen:
    """Everything the page shows, decided before any component is touched."""

    run_ids: tuple[str, ...]
    selected: str | None
    history: str
    view: RunView | None
    examples: tuple[BeforeAfter, ...]
    methods: str
    lesson: str
    decisions: Decisions


@dataclass(frozen=True, slots=True)
class ExampleScreen:
    """One before/after example; None where there is nothing to show."""

    example: BeforeAfter | None
    words: str


def mark_of(project_id: str, history: Sequence[RunSummary]) -> str:
    """Return what changes exactly when the history table would."""
    rows = (f"{run.run_id}:{run.status.state}:{run.result is not None}" for run in history)
    return "|".join((project_id, *rows))


def results_screen(studio: Studio, project_id: str, wanted: str | None) -> ResultsScreen:
    """Return what the page shows; ``wanted`` is a run, or None for the newest one with a result."""
    history = studio.runs(project_id) if project_id else []
    run_ids = tuple(run.run_id for run in history)
    selected = wanted if wanted in run_ids else run_facts.newest_finished(history)
    traits = studio.run_traits(project_id) if history else {}
    view = studio.run(selected) if selected else None
    return ResultsScreen(
        run_ids=run_ids,
        selected=selected,
        history=tables.history_table(history, selected, method_names(traits)),
        view=view,
        examples=tuple(studio.examples(selected)) if selected else (),
        methods=methods_panel(compare_methods(view.summary, history, traits) if view else None),
        lesson=run_calibration(run_facts.calibration(view.events if view else ())),
        decisions=studio.decisions(selected) if selected else Decisions(),
    )


def example_screen(examples: Sequence[BeforeAfter], place: int | None) -> ExampleScreen:
    """Return the example at a place of the list, or the words that say why there is none."""
    if place is None or not 0 <= place < len(examples):
        return ExampleScreen(None, tables.empty(say.EXAMPLES_EMPTY))
    return ExampleScreen(examples[place], runs.gold_panel(examples[place]))


def example_choices(examples: Sequence[BeforeAfter]) -> list[tuple[str, int]]:
    """Return the held-out prompts as choices; their value is their place."""
    return [
        (f"{place + 1}. {shortened(example.prompt, _CHOICE_LENGTH)}", place)
        for place, example in enumerate(examples)
    ]


@dataclass(frozen=True)
class ResultsHandlers:
    """What the components call; each returns one value for each of its outputs."""

    studio: Studio
    cache_dir: str = ""

    def refresh(self, project_id: str, selected: str | None) -> tuple[object, ...]:
        """Draw the whole page."""
        history = self.studio.runs(project_id) if project_id else []
        screen = results_screen(self.studio, project_id, selected)
        return (mark_of(project_id, history), *_updates(screen))

    def poll(self, project_id: str, mark: str, selected: str | None) -> object:
        """Draw the page again when a run was added or has ended."""
        history = self.studio.runs(project_id) if project_id else []
        if mark_of(project_id, history) == mark:
            return gr.skip()
        return self.refresh(project_id, selected)

    def pick_run(
        self, project_id: str, run_ids: tuple[str, ...], event: gr.EventData
    ) -> tuple[object, ...]:
        """Show the run whose row was pressed."""
        return self.show_place(project_id, run_ids, event.place)

    def show_place(
        self, project_id: str, run_ids: tuple[str, ...], place: object
    ) -> tuple[object, ...]:
        """Show the run at a place of the list that was on screen."""
        if not isinstance(place, int) or not 0 <= place < len(run_ids):
            raise DataError(say.CHOOSE_RUN)
        return self.refresh(project_id, run_ids[place])

    def export_adapter(self, selected: str | None) -> gr.File:
        """Make a file of the run's adapter and offer a copy in Gradio's own folder."""
        if selected is None:
            raise DataError(say.CHOOSE_RUN)
        path = self.studio.export_adapter(selected)
        return gr.File(save_file_to_cache(path, self.cache_dir), visible=True)

    def pick_example(self, selected: str | None, place: int | None) -> tuple[object, ...]:
        """Show another held-out prompt."""
        examples = self.studio.examples(selected) if selected else []
        return _example_updates(example_screen(examples, place))


def _updates(screen: ResultsScreen) -> tuple[object, ...]:
    events = screen.view.events if screen.view else ()
    accuracy = charts.accuracy_figure(events)
    first = 0 if screen.examples else None
    return (
        screen.run_ids,
        screen.selected,
        screen.history,
        runs.verdict_panel(screen.view),
        runs.figures(screen.view, len(screen.examples)),
        gr.Plot(accuracy, visible=accuracy is not None),
        screen.methods,
        screen.lesson,
        story.story(screen.view)
        + decisions_panel(screen.decisions)
        + runs.config_fold(screen.view),
        gr.Dropdown(
            choices=example_choices(screen.examples), value=first, visible=first is not None
        ),
        *_example_updates(example_screen(screen.examples, first)),
        gr.Row(visible=_has_adapter(screen.view)),
        gr.File(None, visible=False),
    )


def _has_adapter(view: RunView | None) -> bool:
    result = view.summary.result if view else None
    return result is not None and result.adapter_dir is not None and result.verdict != "worse"


def _example_updates(screen: ExampleScreen) -> tuple[object, ...]:
    example = screen.example
    if example is None:
        return screen.words, gr.Row(visible=False), "", heatmap_value(), "", heatmap_value()
    return (
        screen.words,
        gr.Row(visible=True),
        runs.match_line(say.BEFORE_TITLE, example.before, example.gold_answer),
        heatmap_value(example.before),
        runs.match_line(say.AFTER_TITLE, example.after, example.gold_answer),
        heatmap_value(example.after),
    )


# --- layout ----------------------------------------------------------------------------------


@dataclass(frozen=True)
class _ExampleParts:
    """The chooser of a held-out prompt and the components of one example."""

    chooser: gr.Dropdown
    shown: list[Block]


def build_results_page(studio: Studio, project_id: gr.State) -> PageHandles:
    """Lay the page out and wire it."""
    mark, run_ids, selected = gr.State(""), gr.State(()), gr.State(None)
    with gr.Column(elem_classes="gem-page"):
        with gr.Column(elem_classes="gem-card"):
            verdict = gr.HTML("")
            with gr.Row(visible=False, elem_classes="gs-actions") as offered:
                take = gr.Button(say.TAKE_ADAPTER_BUTTON, elem_id="take-adapter", scale=0)
            file = gr.File(
                label=say.ADAPTER_FILE, visible=False, interactive=False, elem_id="adapter-file"
            )
        handlers = ResultsHandlers(studio, file.GRADIO_CACHE)
        with gr.Column(elem_classes="gem-card"):
            gr.HTML(f'<h2 class="gem-title">{say.HISTORY_TITLE}</h2>')
            history = gr.HTML("", js_on_load=_PICK)
        with gr.Column(elem_classes="gem-card gem-bare"):
            figures = gr.HTML("")
            accuracy = gr.Plot(
                show_label=False, container=False, visible=False, elem_classes="gem-plot"
            )
        methods = gr.HTML("", elem_classes="gem-card gem-bare")
        examples = _build_examples()
        lesson = gr.HTML("", elem_classes="gem-card gem-bare")
        told = gr.HTML("", elem_classes="gem-card gem-bare")
    shown: list[Component] = [verdict, figures, accuracy, methods, lesson, told]
    outputs: list[Block] = [mark, run_ids, selected, history, *shown, examples.chooser]
    outputs += [*examples.shown, offered, file]
    listen(take.click, handlers.export_adapter, [selected], [file])
    listen(history.pick_run, handlers.pick_run, [project_id, run_ids], outputs)
    listen(
        examples.chooser.input, handlers.pick_example, [selected, examples.chooser], examples.shown
    )
    return PageHandles(
        refresh=handlers.refresh,
        outputs=outputs,
        refresh_inputs=[selected],
        poll=handlers.poll,
        poll_inputs=[mark, selected],
        poll_outputs=outputs,
    )


def _build_examples() -> _ExampleParts:
    with gr.Column(elem_classes="gem-card"):
        gr.HTML(f'<h2 class="gem-title">{say.EXAMPLES_TITLE}</h2>')
        chooser = gr.Dropdown([], label=say.EXAMPLE_LABEL, visible=False, filterable=False)
        words = gr.HTML("")
        with gr.Row(visible=False, equal_height=False) as row:
            sides: list[Block] = []
            for name in ("before", "after"):
                with gr.Column(min_width=360):
                    sides += [gr.HTML(""), heatmap(f"results-{name}")]
    return _ExampleParts(chooser, [words, row, *sides])
