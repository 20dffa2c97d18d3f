"""The Align page: what a run would do, the one button, and where the run stands.

The browser holds no truth: every draw asks the studio which run there is and what it has said, so
the page survives a reload, a closed tab and a restarted studio.
"""

import time
from dataclasses import dataclass
from functools import partial
from typing import Any

import gradio as gr
from gradio.blocks import Block

from app.actions.align import (
    AlignScreen,
    PlanScreen,
    Seen,
    align_screen,
    current_run,
    line_beside,
    plan_screen,
    run_config,
    seen_of,
)
from app.desks.agreement import AgreementView
from app.events import listen
from app.pages import PageHandles
from app.pages.align_form import FormParts, build_form
from app.run_options import Value, option_values, place_of
from app.studio import Studio
from app.text import runs as say
from app.views import runs
from app.views.agreement import health_paragraph, state_html
from gem_backend.errors import ConfigError, DataError, GemError
from gem_backend.runner import ACTIVE, RESUMABLE
from gem_backend.types import Preset

_PLOTS = (5, 6)  # places of the figures among the outputs; they change with events alone
_AS_DRAWN = 3  # project, run and last event of a Seen: what the figures were drawn from
_METHOD = place_of("run", "method")

# The table is plain HTML; a press sends the row's place and nothing else.
_TAKE_OUT = """
element.addEventListener('click', event => {
  const button = event.target.closest('button[data-place]');
  if (button) trigger('take_out', {place: Number(button.dataset.place)});
});
"""


@dataclass(frozen=True)
class AlignHandlers:
    """What the components call; each returns one value for each of its outputs."""

    studio: Studio

    def refresh(
        self,
        project_id: str,
        is_planning: bool,
        preset: Preset,
        seed: float | None,
        *values: Value | None,
    ) -> tuple[object, ...]:
        """Draw the whole page; ``is_planning`` opens the form beside a run that is going on."""
        screen = self._screen(project_id)
        if screen.is_active and not is_planning:
            plan: tuple[object, ...] = (gr.skip(), gr.skip(), gr.skip())
        else:
            plan = self.replan(project_id, preset, seed, *values)
        return (*_run_updates(screen, is_planning), *plan, time.monotonic())

    def _screen(self, project_id: str) -> AlignScreen:
        view = current_run(self.studio, project_id)
        return align_screen(project_id, view, line_beside(self.studio, project_id, view))

    def _now(self, project_id: str) -> Seen:
        view = current_run(self.studio, project_id)
        return seen_of(project_id, view, line_beside(self.studio, project_id, view))

    def poll(
        self,
        project_id: str,
        seen: Seen,
        is_planning: bool,
        preset: Preset,
        seed: float | None,
        *values: Value | None,
    ) -> object:
        """Draw the page again if the run has moved."""
        now = self._now(project_id)
        if now == seen:
            return gr.skip()
        drawn = self.refresh(project_id, is_planning, preset, seed, *values)
        if now[:_AS_DRAWN] != seen[:_AS_DRAWN]:
            return drawn
        return tuple(gr.skip() if place in _PLOTS else part for place, part in enumerate(drawn))

    def has_news(self, project_id: str, is_waiting: bool, seen: Seen) -> bool:
        """Whether the run has moved, or the health of the labels has been worked out."""
        return (
            self._now(project_id) != seen or self.poll_health(project_id, is_waiting) != gr.skip()
        )

    def health(self, project_id: str, drawn_at: float) -> tuple[str, bool]:
        """Say what the labels give away, and whether that is still being worked out.

        ``drawn_at`` is 0 where the page was never drawn: for somebody who may not see it.
        """
        if not project_id or not drawn_at:
            return "", False
        return _health(project_id, self.studio.agreement(project_id), True)

    def health_at_last(self, project_id: str, told_at: float) -> tuple[str, bool]:
        """Say what was being worked out; labels that came since wait for the next look."""
        if not project_id or not told_at:
            return "", False
        return _health(project_id, self.studio.known_agreement(project_id), False)

    def poll_health(self, project_id: str, is_waiting: bool) -> object:
        """Return a new value, for an event to follow, when the health has been worked out."""
        is_there = is_waiting and not self.studio.is_agreement_busy(project_id)
        return time.monotonic() if is_there else gr.skip()

    def replan(
        self, project_id: str, preset: Preset, seed: float | None, *values: Value | None
    ) -> tuple[object, ...]:
        """Draw the plan for the settings on the form; settings that are refused are said there."""
        if not project_id:
            return _plan_updates(PlanScreen(runs.obstacle(say.NO_PROJECT), "", False))
        try:
            config = run_config(self.studio, preset, seed, values)
            return _plan_updates(plan_screen(self.studio, project_id, config))
        except GemError as error:
            return _plan_updates(PlanScreen(runs.obstacle(error.message), "", False))

    def choose_preset(self, preset: Preset, method: Value | None) -> tuple[Value | None, ...]:
        """Put a preset's values into the form; the method is not the preset's to change."""
        values = option_values(self.studio.preset(preset, 0))
        return (*values[:_METHOD], method, *values[_METHOD + 1 :])

    def start(
        self, project_id: str, preset: Preset, seed: float | None, *values: Value | None
    ) -> tuple[object, ...]:
        """Start the run, or put it in line, and show what is going on."""
        if not project_id:
            raise ConfigError(say.NO_PROJECT)
        self.studio.start_run(project_id, run_config(self.studio, preset, seed, values))
        return (*self.refresh(project_id, False, preset, seed, *values), False)

    def plan_another(
        self, project_id: str, preset: Preset, seed: float | None, *values: Value | None
    ) -> tuple[object, ...]:
        """Open the form beside the run that is going on."""
        return (*self.refresh(project_id, True, preset, seed, *values), True)

    def stop(self, project_id: str, is_planning: bool, seen: Seen) -> tuple[object, ...]:
        """Ask the run on screen to save and stop; nothing is asked back, for nothing is lost."""
        is_here = bool(seen.run_id) and seen.project_id == project_id
        if is_here and self.studio.run(seen.run_id).summary.status.state in ACTIVE:
            self.studio.stop_run(seen.run_id)
        return _run_updates(self._screen(project_id), is_planning)

    def take_out(
        self, project_id: str, is_planning: bool, seen: Seen, event: gr.EventData
    ) -> tuple[object, ...]:
        """Stop a run of the table that was on screen, or take it out of the line."""
        return self.take_place_out(project_id, is_planning, seen, event.place)

    def take_place_out(
        self, project_id: str, is_planning: bool, seen: Seen, place: object
    ) -> tuple[object, ...]:
        """Stop the run at a place of that table; one that has begun meanwhile goes on."""
        if not isinstance(place, int) or not 0 <= place < len(seen.line):
            raise DataError(say.CHOOSE_WAITING)
        run_id, num_ahead, _ = seen.line[place]
        for one in self.studio.line(project_id):
            if one.run.run_id == run_id and (one.num_ahead is None) == (num_ahead is None):
                self.studio.stop_run(run_id)
        return _run_updates(self._screen(project_id), is_planning)

    def resume(self, project_id: str, is_planning: bool) -> tuple[object, ...]:
        """Go on with the newest run if it was stopped or interrupted."""
        view = current_run(self.studio, project_id)
        if view is not None and view.summary.status.state in RESUMABLE:
            self.studio.resume_run(view.summary.run_id)
        return _run_updates(self._screen(project_id), is_planning)


def _health(project_id: str, view: AgreementView | None, is_busy: bool) -> tuple[str, bool]:
    state = state_html(view, is_busy)
    if view is None:
        return state, is_busy
    return health_paragraph(project_id, view.health.project) + state, view.is_outdated


def _run_updates(screen: AlignScreen, is_planning: bool) -> tuple[object, ...]:
    stop = say.TAKE_OUT_BUTTON if screen.is_waiting else say.STOP_BUTTON
    stop = say.STOPPING_BUTTON if screen.is_stopping else stop
    is_form_open = is_planning or not screen.is_active
    return (
        screen.seen,
        screen.live,
        gr.Button(stop, visible=screen.is_active, interactive=not screen.is_stopping),
        gr.Button(visible=screen.is_resumable),
        screen.heading,
        gr.Plot(screen.accuracy, visible=screen.accuracy is not None),
        gr.Plot(screen.curves, visible=screen.curves is not None),
        gr.Column(visible=screen.accuracy is not None or screen.curves is not None),
        screen.lesson,
        gr.Column(visible=is_form_open),
        screen.line,
        gr.Button(visible=not is_form_open),
    )


def _plan_updates(screen: PlanScreen) -> tuple[object, ...]:
    button = say.ALIGN_BUTTON if screen.is_free else say.LINE_UP_BUTTON
    return screen.panel, screen.example, gr.Button(button, interactive=screen.can_start)


# --- layout ----------------------------------------------------------------------------------


@dataclass(frozen=True)
class _RunParts:
    """The components above the form that show a run."""

    seen: gr.State
    live: gr.HTML
    stop: gr.Button
    resume: gr.Button
    another: gr.Button
    line: gr.HTML
    planning: gr.State


def build_align_page(studio: Studio, project_id: gr.State) -> PageHandles:
    """Lay the page out and wire it."""
    handlers = AlignHandlers(studio)
    with gr.Column(elem_classes="gem-page"):
        parts = _build_run()
        form = build_form(option_values(studio.preset("quick", 0)))
        plots = _build_plots()
        lesson = gr.HTML("", elem_classes="gem-card gem-bare")
    now: list[Block] = [parts.seen, parts.live, parts.stop, parts.resume]
    shown: list[Block] = [*now, *plots, lesson, form.column, parts.line, parts.another]
    drawn = gr.State(0.0)  # when the page was; the labels are looked through after that
    outputs = [*shown, *form.plan, drawn]
    _wire(handlers, project_id, shown, outputs, parts, form)
    is_waiting, worked_out = gr.State(False), gr.State(0.0)
    health = [form.health, is_waiting]
    listen(drawn.change, handlers.health, [project_id, drawn], health, mode="always_last")
    listen(worked_out.change, handlers.health_at_last, [project_id, worked_out], health)

    def poll(
        project_id: str,
        is_waiting: bool,
        seen: Seen,
        is_planning: bool,
        *settings: Any,  # noqa: ANN401 - as the form has them
    ) -> object:
        page = handlers.poll(project_id, seen, is_planning, *settings)
        turn = handlers.poll_health(project_id, is_waiting)
        if isinstance(page, tuple):
            return *page, turn
        return page if turn == gr.skip() else (*(page for _ in outputs), turn)

    return PageHandles(
        refresh=handlers.refresh,
        outputs=outputs,
        refresh_inputs=[parts.planning, *form.settings],
        poll=poll,
        poll_inputs=[is_waiting, parts.seen, parts.planning, *form.settings],
        poll_outputs=[*outputs, worked_out],
        has_news=handlers.has_news,
        news_inputs=[is_waiting, parts.seen],
    )


def _build_run() -> _RunParts:
    seen = gr.State(Seen())
    live = gr.HTML(runs.live_panel(None), elem_classes="gem-card")
    with gr.Row(elem_classes="gem-actions"):
        stop = gr.Button(say.STOP_BUTTON, visible=False, scale=0, min_width=160)
        resume = gr.Button(say.RESUME_BUTTON, visible=False, scale=0, min_width=160)
        another = gr.Button(say.ANOTHER_BUTTON, visible=False, scale=0, min_width=160)
    line = gr.HTML("", elem_classes="gem-card gem-bare", js_on_load=_TAKE_OUT)
    return _RunParts(seen, live, stop, resume, another, line, gr.State(False))


def _build_plots() -> list[Block]:
    with gr.Column(visible=False, elem_classes="gem-card") as column:
        heading = gr.HTML("")
        plots = [
            gr.Plot(show_label=False, container=False, visible=False, elem_classes="gem-plot")
            for _ in range(2)
        ]
    return [heading, *plots, column]


def _wire(
    handlers: AlignHandlers,
    project_id: gr.State,
    shown: list[Block],
    outputs: list[Block],
    parts: _RunParts,
    form: FormParts,
) -> None:
    everything = [project_id, *form.settings]
    method = form.options[_METHOD]
    listen(form.preset.input, handlers.choose_preset, [form.preset, method], form.options)
    # ``change`` also fires when a preset fills the form; the last of a burst is what counts.
    changed = partial(gr.on, [setting.change for setting in form.settings])
    listen(changed, handlers.replan, everything, form.plan, mode="always_last")
    begun = [*outputs, parts.planning]
    listen(form.align.click, handlers.start, everything, begun)
    listen(parts.another.click, handlers.plan_another, everything, begun)
    now = [project_id, parts.planning]
    listen(parts.stop.click, handlers.stop, [*now, parts.seen], shown)
    listen(parts.resume.click, handlers.resume, now, shown)
    listen(parts.line.take_out, handlers.take_out, [*now, parts.seen], shown)
