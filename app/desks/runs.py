"""The studio's use cases around runs: plan one, start and stop it, and read what came of it."""

import dataclasses
import shutil
import statistics
import tempfile
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from app import run_facts
from app.desks.decisions import decisions_of
from app.devices import Line, device_words, is_gpu
from app.records import AlignPlan, Decisions, LeftOut, LinedUpRun, RunView
from app.run_specs import new_run_spec, snapshot
from app.supervision import Supervisor
from gem_backend import runner
from gem_backend.adapter_export import export_adapter
from gem_backend.config import RunConfig, preset_config
from gem_backend.engine import Device, Engine
from gem_backend.errors import RunDirError, TrainingError
from gem_backend.memory import MemoryEstimate, estimate, read_shape
from gem_backend.model_folder import has_chat_template, weight_bytes
from gem_backend.run_dir import RunDir
from gem_backend.training_data import TrainingData, split_training_data
from gem_backend.types import BeforeAfter, Preset, RunStatus, RunSummary
from storage import judgements, projects, runs
from storage.database import Database
from storage.training_counts import CountedTraining, count_training

LOG_TAIL_BYTES = 8000
MOST_MEASURED_RUNS = 9


@dataclass(frozen=True, slots=True)
class StudioModel:
    """The studio's model: its name in every record, where it is, and how it is loaded."""

    name: str
    source: Path | str
    device: Device = "auto"
    trust_remote_code: bool = False


@dataclass(frozen=True, eq=False)
class RunsDesk:
    """What ``Studio`` does about runs; thread-safe. See there for what each use case promises."""

    db: Database
    engine: Engine
    supervisor: Supervisor
    model: StudioModel
    runs_dir: Path
    _start_lock: threading.Lock = field(default_factory=threading.Lock)
    _expected: dict[str, float | None] = field(default_factory=dict)
    _known: dict[str, tuple[object, CountedTraining]] = field(default_factory=dict)

    # --- before a run ---

    def preset(self, preset: Preset, seed: int) -> RunConfig:
        """Return a preset's settings for the studio's model."""
        config = preset_config(preset, self.model.name, seed)
        where = {
            "device": self.model.device,
            "trust_remote_code": self.model.trust_remote_code,
        }
        return config.model_copy(update=where)

    def plan(self, project_id: str, config: RunConfig) -> AlignPlan:
        """Return in numbers what a run with these settings would do."""
        found = self._counted(project_id)
        counts = found.counts
        walls = self._measured_walls(project_id, config)
        return AlignPlan(
            config=config,
            num_train=counts.num_train,
            num_held_out=counts.num_held_out,
            num_pool=counts.num_prompts,
            left_out=tuple(LeftOut(reason, count) for reason, count in counts.left_out),
            model_bytes=weight_bytes(self.model.source),
            device=device_words(config.device),
            example=self._example(found.example),
            expected_s=statistics.median(walls) if walls else None,
            expected_from_runs=len(walls),
            obstacle=counts.obstacle,
            num_ahead=self.supervisor.line().num_ahead(config.device),
            memory=self._memory(config),
        )

    def _memory(self, config: RunConfig) -> MemoryEstimate | None:
        source = self.model.source
        shape = read_shape(source) if isinstance(source, Path) else None
        return estimate(shape, config, on_gpu=is_gpu(config.device)) if shape else None

    def _counted(self, project_id: str) -> CountedTraining:
        """The parts of a run in numbers, worked out once for each state of the labels."""
        state = (
            judgements.newest(self.db, project_id),
            projects.count_prompts(self.db, project_id),
        )
        known = self._known.get(project_id)
        if known is None or known[0] != state:
            known = self._known[project_id] = (state, count_training(self.db, project_id))
        return known[1]

    def _training_data(self, project_id: str) -> TrainingData:
        return split_training_data(*snapshot(self.db, project_id))

    def _example(self, pair: tuple[str, str] | None) -> str:
        if pair is None:
            return ""
        text = "\n".join(pair)
        source = self.model.source
        if isinstance(source, Path) and has_chat_template(source):
            return f"(inside the model's own chat format)\n\n{text}"
        return text

    # --- a run ---

    def start(self, project_id: str, config: RunConfig) -> str:
        """Put a new run in line, begin with it if a device is free, and return its id."""
        with self._start_lock:
            if obstacle := self._training_data(project_id).obstacle:
                raise TrainingError(obstacle, "Run not started")
            run = self._create(project_id, config)
            self._line_up(run)
            return run.spec().run_id

    def stop(self, run_id: str) -> None:
        """Ask a run to save and stop; one that waits is taken out of the line."""
        with self._start_lock:
            run = self.supervisor.run_dir(run_id)
            if runner.is_waiting(run.status()):
                runner.leave_line(run)
                runs.ingest(self.db, run_id, run)
            else:
                run.request_stop()

    def resume(self, run_id: str) -> None:
        """Put a run in line again; it goes on from its last checkpoint."""
        with self._start_lock:
            self._line_up(self.supervisor.run_dir(run_id))

    def hand_on(self, take_back: Callable[[], None]) -> None:
        """Give what is free to the runs that wait longest; ``take_back`` the device of Explore's
        model if that is left over.
        """
        with self._start_lock:
            self._begin_next()
            if self.supervisor.line().is_engine_free:
                take_back()

    def active(self, project_id: str) -> str | None:
        """Return the id of the project's run that is at work, else of one that waits, else None."""
        active = self.supervisor.active()
        history = runs.list_runs(self.db, project_id) if active else []
        mine = [run.run_id for run in history if run.run_id in active]
        line = Line.of(self.supervisor.devices, active)
        waiting = [run_id for run_id in line.waiting if run_id in mine]
        at_work = [run_id for run_id in mine if run_id not in waiting]
        return next(iter([*at_work, *waiting]), None)

    def line(self, project_id: str) -> tuple[LinedUpRun, ...]:
        """Return the project's runs at work here, then those that wait, the next one first."""
        line = self.supervisor.line()
        if not (line.at_work or line.waiting):
            return ()
        traits = runs.run_traits(self.db, project_id)
        found = {run.run_id: run for run in runs.list_runs(self.db, project_id)}
        return tuple(
            LinedUpRun(found[run_id], traits[run_id], _num_ahead(line, run_id))
            for run_id in (*line.at_work, *line.waiting)
            if run_id in found
        )

    def _line_up(self, run: RunDir) -> None:
        runner.line_up(run)
        runs.ingest(self.db, run.spec().run_id, run)
        self._begin_next()

    def _begin_next(self) -> None:
        """Begin with the runs that wait longest, each on a device that is free for it."""
        for run_id, status in self.supervisor.line().waiting.items():
            device = self.supervisor.line().free_for(status.device or "auto")
            if device is None:
                continue  # another one may wait for a device of another kind
            try:
                self._start_worker(run_id, device)
            except RunDirError as error:  # the next one may have better luck
                runs.save_lost(self.db, run_id, RunStatus("failed", message=error.message))

    def _create(self, project_id: str, config: RunConfig) -> RunDir:
        project = projects.get_project(self.db, project_id)
        spec = new_run_spec(config, project, *snapshot(self.db, project_id))
        run = RunDir.create(self.runs_dir / spec.run_id, spec)
        runs.register_run(self.db, spec, run.path)
        return run

    def _start_worker(self, run_id: str, device: str) -> None:
        """Start a worker on a device, which the engine gives up for it if it is there."""
        is_shared = device == self.supervisor.devices.of_engine
        if is_shared:
            self.engine.hold()
        try:  # a new one has no checkpoint to go on from
            runner.start_worker(self.supervisor.run_dir(run_id), resume=True, device=device)
        except RunDirError:
            if is_shared:
                self.engine.let_go()
            raise
        self.supervisor.expect_run(run_id)

    # --- what came of it ---

    def history(self, project_id: str) -> list[RunSummary]:
        """Return the history, newest first, with dead workers shown as interrupted."""
        return [self._observed(run) for run in runs.list_runs(self.db, project_id)]

    def traits(self, project_id: str) -> dict[str, runs.RunTraits]:
        """Return the method, the ranking and the labels of each run of the history."""
        return runs.run_traits(self.db, project_id)

    def view(self, run_id: str) -> RunView:
        """Return a run with its events so far."""
        summary = self._observed(runs.get_run(self.db, run_id))
        run = self.supervisor.run_dir(run_id)
        events = tuple(runs.run_events(self.db, run_id))
        return RunView(
            summary=summary,
            config=runs.get_spec(self.db, run_id).config,
            events=events,
            eta_s=run_facts.eta_s(summary.status, events, self._expected_s(run_id)),
            log_tail=_tail(run.log_file) if summary.status.state in runner.RESUMABLE else "",
            num_ahead=self._num_ahead(summary),
        )

    def _num_ahead(self, summary: RunSummary) -> int | None:
        if not runner.is_waiting(summary.status):
            return None
        return _num_ahead(self.supervisor.line(), summary.run_id)

    def examples(self, run_id: str) -> list[BeforeAfter]:
        """Return one before/after example per held-out prompt, empty until the run has ended."""
        return runs.examples(self.db, run_id)

    def export_adapter(self, run_id: str, folder: Path) -> Path:
        """Make a zip file of a run's adapter, its card and its manifest, and return it."""
        name = f"adapter-{run_id}"
        with tempfile.TemporaryDirectory() as made:
            export_adapter(self.supervisor.run_dir(run_id), Path(made) / name)
            folder.mkdir(parents=True, exist_ok=True)
            return Path(shutil.make_archive(str(folder / name), "zip", made, name))

    def decisions(self, run_id: str) -> Decisions:
        """Return the tokens at which answers of the run's training pairs parted."""
        return decisions_of(self.db, runs.get_spec(self.db, run_id))

    def _observed(self, run: RunSummary) -> RunSummary:
        if run.status.state not in runner.ACTIVE:
            return run
        return dataclasses.replace(run, status=runner.observe(self.supervisor.run_dir(run.run_id)))

    def _measured_walls(self, project_id: str, config: RunConfig) -> list[float]:
        """Seconds of the newest finished runs with these very settings, whatever their seed."""
        history = runs.list_runs(self.db, project_id)
        finished = [run for run in history if run.result and run.preset == config.preset]
        walls = []
        for run in finished[:MOST_MEASURED_RUNS]:
            own = {"seed": config.seed, "prompt": config.prompt}
            if runs.get_spec(self.db, run.run_id).config.model_copy(update=own) == config:
                walls.append(run.result.wall_s if run.result else 0.0)
        return walls

    def _expected_s(self, run_id: str) -> float | None:
        """What a run's settings took before, looked up once for each run."""
        if run_id not in self._expected:
            summary = runs.get_run(self.db, run_id)
            config = runs.get_spec(self.db, run_id).config
            walls = self._measured_walls(summary.project_id, config)
            self._expected[run_id] = statistics.median(walls) if walls else None
        return self._expected[run_id]


def _num_ahead(line: Line, run_id: str) -> int | None:
    """How many runs have to end before this one begins; None for one that does not wait."""
    status = line.waiting.get(run_id)
    return line.num_ahead(status.device or "auto", run_id) if status else None


def _tail(log_file: Path) -> str:
    """The end of a log, as text."""
    if not log_file.exists():
        return ""
    with log_file.open("rb") as log:
        log.seek(max(0, log_file.stat().st_size - LOG_TAIL_BYTES))
        return log.read().decode(errors="replace")
