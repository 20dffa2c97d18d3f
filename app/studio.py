"""The one object that pages call: the studio's use cases over storage, engine and runs."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Literal, Self

from app.access import Access, for_admins
from app.demo_project import ensure_demo_project
from app.desks import audit
from app.desks.agreement import AgreementDesk, AgreementView
from app.desks.batch import BatchDesk, BatchState
from app.desks.calibration import CalibrationDesk
from app.desks.disputes import DisputesDesk, Said
from app.desks.drafts import DraftsDesk
from app.desks.imports import ImportDesk, look
from app.desks.meanings import Meanings, MeaningsDesk
from app.desks.priority import PriorityDesk, QueueOrder
from app.desks.raters import RatersDesk
from app.desks.rereading import Reading, RereadingDesk
from app.desks.reveals import RevealsDesk
from app.desks.runs import RunsDesk, StudioModel
from app.desks.sampling import SamplingDesk
from app.handed_out import HandedOut
from app.records import (
    AlignPlan,
    CalibrationView,
    Decisions,
    DisputedCase,
    FilePreview,
    Header,
    ImportState,
    LogAsked,
    LogPart,
    RunView,
    TaskState,
)
from app.supervision import Supervisor
from app.tasks import Tasks
from app.text import blind as text_blind
from app.text import imports as text_import
from app.text import local_time
from app.text.priority import ACTIVITY as ORDERING
from gem_backend.automation_bias import AutomationBias, Tau
from gem_backend.config import RunConfig, SamplingConfig, ScoringConfig
from gem_backend.engine import BUSY, Device, Engine, EngineConfig
from gem_backend.errors import EngineError
from gem_backend.model_folder import find_model, find_sentence_model
from gem_backend.types import (
    BeforeAfter,
    Branch,
    Candidate,
    Case,
    Comparison,
    LabelProgress,
    Preset,
    Project,
    Prompt,
    RankedCandidate,
    Rater,
    Role,
    RunSummary,
    Split,
)
from storage import (
    branches,
    candidates,
    export,
    orders,
    pairs,
    projects,
    recent,
    repeats,
    runs,
    turns,
)
from storage.branches import Origin
from storage.errors import EntryError, NotFoundError
from storage.opening import open_database
from storage.orders import AnswerOrder
from storage.pairs import Judgement
from storage.projects import FoundPrompts
from storage.recent import StoredLabel
from storage.runs import RunTraits
from storage.sides import case_for

DATABASE_FILE = "studio.duckdb"
MOST_PROMPTS = 200  # ours: in one list to choose from


class Studio:
    """Everything a page can ask for. Thread-safe; no method waits for a model.

    Args:
        data_dir: the folder that holds labels, runs and everything else; made if it is not there.
        model: "demo", a local model folder or a hub name.
        device: where the engine computes.
        trust_remote_code: run code that comes with the model.
        sentence_model: a folder with a model that groups answers by meaning; None for none.

    Raises:
        ModelLoadError: there is no such model folder, or no such sentence model.
        StorageError: the data folder is in use or cannot be opened.
    """

    def __init__(
        self,
        data_dir: Path,
        model: str = "demo",
        *,
        device: Device = "auto",
        trust_remote_code: bool = False,
        sentence_model: Path | None = None,
    ) -> None:
        source = find_model(model)
        if sentence_model is not None:
            sentence_model = find_sentence_model(sentence_model)
        is_folder = model != "demo" and isinstance(source, Path)
        self._model = str(Path(model).expanduser().resolve()) if is_folder else model
        self._exports_dir = data_dir / "exports"
        self._db = open_database(data_dir / DATABASE_FILE)
        ensure_demo_project(self._db)
        self.access = Access(self._db)
        self.drafts = DraftsDesk(self._db)
        self._handed_out = HandedOut()
        self._raters = RatersDesk(self._db, self.access)
        self._disputes = DisputesDesk(self._db, self.access)
        self._reveals = RevealsDesk(self._db)
        self._engine = Engine(EngineConfig(self._model, device, trust_remote_code, sentence_model))
        self._tasks = Tasks()
        self._agreement = AgreementDesk(self._db, self._tasks)
        self._supervisor = Supervisor(self._db, on_idle=self._take_device_back)
        self._runs = RunsDesk(
            self._db,
            self._engine,
            self._supervisor,
            StudioModel(self._model, source, device, trust_remote_code),
            data_dir / "runs",
        )
        self._sampling = SamplingDesk(self._db, self._engine, self._tasks)
        self._rereading = RereadingDesk(self._db, self._engine, self._tasks)
        self._meanings = MeaningsDesk(self._engine, self._tasks)
        self.has_sentence_model = sentence_model is not None
        self._batch = BatchDesk(self._db, self._sampling, self._tasks, self._model)
        self._calibration = CalibrationDesk(self._db, self._engine, self._tasks, self._model)
        self._imports = ImportDesk(self._db, self._tasks)
        self._priority = PriorityDesk(self._db, self._engine, self._tasks, self._calibration)
        self._supervisor.start()
        if self._supervisor.active_runs():
            self._engine.hold()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Let the engine and the database go; runs go on by themselves."""
        self._imports.close()
        self._batch.close()
        self.drafts.close()
        self._supervisor.close()
        self._engine.release()
        self._db.close()

    @property
    def _rater(self) -> str:
        return self.access.current().rater

    @property
    def model(self) -> str:
        """The name by which records know the studio's model."""
        return self._model

    def warm_up(self) -> None:
        """Load the model in the background, unless a run has the device."""
        if not self._supervisor.active_runs():
            self._tasks.start("engine", lambda _: self._engine.warm_up())

    def _take_device_back(self) -> None:
        self._engine.let_go()
        self.warm_up()

    # --- projects ---

    def projects(self) -> list[Project]:
        """Return all projects, the demo first."""
        return projects.list_projects(self._db)

    @for_admins
    def create_project(self, name: str) -> Project:
        """Make an empty project. Raises StorageError if the name is taken or empty."""
        return projects.create_project(self._db, name)

    def project(self, project_id: str) -> Project:
        """Return a project: its guidelines, its reasons."""
        return projects.get_project(self._db, project_id)

    @for_admins
    def update_project(  # noqa: PLR0913 - one for each thing that can be changed
        self,
        project_id: str,
        *,
        guidelines: str,
        reasons: Sequence[str],
        is_reason_required: bool,
        raters_per_case: int = 1,
        repeat_percent: int = 0,
        is_blind_first: bool = False,
    ) -> Project:
        """Change what raters are told and asked. Raises StorageError where that cannot be."""
        return projects.update_project(
            self._db,
            project_id,
            guidelines=guidelines,
            reasons=reasons,
            is_reason_required=is_reason_required,
            raters_per_case=raters_per_case,
            repeat_percent=repeat_percent,
            is_blind_first=is_blind_first,
        )

    def header(self, project_id: str) -> Header:
        """Return where the user is: project, model, adapter in use, rater, what runs now."""
        latest = next(iter(self.adapters(project_id)), None)
        model = "embedded demo model" if self._model == "demo" else Path(self._model).name
        return Header(
            project=projects.get_project(self._db, project_id).name,
            model=model,
            adapter=f"newest: run of {local_time(latest.created_at)}" if latest else "none yet",
            rater=self._rater,
            activity=self._activity(),
        )

    def _activity(self) -> str:
        active = self._supervisor.active_runs()
        if active:
            return self._supervisor.run_dir(active[0]).status().message or "A run is starting"
        if self._tasks.is_any_running("import "):
            return text_import.ACTIVITY
        if self._tasks.is_any_running("learn "):
            return "Learning from your labels"
        if self._tasks.is_any_running("order "):
            return ORDERING
        return "Sampling" if self._tasks.is_any_running("sample ") else ""

    # --- label ---

    def next_turn(self, project_id: str) -> turns.Turn:
        """Return the next case to label, skipped ones last and None at the end, and the counts.

        Now and then it is one that the rater has judged before.
        """
        rater = self._rater
        turn = self._handed_out.hand_out(
            project_id, rater, lambda held: turns.next_turn(self._db, project_id, rater, held)
        )
        repeat = turn.case and repeats.due_repeat(self._db, project_id, rater)
        return replace(turn, case=repeat) if repeat else turn

    def case(self, pair_id: str) -> Case:
        """Return a case as the rater sees it. Raises NotFoundError if there is none."""
        return self._shown(pairs.get_comparison(self._db, pair_id))

    def _shown(self, comparison: Comparison) -> Case:
        others = self._handed_out.by_others(comparison.project_id, self._rater)
        return case_for(self._db, comparison, self._rater, others)

    def save_label(self, case: Case, judgement: Judgement) -> bool:
        """Store a judgement (in terms of answers, not of sides) durably before returning.

        Returns:
            Whether it was stored: not where the rater has judged the case meanwhile.
        """
        return pairs.save_new_label(self._db, case, self._rater, judgement)

    def is_judged(self, case: Case) -> bool:
        """Whether a label of the rater's on a case holds; a repeat asks for a second one."""
        return pairs.is_judged(self._db, case, self._rater)

    def answers_to_order(self, case: Case) -> tuple[str, ...]:
        """Return the answers that the rater can put in order at once, the case's two among them.

        Empty where there are no more than those two, or the rater has judged them.
        """
        return orders.answers_to_order(self._db, case, self._rater)

    def save_order(self, case: Case, order: AnswerOrder) -> None:
        """Store an order of answers durably, as one decision with a label for every pair."""
        orders.save_order(self._db, case, self._rater, order)

    def skip_case(self, case: Case) -> None:
        """Put a case at the end of the queue."""
        pairs.skip(self._db, case, self._rater)

    def undo(self, project_id: str, pair_id: str | None = None) -> StoredLabel | None:
        """Withdraw the rater's label on a pair, or the last one; None where there is none."""
        label = recent.undo(self._db, project_id, self._rater, pair_id)
        if label is not None:
            self.hold(label.case)
        return label

    def hold(self, case: Case) -> None:
        """Note that the rater looks at this case now, so that nobody else is handed it."""
        self._handed_out.hold(self._rater, case)

    def called_case(self, project_id: str) -> Case | None:
        """Return the case that the rater asked for, once; None where they did not, or judged it."""
        case = self._handed_out.take_called(project_id, self._rater)
        if case is None or self.is_judged(case):
            return None
        self.hold(case)
        return case

    def recent_labels(self, project_id: str) -> list[StoredLabel]:
        """Return the rater's last ten labels that hold, the newest first."""
        return recent.recent_labels(self._db, project_id, self._rater)

    def label_progress(self, project_id: str) -> LabelProgress:
        """Return the counts of the queue."""
        return turns.label_progress(self._db, project_id, self._rater)

    def enter_pair(self, project_id: str, prompt: str, answer_a: str, answer_b: str) -> Case:
        """Store a typed pair, unless it is there, and return its case. Raises on empty texts."""
        comparison = pairs.add_comparison(self._db, project_id, prompt, answer_a, answer_b)
        return self._shown(comparison)

    def start_sampled_case(self, project_id: str, num_answers: int = 2) -> TaskState:
        """Begin sampling answers to a prompt; their pairs join the queue's front when done."""
        self._refuse_during_run()
        return self._sampling.start_case(project_id, num_answers)

    def sampled_case_state(self, project_id: str) -> TaskState:
        """Return how that sampling stands."""
        return self._sampling.case_state(project_id)

    # --- explore ---

    @for_admins
    def find_prompts(self, project_id: str, words: str = "") -> FoundPrompts:
        """Return a list of prompts that have these words to choose from, and how many there are."""
        return projects.find_prompts(self._db, project_id, words, MOST_PROMPTS)

    @for_admins
    def prompt(self, project_id: str, prompt_id: str) -> Prompt | None:
        """Return a prompt of the project; None where it has no such prompt."""
        prompt = projects.find_prompt(self._db, prompt_id)
        return prompt if prompt is not None and prompt.project_id == project_id else None

    @for_admins
    def prompt_counts(self, project_id: str) -> dict[Split, int]:
        """Return how many prompts the project has in each split."""
        return projects.count_prompts(self._db, project_id)

    def adapters(self, project_id: str) -> list[RunSummary]:
        """Return the runs whose adapter may be used on the studio's model, newest first."""
        return [run for run in runs.list_runs(self._db, project_id) if self._fits(run)]

    def _fits(self, run: RunSummary) -> bool:
        """Whether a run offers an adapter, and for this very model."""
        return _adapter_of(run) is not None and run.model == self._model

    @for_admins
    def start_sampling(
        self, prompt_id: str, config: SamplingConfig, adapter: str | None
    ) -> TaskState:
        """Begin sampling candidates for a prompt; ``adapter`` is a run id or None for the base."""
        self._refuse_during_run()
        prompt = projects.get_prompt(self._db, prompt_id)
        return self._sampling.start(prompt, config, self._adapter_dir(adapter))

    @for_admins
    def start_branch(
        self, point: Branch, alternative: int | None, config: SamplingConfig
    ) -> TaskState:
        """Begin to sample other ways to go on from a token, by the model that drew the candidate.

        Raises:
            EngineError: a run has the model now, or another model drew the candidate.
            NotFoundError: there is no such candidate, or its adapter is gone.
        """
        self._refuse_during_run()
        _, group = branches.group_of(self._db, point.parent_id)
        drawn_by = group.candidates[0].provenance
        if drawn_by.model != self._model:
            raise EngineError("Another model wrote this answer; start the studio with that one.")
        adapter_dir = self._adapter_dir(drawn_by.adapter)
        return self._sampling.start_branch(point, alternative, config, adapter_dir)

    @for_admins
    def stop_sampling(self, prompt_id: str) -> None:
        """End sampling for a prompt; what it drew so far is not kept."""
        self._sampling.stop(prompt_id)

    @for_admins
    def start_batch(
        self, project_id: str, config: SamplingConfig, adapter: str | None
    ) -> BatchState:
        """Begin to sample candidates for every prompt of a project that a model has not answered.

        Args:
            project_id: the project; its held-out prompts only where somebody has explored them.
            config: number, temperature and seed.
            adapter: a run id, or None for the base model.

        Raises:
            DataError: there is no such prompt.
            EngineError: a run has the model now.
            NotFoundError: that run offers no adapter for this model.
        """
        self._refuse_during_run()
        return self._batch.start(project_id, config, adapter, self._adapter_dir(adapter))

    @for_admins
    def stop_batch(self, project_id: str) -> None:
        """End that; the groups that are stored stay."""
        self._batch.stop(project_id)

    @for_admins
    def batch_state(self, project_id: str) -> BatchState:
        """Return how that stands, or how it ended."""
        return self._batch.state(project_id)

    @for_admins
    def batch_counts(self, project_id: str, adapter: str | None) -> tuple[int, int]:
        """Return how many prompts a model has answered, and how many a batch would see to."""
        return self._batch.counts(project_id, adapter)

    @for_admins
    def pair_candidates(self, first_id: str, second_id: str) -> Case:
        """Make a case of two candidates, first in the queue, that knows where they come from.

        Raises:
            EntryError: they are of two questions, or say the same.
            NotFoundError: there is no such candidate.
        """
        case = self._shown(branches.pair_candidates(self._db, first_id, second_id))
        if not self.is_judged(case):
            self._handed_out.call(self._rater, case)
        return case

    @for_admins
    def origins(self, pair_id: str) -> list[Origin]:
        """Return the candidates that a pair's answers are, and where they left others."""
        return branches.origins(self._db, pair_id)

    def sampling_state(self, prompt_id: str) -> TaskState:
        """Return how sampling for a prompt stands."""
        return self._sampling.state(prompt_id)

    @for_admins
    def candidates(self, prompt_id: str) -> list[Candidate]:
        """Return the newest group of candidates of a prompt, empty if none was sampled."""
        group = candidates.latest_group(self._db, prompt_id)
        return list(group.candidates) if group else []

    @for_admins
    def is_withheld(self, project_id: str, group: Sequence[Candidate]) -> bool:
        """Whether the machine's order of a group waits until who is there has put it in order."""
        return self._reveals.is_withheld(project_id, self._rater, group)

    @for_admins
    def reveal(
        self, project_id: str, ranked: Sequence[RankedCandidate], is_calibrated: bool
    ) -> Tau | None:
        """Return how far the viewer's own order agrees with one that is shown, None without one.

        Where the project asks experts to rank first, the first time is logged; then it raises
        NotFoundError where nobody sampled these candidates.
        """
        return self._reveals.reveal(project_id, self._rater, ranked, is_calibrated)

    @for_admins
    def call_group(self, group: Sequence[Candidate]) -> Case:
        """Make cases of a group's answers, and one of them the next on Label.

        Raises:
            EntryError: no two of them differ, or who is there has judged all of them.
        """
        for comparison in self._reveals.pair_answers(group):
            case = self._shown(comparison)
            if not self.is_judged(case):
                self._handed_out.call(self._rater, case)
                return case
        raise EntryError(text_blind.NOTHING_TO_ORDER)

    @for_admins
    def group_with(
        self, project_id: str, candidate_id: str
    ) -> tuple[Prompt, list[Candidate]] | None:
        """Return the prompt and the whole group of a candidate; None where the project has none."""
        try:
            prompt_id, group = branches.group_of(self._db, candidate_id)
        except NotFoundError:
            return None
        prompt = self.prompt(project_id, prompt_id)
        return (prompt, list(group.candidates)) if prompt else None

    @for_admins
    def start_rereading(
        self, project_id: str, group: Sequence[Candidate], adapter: str | None
    ) -> TaskState:
        """Begin to read a group's tokens as an adapter (a run id; None: the base model) does.

        Raises:
            EngineError: a run has the model now.
            NotFoundError: that run offers no adapter for this model.
        """
        self._refuse_during_run()
        return self._rereading.start(project_id, group, adapter, self._adapter_dir(adapter))

    @for_admins
    def rereading_state(self, group: Sequence[Candidate]) -> TaskState:
        """Return how that reading stands."""
        return self._rereading.state(group)

    @for_admins
    def reading(self, group: Sequence[Candidate]) -> Reading | None:
        """Return what was read of a group last, None where nothing was."""
        return self._rereading.reading(group)

    @for_admins
    def start_grouping(self, group: Sequence[Candidate]) -> TaskState:
        """Begin to group the answers of at least one candidate by what they say.

        Raises:
            EngineError: a run has the model now.
        """
        self._refuse_during_run()
        return self._meanings.start(group)

    @for_admins
    def grouping_state(self, group: Sequence[Candidate]) -> TaskState:
        """Return how that stands."""
        return self._meanings.state(group)

    @for_admins
    def meanings(self, group: Sequence[Candidate]) -> Meanings | None:
        """Return the groups that were found, None where nobody asked."""
        return self._meanings.meanings(group)

    def _adapter_dir(self, adapter: str | None) -> str | None:
        """The folder of a run's adapter; None for the base model."""
        if adapter is None:
            return None
        run = runs.get_run(self._db, adapter)
        if not self._fits(run):
            raise NotFoundError("That run has no adapter for this model.")
        return _adapter_of(run)

    @for_admins
    def start_calibration(self, project_id: str, adapter: str | None) -> TaskState:
        """Begin to learn from the project's comparisons how much each feature counts.

        The model scores every answer that was compared; held-out prompts are never among them.

        Args:
            project_id: the project.
            adapter: a run id, or None for the base model.

        Raises:
            EngineError: a run has the model now.
            NotFoundError: that run offers no adapter for this model.
        """
        self._refuse_during_run()
        return self._calibration.start(project_id, adapter, self._adapter_dir(adapter))

    @for_admins
    def calibration_state(self, project_id: str, adapter: str | None) -> TaskState:
        """Return how that learning stands."""
        return self._calibration.state(project_id, adapter)

    @for_admins
    def calibration(
        self, project_id: str, adapter: str | None, scoring: ScoringConfig | None = None
    ) -> CalibrationView:
        """Return what was learned last, fitted anew (without the model) for these weights of S."""
        return self._calibration.view(project_id, adapter, scoring or ScoringConfig())

    @for_admins
    def start_ordering(self, project_id: str, adapter: str | None) -> TaskState:
        """Begin to put the cases first about which the model is least sure.

        Args:
            project_id: the project.
            adapter: a run id, or None for the base model.

        Raises:
            DataError: no case waits for a label.
            EngineError: a run has the model now.
            NotFoundError: that run offers no adapter for this model.
        """
        self._refuse_during_run()
        return self._priority.start(project_id, adapter, self._adapter_dir(adapter))

    @for_admins
    def ordering_state(self, project_id: str) -> TaskState:
        """Return how that stands."""
        return self._priority.state(project_id)

    @for_admins
    def queue_order(self, project_id: str) -> QueueOrder | None:
        """Return the order of the cases that wait; None where they come as they were stored."""
        return self._priority.order(project_id)

    # --- align and results ---

    def preset(self, preset: Preset, seed: int = 0) -> RunConfig:
        """Return a preset's settings for the studio's model."""
        return self._runs.preset(preset, seed)

    @for_admins
    def plan(self, project_id: str, config: RunConfig) -> AlignPlan:
        """Return in numbers what a run with these settings would do."""
        return self._runs.plan(project_id, config)

    @for_admins
    def start_run(self, project_id: str, config: RunConfig) -> str:
        """Start a detached run and return its id; raises if one is active or pairs are too few."""
        return self._runs.start(project_id, config)

    @for_admins
    def stop_run(self, run_id: str) -> None:
        """Ask a run to save and stop."""
        self._runs.stop(run_id)

    @for_admins
    def resume_run(self, run_id: str) -> None:
        """Continue a stopped or interrupted run from its last checkpoint."""
        self._runs.resume(run_id)

    def active_run(self, project_id: str) -> str | None:
        """Return the id of the project's run that is queued, running or stopping, else None."""
        return self._runs.active(project_id)

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
    def decisions(self, run_id: str) -> Decisions:
        """Return the tokens at which answers of the run's training pairs parted."""
        return self._runs.decisions(run_id)

    def _refuse_during_run(self) -> None:
        if self._supervisor.active_runs():
            raise EngineError(BUSY, "Busy")

    # --- data ---

    @for_admins
    def preview_import(self, path: Path, mapping: Mapping[str, str] | None = None) -> FilePreview:
        """Return what the first rows of a file or folder would become, or why it cannot be read."""
        return look(path, mapping)

    @for_admins
    def start_import(
        self, project_id: str, path: Path, mapping: Mapping[str, str] | None = None
    ) -> ImportState:
        """Begin to import a file or folder. Raises EntryError while another import runs."""
        return self._imports.start(project_id, path, mapping or {}, self.access.current().rater)

    @for_admins
    def import_state(self, project_id: str) -> ImportState:
        """Return how the project's newest import stands, or how it ended."""
        return self._imports.state(project_id)

    @for_admins
    def stop_import(self, project_id: str) -> ImportState:
        """Ask the project's import to stop and store nothing."""
        return self._imports.stop(project_id)

    @for_admins
    def export_file(
        self,
        project_id: str,
        file_format: export.ExportFormat | Literal["log"],
        contents: export.Contents = "labels",
    ) -> Path:
        """Write what the project holds, or the whole label log, and return the file."""
        name = projects.get_project(self._db, project_id).name
        stem = "".join(c if c.isalnum() else "-" for c in name).strip("-").lower() or "project"
        folder = self._exports_dir / project_id  # names that differ may come to the same stem
        if file_format == "log":
            path = folder / f"{stem}-log.jsonl"
            export.export_label_log(self._db, project_id, path)
        else:
            name = stem if contents == "labels" else f"{stem}-{contents}"
            path = folder / f"{name}.{file_format}"
            export.export_pairs(self._db, project_id, path, file_format, contents)
        return path

    # --- raters ---

    @for_admins
    def agreement(self, project_id: str) -> AgreementView | None:
        """Return what the raters agree on, and what the labels give away.

        Of many labels it is worked out in the background: meanwhile what is known, None at first.
        """
        return self._agreement.view(project_id)

    @for_admins
    def known_agreement(self, project_id: str) -> AgreementView | None:
        """Return the figures that were worked out last."""
        return self._agreement.known(project_id)

    @for_admins
    def is_agreement_busy(self, project_id: str) -> bool:
        """Whether they are being worked out now."""
        return self._agreement.is_busy(project_id)

    @for_admins
    def automation_bias(self, project_id: str) -> tuple[AutomationBias, ...]:
        """Return what raters did to their orders once they had seen the machine's."""
        return self._reveals.automation_bias(project_id)

    @for_admins
    def disputes(self, project_id: str) -> list[DisputedCase]:
        """Return some cases on which raters differ, those that nobody settled first."""
        return self._disputes.cases(project_id)

    @for_admins
    def count_disputes(self, project_id: str) -> tuple[int, int]:
        """Return how many of all such cases are settled, and how many there are."""
        return self._disputes.counts(project_id)

    @for_admins
    def settle(self, case: Case, choice: str, strength: int, said: Said) -> None:
        """Store a final label: a side or word, how much, and what else was said."""
        self._disputes.settle(case, choice, strength, said)

    @for_admins
    def reopen_dispute(self, case: Case) -> bool:
        """Withdraw the final label of whoever is there; return whether there was one."""
        return self._disputes.reopen(case)

    @for_admins
    def read_log(self, project_id: str, asked: LogAsked, place: int = 0) -> LogPart:
        """Return a page of the label log, 0 for the newest. Raises DataError on a wrong day."""
        return audit.read_log(self._db, project_id, asked, place)

    @for_admins
    def raters(self) -> list[Rater]:
        """Return all accounts, the oldest first."""
        return self._raters.all()

    @for_admins
    def num_left_over_labels(self) -> int:
        """Return how many labels of the studio's one person nobody's account can reopen."""
        return self._raters.num_left_over()

    @for_admins
    def invite_rater(self, name: str, role: Role) -> tuple[Rater, str]:
        """Make or renew an account; its one-time password is returned once."""
        return self._raters.invite(name, role)

    @for_admins
    def remove_rater(self, name: str) -> Rater:
        """Close an account; what its owner said stays."""
        return self._raters.remove(name)

    def set_password(self, old: str, new: str) -> Rater:
        """Change the password of who is logged in."""
        return self._raters.set_password(old, new)


def _adapter_of(run: RunSummary) -> str | None:
    return run.result.adapter_dir if run.result else None
