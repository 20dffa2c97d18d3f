"""The studio's use cases around runs: plan one, start and stop it, and read what came of it."""

import dataclasses
import statistics
import threading
from dataclasses import dataclass, field
from pathlib import Path

from app import run_facts
from app.records import AlignPlan, Decision, Decisions, LeftOut, RunView
from app.run_specs import device_words, new_run_spec, snapshot
from app.supervision import Supervisor
from gem_backend import runner
from gem_backend.config import RunConfig, preset_config
from gem_backend.engine import Device, Engine
from gem_backend.errors import RunDirError, TrainingError
from gem_backend.model_folder import has_chat_template, weight_bytes
from gem_backend.run_dir import RunDir
from gem_backend.training_data import TrainingData, split_training_data
from gem_backend.types import BeforeAfter, PreferencePair, Preset, RunSummary
from storage import branches, judgements, projects, runs
from storage.database import Database
from storage.training_counts import CountedTraining, count_training

LOG_TAIL_BYTES = 8000
MOST_MEASURED_RUNS = 9
MOST_DECISIONS = 20


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
            obstacle=counts.obstacle or self._busy_sentence(),
        )

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

    def _busy_sentence(self) -> str:
        if self.supervisor.active_runs():
            return "A run is going on; wait for it or stop it first."
        return ""

    # --- a run ---

    def start(self, project_id: str, config: RunConfig) -> str:
        """Start a detached run and return its id."""
        with self._start_lock:
            if obstacle := self._training_data(project_id).obstacle or self._busy_sentence():
                raise TrainingError(obstacle, "Run not started")
            run = self._create(project_id, config)
            self._start_worker(run, resume=False)
            return run.spec().run_id

    def stop(self, run_id: str) -> None:
        """Ask a run to save and stop."""
        self.supervisor.run_dir(run_id).request_stop()

    def resume(self, run_id: str) -> None:
        """Continue a stopped or interrupted run from its last checkpoint."""
        with self._start_lock:
            if busy := self._busy_sentence():
                raise TrainingError(busy, "Run not resumed")
            run = self.supervisor.run_dir(run_id)
            self._start_worker(run, resume=True)
            runs.ingest(self.db, run_id, run)

    def active(self, project_id: str) -> str | None:
        """Return the id of the project's run that is queued, running or stopping, else None."""
        active = set(self.supervisor.active_runs())
        history = runs.list_runs(self.db, project_id) if active else []
        return next((run.run_id for run in history if run.run_id in active), None)

    def _create(self, project_id: str, config: RunConfig) -> RunDir:
        project = projects.get_project(self.db, project_id)
        spec = new_run_spec(config, project, *snapshot(self.db, project_id))
        run = RunDir.create(self.runs_dir / spec.run_id, spec)
        runs.register_run(self.db, spec, run.path)
        return run

    def _start_worker(self, run: RunDir, *, resume: bool) -> None:
        """Start a worker on the device that the engine gives up for it."""
        self.engine.hold()
        try:
            runner.start_worker(run, resume=resume)
        except RunDirError:
            self.engine.let_go()
            raise
        self.supervisor.expect_run()

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
        )

    def examples(self, run_id: str) -> list[BeforeAfter]:
        """Return one before/after example per held-out prompt, empty until the run has ended."""
        return runs.examples(self.db, run_id)

    def decisions(self, run_id: str) -> Decisions:
        """Return the tokens at which answers of the run's training pairs parted."""
        spec = runs.get_spec(self.db, run_id)
        branched = branches.branched_pairs(self.db, spec.project_id)
        if not branched:
            return Decisions()
        train = split_training_data(spec.pairs, spec.pool).train
        found = [pair for pair in train if pair.pair_id in branched]
        shown = tuple(self._decision(pair) for pair in found[:MOST_DECISIONS])
        return Decisions(shown, len(found))

    def _decision(self, pair: PreferencePair) -> Decision:
        answers = (pair.chosen, pair.rejected)
        texts = [one.text_before for one in branches.origins(self.db, pair.pair_id) if one.branch]
        common = [text for text in texts if all(answer.startswith(text) for answer in answers)]
        before = max(common, key=len, default="")
        preferred, rejected = (answer[len(before) :] for answer in answers)
        return Decision(pair.prompt, before, preferred, rejected)

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


def _tail(log_file: Path) -> str:
    """The end of a log, as text."""
    if not log_file.exists():
        return ""
    with log_file.open("rb") as log:
        log.seek(max(0, log_file.stat().st_size - LOG_TAIL_BYTES))
        return log.read().decode(errors="replace")
