"""The one object that pages call: the studio's use cases over storage, engine and runs."""

import dataclasses
import secrets
import statistics
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Self

from app import run_facts
from app.demo_project import ensure_demo_project
from app.records import AlignPlan, Header, LeftOut, RunView, TaskState
from app.run_specs import device_words, new_run_spec, snapshot
from app.supervision import Supervisor
from app.tasks import Tasks
from app.text import local_time
from gem_backend import runner
from gem_backend.config import PromptConfig, RunConfig, SamplingConfig, ScoringConfig, preset_config
from gem_backend.engine import BUSY, Device, Engine, EngineConfig, OnProgress, SampleRequest
from gem_backend.errors import EngineError, RunDirError, TrainingError
from gem_backend.model_folder import find_model, has_chat_template, weight_bytes
from gem_backend.ranking import normalise_answer, rank_candidates
from gem_backend.run_dir import RunDir
from gem_backend.training_data import TrainingData, split_training_data
from gem_backend.types import (
    Answer,
    BeforeAfter,
    Candidate,
    Case,
    ImportReport,
    LabelProgress,
    Preset,
    Project,
    Prompt,
    RunSummary,
    Verdict,
)
from storage import candidates, exchange, export, pairs, projects, runs
from storage.database import Database
from storage.errors import EntryError, NotFoundError

RATER = "expert"  # one person, no login: the studio is on this machine alone
DATABASE_FILE = "studio.duckdb"
LOG_TAIL_BYTES = 8000
MOST_MEASURED_RUNS = 9
CASE_TEMPERATURES = (0.9, 1.2, 1.5)  # a model that is sure of its answer is asked more freely


class Studio:
    """Everything a page can ask for. Thread-safe; no method waits for a model.

    Args:
        data_dir: the folder that holds labels, runs and everything else; made if it is not there.
        model: "demo", a local model folder or a hub name.
        device: where the engine computes.
        trust_remote_code: run code that comes with the model.

    Raises:
        ModelLoadError: there is no such model folder.
        StorageError: the data folder is in use or cannot be opened.
    """

    def __init__(
        self,
        data_dir: Path,
        model: str = "demo",
        *,
        device: Device = "auto",
        trust_remote_code: bool = False,
    ) -> None:
        source = find_model(model)
        is_folder = model != "demo" and isinstance(source, Path)
        self._model = str(Path(model).expanduser().resolve()) if is_folder else model
        self._source = source
        self._device: Device = device
        self._trust_remote_code = trust_remote_code
        self._runs_dir = data_dir / "runs"
        self._exports_dir = data_dir / "exports"
        self._db = Database(data_dir / DATABASE_FILE)
        ensure_demo_project(self._db)
        self._engine = Engine(EngineConfig(self._model, device, trust_remote_code))
        self._tasks = Tasks()
        self._start_lock = threading.Lock()
        self._expected: dict[str, float | None] = {}
        self._supervisor = Supervisor(self._db, on_idle=self._take_device_back)
        self._supervisor.start()
        if self._supervisor.active_runs():
            self._engine.hold()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Let the engine and the database go; runs go on by themselves."""
        self._supervisor.close()
        self._engine.release()
        self._db.close()

    def warm_up(self) -> None:
        """Load the model in the background, unless a run has the device."""
        if not self._supervisor.active_runs():
            self._tasks.start("engine", lambda _: self._engine.warm_up())

    def _take_device_back(self) -> None:
        self._engine.let_go()
        self.warm_up()

    def _start(self, run: RunDir, *, resume: bool) -> None:
        """Start a worker on the device that the engine gives up for it."""
        self._engine.hold()
        try:
            runner.start_worker(run, resume=resume)
        except RunDirError:
            self._engine.let_go()
            raise
        self._supervisor.expect_run()

    # --- projects ---

    def projects(self) -> list[Project]:
        """Return all projects, the demo first."""
        return projects.list_projects(self._db)

    def create_project(self, name: str) -> Project:
        """Make an empty project. Raises StorageError if the name is taken or empty."""
        return projects.create_project(self._db, name)

    def header(self, project_id: str) -> Header:
        """Return where the user is: project, model, adapter in use, rater, what runs now."""
        latest = next(iter(self.adapters(project_id)), None)
        model = "embedded demo model" if self._model == "demo" else Path(self._model).name
        return Header(
            project=projects.get_project(self._db, project_id).name,
            model=model,
            adapter=f"newest: run of {local_time(latest.created_at)}" if latest else "none yet",
            rater=RATER,
            activity=self._activity(),
        )

    def _activity(self) -> str:
        active = self._supervisor.active_runs()
        if active:
            return self._supervisor.run_dir(active[0]).status().message or "A run is starting"
        return "Sampling" if self._tasks.is_any_running("sample ") else ""

    # --- label ---

    def next_case(self, project_id: str) -> Case | None:
        """Return the next case to label: skipped ones come back last; None when all are done."""
        return pairs.next_case(self._db, project_id, RATER)

    def save_label(
        self,
        case: Case,
        verdict: Verdict,
        *,
        strength: int = 1,
        rationale: str = "",
        elapsed_s: float | None = None,
    ) -> LabelProgress:
        """Store a verdict (already translated from side to answer) durably before returning."""
        judgement = pairs.Judgement(verdict, strength, True, rationale, elapsed_s)
        return pairs.save_label(self._db, case, RATER, judgement)

    def skip_case(self, case: Case) -> LabelProgress:
        """Put a case at the end of the queue."""
        return pairs.skip(self._db, case, RATER)

    def undo(self, project_id: str) -> Case | None:
        """Withdraw the rater's last label and return its case; None where there is none."""
        return pairs.undo(self._db, project_id, RATER)

    def label_progress(self, project_id: str) -> LabelProgress:
        """Return the counts of the queue."""
        return pairs.label_progress(self._db, project_id, RATER)

    def enter_pair(
        self, project_id: str, prompt: str, answer_a: str, answer_b: str, preferred: Answer | None
    ) -> Case:
        """Store a typed pair; with ``preferred`` it is labelled at once. Raises on empty texts."""
        comparison = pairs.add_comparison(self._db, project_id, prompt, answer_a, answer_b)
        case = pairs.show_case(comparison, RATER)
        if preferred is not None:
            answer = answer_a if preferred == "a" else answer_b
            # The pair may have been there already, with its answers the other way round.
            self.save_label(case, "a" if answer == comparison.answer_a else "b")
        return case

    def start_sampled_case(self, project_id: str) -> TaskState:
        """Begin sampling two answers for a prompt; they join the queue's front when done."""
        self._refuse_during_run()
        prompt = self._prompt_to_sample(project_id)

        def work(on_progress: OnProgress) -> None:
            for temperature in CASE_TEMPERATURES:
                config = SamplingConfig(
                    num_candidates=8, temperature=temperature, seed=secrets.randbits(32)
                )
                texts = _two_answers(self._sample(prompt, config, None, on_progress))
                if texts is not None:
                    pairs.add_comparison(self._db, project_id, prompt.prompt, *texts, "sampled")
                    return
            raise EngineError("The model gave the same answer every time; try once more.")

        return self._tasks.start(f"sample case {project_id}", work)

    def sampled_case_state(self, project_id: str) -> TaskState:
        """Return how that sampling stands."""
        return self._tasks.state(f"sample case {project_id}")

    def _prompt_to_sample(self, project_id: str) -> Prompt:
        prompt = projects.next_pool_prompt(self._db, project_id)
        if prompt is not None:
            return prompt
        prompts = [p for p in self.prompts(project_id) if p.split != "held_out"]
        if not prompts:
            raise EntryError("This project has no prompt yet; enter a pair or import some first.")
        return secrets.choice(prompts)

    # --- explore ---

    def prompts(self, project_id: str) -> list[Prompt]:
        """Return the project's prompts, held-out ones last."""
        return projects.list_prompts(self._db, project_id)

    def adapters(self, project_id: str) -> list[RunSummary]:
        """Return the runs whose adapter may be used on the studio's model, newest first."""
        return [run for run in runs.list_runs(self._db, project_id) if self._fits(run)]

    def _fits(self, run: RunSummary) -> bool:
        """Whether a run offers an adapter, and for this very model."""
        return _adapter_of(run) is not None and run.model == self._model

    def start_sampling(
        self, prompt_id: str, config: SamplingConfig, adapter: str | None
    ) -> TaskState:
        """Begin sampling candidates for a prompt; ``adapter`` is a run id or None for the base."""
        self._refuse_during_run()
        prompt = projects.get_prompt(self._db, prompt_id)
        if adapter is not None and not self._fits(runs.get_run(self._db, adapter)):
            raise NotFoundError("That run has no adapter for this model.")

        def work(on_progress: OnProgress) -> None:
            self._sample(prompt, config, adapter, on_progress)

        return self._tasks.start(f"sample {prompt_id}", work, config.num_candidates)

    def sampling_state(self, prompt_id: str) -> TaskState:
        """Return how sampling for a prompt stands."""
        return self._tasks.state(f"sample {prompt_id}")

    def candidates(self, prompt_id: str) -> list[Candidate]:
        """Return the newest group of candidates of a prompt, empty if none was sampled."""
        group = candidates.latest_group(self._db, prompt_id)
        return list(group.candidates) if group else []

    def _sample(
        self, prompt: Prompt, config: SamplingConfig, adapter: str | None, on_progress: OnProgress
    ) -> list[Candidate]:
        """Sample a group and keep it with its scores and the machine's order."""
        adapter_dir = _adapter_of(runs.get_run(self._db, adapter)) if adapter else None
        marker = projects.get_project(self._db, prompt.project_id).answer_marker
        request = SampleRequest(
            (prompt.prompt,), config, PromptConfig(answer_marker=marker), adapter_dir
        )
        group = self._engine.sample(request, on_progress)[0]
        scoring = ScoringConfig()
        ranked = rank_candidates(group, scoring)
        with self._db.transaction():
            group_id = candidates.save_group(self._db, prompt.prompt_id, group)
            candidates.save_scores(self._db, group_id, ranked, scoring)
            places = {one.candidate.candidate_id: one.rank for one in ranked}
            candidates.save_ranking(self._db, group_id, places)
        return group

    # --- align ---

    def preset(self, preset: Preset, seed: int = 0) -> RunConfig:
        """Return a preset's settings for the studio's model."""
        config = preset_config(preset, self._model, seed)
        where = {"device": self._device, "trust_remote_code": self._trust_remote_code}
        return config.model_copy(update=where)

    def plan(self, project_id: str, config: RunConfig) -> AlignPlan:
        """Return in numbers what a run with these settings would do."""
        data = self._training_data(project_id)
        walls = self._measured_walls(project_id, config)
        return AlignPlan(
            config=config,
            num_train=len(data.train),
            num_held_out=len(data.validation) + len(data.test),
            num_pool=len(data.prompts),
            left_out=tuple(LeftOut(reason, count) for reason, count in data.left_out),
            model_bytes=weight_bytes(self._source),
            device=device_words(config.device),
            example=self._example(data),
            expected_s=statistics.median(walls) if walls else None,
            expected_from_runs=len(walls),
            obstacle=data.obstacle or self._busy_sentence(),
        )

    def start_run(self, project_id: str, config: RunConfig) -> str:
        """Start a detached run and return its id; raises if one is active or pairs are too few."""
        with self._start_lock:
            if obstacle := self._training_data(project_id).obstacle or self._busy_sentence():
                raise TrainingError(obstacle, "Run not started")
            run = self._create_run(project_id, config)
            self._start(run, resume=False)
            return run.spec().run_id

    def stop_run(self, run_id: str) -> None:
        """Ask a run to save and stop."""
        self._supervisor.run_dir(run_id).request_stop()

    def resume_run(self, run_id: str) -> None:
        """Continue a stopped or interrupted run from its last checkpoint."""
        with self._start_lock:
            if busy := self._busy_sentence():
                raise TrainingError(busy, "Run not resumed")
            run = self._supervisor.run_dir(run_id)
            self._start(run, resume=True)
            runs.ingest(self._db, run_id, run)

    def active_run(self, project_id: str) -> str | None:
        """Return the id of the project's run that is queued, running or stopping, else None."""
        active = set(self._supervisor.active_runs())
        history = runs.list_runs(self._db, project_id) if active else []
        return next((run.run_id for run in history if run.run_id in active), None)

    def _create_run(self, project_id: str, config: RunConfig) -> RunDir:
        project = projects.get_project(self._db, project_id)
        spec = new_run_spec(config, project, *snapshot(self._db, project_id))
        run = RunDir.create(self._runs_dir / spec.run_id, spec)
        runs.register_run(self._db, spec, run.path)
        return run

    def _training_data(self, project_id: str) -> TrainingData:
        return split_training_data(*snapshot(self._db, project_id))

    def _example(self, data: TrainingData) -> str:
        if not data.train:
            return ""
        text = f"{data.train[0].prompt}\n{data.train[0].chosen}"
        if isinstance(self._source, Path) and has_chat_template(self._source):
            return f"(inside the model's own chat format)\n\n{text}"
        return text

    def _measured_walls(self, project_id: str, config: RunConfig) -> list[float]:
        """Seconds of the newest finished runs with these very settings, whatever their seed."""
        history = runs.list_runs(self._db, project_id)
        finished = [run for run in history if run.result and run.preset == config.preset]
        walls = []
        for run in finished[:MOST_MEASURED_RUNS]:
            own = {"seed": config.seed, "prompt": config.prompt}
            if runs.get_spec(self._db, run.run_id).config.model_copy(update=own) == config:
                walls.append(run.result.wall_s if run.result else 0.0)
        return walls

    def _expected_s(self, run_id: str) -> float | None:
        """What a run's settings took before, looked up once for each run."""
        if run_id not in self._expected:
            summary = runs.get_run(self._db, run_id)
            config = runs.get_spec(self._db, run_id).config
            walls = self._measured_walls(summary.project_id, config)
            self._expected[run_id] = statistics.median(walls) if walls else None
        return self._expected[run_id]

    def _busy_sentence(self) -> str:
        if self._supervisor.active_runs():
            return "A run is going on; wait for it or stop it first."
        return ""

    def _refuse_during_run(self) -> None:
        if self._supervisor.active_runs():
            raise EngineError(BUSY, "Busy")

    # --- results ---

    def runs(self, project_id: str) -> list[RunSummary]:
        """Return the history, newest first, with dead workers shown as interrupted."""
        return [self._observed(run) for run in runs.list_runs(self._db, project_id)]

    def run(self, run_id: str) -> RunView:
        """Return a run with its events so far."""
        summary = self._observed(runs.get_run(self._db, run_id))
        run = self._supervisor.run_dir(run_id)
        events = tuple(runs.run_events(self._db, run_id))
        return RunView(
            summary=summary,
            config=runs.get_spec(self._db, run_id).config,
            events=events,
            eta_s=run_facts.eta_s(summary.status, events, self._expected_s(run_id)),
            log_tail=_tail(run.log_file) if summary.status.state in runner.RESUMABLE else "",
        )

    def examples(self, run_id: str) -> list[BeforeAfter]:
        """Return one before/after example per held-out prompt, empty until the run has ended."""
        return runs.examples(self._db, run_id)

    def _observed(self, run: RunSummary) -> RunSummary:
        if run.status.state not in runner.ACTIVE:
            return run
        return dataclasses.replace(run, status=runner.observe(self._supervisor.run_dir(run.run_id)))

    # --- data ---

    def import_file(self, project_id: str, path: Path) -> ImportReport:
        """Import JSONL or CSV. Raises StorageError when the file as a whole cannot be read."""
        return exchange.import_file(self._db, project_id, path)

    def export_file(self, project_id: str, file_format: export.ExportFormat) -> Path:
        """Write the project's labelled pairs and return the file."""
        name = projects.get_project(self._db, project_id).name
        stem = "".join(c if c.isalnum() else "-" for c in name).strip("-").lower() or "project"
        path = self._exports_dir / f"{stem}.{file_format}"
        path.parent.mkdir(parents=True, exist_ok=True)
        export.export_pairs(self._db, project_id, path, file_format)
        return path


def _two_answers(group: Sequence[Candidate]) -> tuple[str, str] | None:
    """Two answers worth comparing: of different results if there are, else of different words."""
    first = group[0]
    others = [one for one in group if one.text.strip() and one.text != first.text]
    others.sort(key=lambda one: normalise_answer(one.answer) == normalise_answer(first.answer))
    return (first.text, others[0].text) if others and first.text.strip() else None


def _adapter_of(run: RunSummary) -> str | None:
    return run.result.adapter_dir if run.result else None


def _tail(log_file: Path) -> str:
    """The end of a log, as text."""
    if not log_file.exists():
        return ""
    with log_file.open("rb") as log:
        log.seek(max(0, log_file.stat().st_size - LOG_TAIL_BYTES))
        return log.read().decode(errors="replace")
