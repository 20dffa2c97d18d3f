"""What the Align page shows and starts, without Gradio."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import plotly.graph_objects as go

from app import run_facts
from app.records import AlignPlan, LinedUpRun, RunView
from app.run_options import Value, with_options
from app.studio import Studio
from app.text import runs as say
from app.views import charts, runs
from app.views.calibration import run_calibration
from app.views.line import line_panel
from gem_backend.config import RunConfig
from gem_backend.errors import ConfigError
from gem_backend.runner import ACTIVE, RESUMABLE
from gem_backend.types import Preset


class Seen(NamedTuple):
    """What the page last showed; a poll that finds the same draws nothing."""

    project_id: str = ""
    run_id: str = ""
    seq: int = 0
    state: str = ""
    step: int = 0
    eta: str = ""
    line: tuple[tuple[str, int | None, str], ...] = ()


@dataclass(frozen=True, slots=True)
class AlignScreen:
    """Everything the page shows of a run, decided before any component is touched."""

    seen: Seen
    live: str
    heading: str
    accuracy: go.Figure | None
    curves: go.Figure | None
    lesson: str
    line: str
    is_active: bool
    is_waiting: bool
    is_stopping: bool
    is_resumable: bool


@dataclass(frozen=True, slots=True)
class PlanScreen:
    """The plan in words, the example, whether the button may be pressed and begins at once."""

    panel: str
    example: str
    can_start: bool
    is_free: bool = True


def current_run(studio: Studio, project_id: str) -> RunView | None:
    """Return the run that is active, else the newest one, else None."""
    if not project_id:
        return None
    active = studio.active_run(project_id)
    if active is not None:
        return studio.run(active)
    history = studio.runs(project_id)
    return studio.run(history[0].run_id) if history else None


def line_beside(studio: Studio, project_id: str, view: RunView | None) -> tuple[LinedUpRun, ...]:
    """Return the project's runs at work or in line, but for the one that is shown."""
    shown = view.summary.run_id if view else ""
    line = studio.line(project_id) if project_id else ()
    return tuple(one for one in line if one.run.run_id != shown)


def seen_of(project_id: str, view: RunView | None, line: Sequence[LinedUpRun] = ()) -> Seen:
    """Return the mark of what would be shown now."""
    marks = tuple((one.run.run_id, one.num_ahead, one.run.status.state) for one in line)
    if view is None:
        return Seen(project_id, line=marks)
    status = view.summary.status
    return Seen(
        project_id,
        view.summary.run_id,
        run_facts.last_seq(view),
        status.state,
        status.step,
        say.time_left(view.eta_s) + str(view.num_ahead),
        marks,
    )


def align_screen(
    project_id: str, view: RunView | None, line: Sequence[LinedUpRun] = ()
) -> AlignScreen:
    """Return what the page shows of this run and of those beside it."""
    events = view.events if view else ()
    state = view.summary.status.state if view else "done"
    return AlignScreen(
        seen=seen_of(project_id, view, line),
        live=runs.live_panel(view),
        heading=runs.curves_heading(view),
        accuracy=charts.accuracy_figure(events),
        curves=charts.curves_figure(events),
        lesson=run_calibration(run_facts.calibration(events)),
        line=line_panel(line),
        is_active=state in ACTIVE,
        is_waiting=view is not None and view.num_ahead is not None,
        is_stopping=state == "stopping",
        is_resumable=state in RESUMABLE,
    )


def plan_screen(studio: Studio, project_id: str, config: RunConfig) -> PlanScreen:
    """Return the plan of a run with these settings."""
    plan: AlignPlan = studio.plan(project_id, config)
    can_start = not plan.obstacle
    panel, example = runs.plan_panel(plan), runs.example_text(plan.example)
    return PlanScreen(panel, example, can_start, is_free=not plan.num_ahead)


def run_config(
    studio: Studio, preset: Preset, seed: float | None, values: tuple[Value | None, ...]
) -> RunConfig:
    """Return the settings on the form, checked.

    Raises:
        ConfigError: a field is empty or out of range.
    """
    if seed is None:
        raise ConfigError(say.SETTING_MISSING)
    return with_options(studio.preset(preset, int(seed)), values)
