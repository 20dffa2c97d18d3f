"""The one object that pages call: the studio's use cases over storage, engine and runs."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Literal

from app.access import for_admins
from app.desks.imports import look
from app.records import (
    FilePreview,
    Header,
    ImportState,
    TaskState,
)
from app.studio_explore import ExploreUseCases
from app.studio_raters import RaterUseCases
from app.studio_runs import RunUseCases
from app.text import imports as text_import
from app.text import local_time
from app.text.priority import ACTIVITY as ORDERING
from gem_backend.types import (
    Case,
    LabelProgress,
    Project,
)
from storage import (
    export,
    orders,
    pairs,
    projects,
    recent,
    repeats,
    turns,
)
from storage.orders import AnswerOrder
from storage.pairs import Judgement
from storage.recent import StoredLabel


class Studio(ExploreUseCases, RunUseCases, RaterUseCases):
    """Everything a page can ask for. Thread-safe; no method waits for a model.

    Its arguments and errors are those of ``StudioBase``.
    """

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
        if at_work := self._supervisor.line().at_work:
            return next(iter(at_work.values())).message or "A run is starting"
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

    def save_label(self, case: Case, judgement: Judgement) -> bool:
        """Store a judgement (in terms of answers, not of sides) durably before returning.

        Returns:
            Whether it was stored: not where the rater has judged the case meanwhile.
        """
        return pairs.save_new_label(self._db, case, self._rater, judgement)

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
