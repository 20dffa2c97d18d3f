"""The use cases of Align and Results: plan a run, carry it, read it; see ``Studio``."""

from pathlib import Path

from app.access import for_admins
from app.records import AlignPlan, Decisions, LinedUpRun, RunView
from app.studio_base import StudioBase
from gem_backend.config import RunConfig
from gem_backend.types import BeforeAfter, Preset, RunSummary
from storage.runs import RunTraits


class RunUseCases(StudioBase):
    """What Align and Results ask for."""

    def preset(self, preset: Preset, seed: int = 0) -> RunConfig:
        """Return a preset's settings for the studio's model."""
        return self._runs.preset(preset, seed)

    @for_admins
    def plan(self, project_id: str, config: RunConfig) -> AlignPlan:
        """Return in numbers what a run with these settings would do."""
        return self._runs.plan(project_id, config)

    @for_admins
    def start_run(self, project_id: str, config: RunConfig) -> str:
        """Put a run in line, begin it if the device is free; raises where pairs are too few."""
        return self._runs.start(project_id, config)

    @for_admins
    def stop_run(self, run_id: str) -> None:
        """Ask a run to save and stop, or take it out of the line."""
        self._runs.stop(run_id)

    @for_admins
    def resume_run(self, run_id: str) -> None:
        """Continue a stopped or interrupted run from its last checkpoint."""
        self._runs.resume(run_id)

    def active_run(self, project_id: str) -> str | None:
        """Return the id of the project's run that is at work, else of one that waits, else None."""
        return self._runs.active(project_id)

    @for_admins
    def line(self, project_id: str) -> tuple[LinedUpRun, ...]:
        """Return the project's runs at work here, then those that wait, the next one first."""
        return self._runs.line(project_id)

    def runs(self, project_id: str) -> list[RunSummary]:
        """Return the history, newest first, with dead workers shown as interrupted."""
        return self._runs.history(project_id)

    def run_traits(self, project_id: str) -> dict[str, RunTraits]:
        """Return the method, the ranking and the labels of each run of the history, by run id."""
        return self._runs.traits(project_id)

    @for_admins
    def run(self, run_id: str) -> RunView:
        """Return a run with its events so far."""
        return self._runs.view(run_id)

    @for_admins
    def examples(self, run_id: str) -> list[BeforeAfter]:
        """Return one before/after example per held-out prompt, empty until the run has ended."""
        return self._runs.examples(run_id)

    @for_admins
    def export_adapter(self, run_id: str) -> Path:
        """Make a zip file of a run's adapter, its card and its manifest, and return it."""
        return self._runs.export_adapter(run_id, self._exports_dir)

    @for_admins
    def decisions(self, run_id: str) -> Decisions:
        """Return the tokens at which answers of the run's training pairs parted."""
        return self._runs.decisions(run_id)
