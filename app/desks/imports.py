"""The studio's use cases around imports: a look at a file, then the import, in the background."""

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from app.records import FilePreview, ImportState, PreviewRow
from app.tasks import Tasks
from app.text import imports as say
from gem_backend.engine import OnProgress
from gem_backend.errors import DataError
from gem_backend.types import ImportReport
from storage import exchange
from storage.database import Database
from storage.errors import EntryError, ImportFileError
from storage.import_names import OUR_NAMES
from storage.import_preview import preview
from storage.import_rows import ImportRow

LONGEST_TEXT = 1000  # characters that a preview keeps of a text


@dataclass
class _Job:
    file: str
    stop: threading.Event = field(default_factory=threading.Event)
    report: ImportReport | None = None
    is_certain: bool = False  # its rows are being stored, and nothing stops it any more


class ImportDesk:
    """What ``Studio`` does about imports; thread-safe.

    Args:
        db: the open database.
        tasks: what runs in the background.
    """

    def __init__(self, db: Database, tasks: Tasks) -> None:
        self._db = db
        self._tasks = tasks
        self._jobs: dict[str, _Job] = {}
        self._lock = threading.RLock()

    def start(
        self, project_id: str, path: Path, mapping: Mapping[str, str], imported_by: str = ""
    ) -> ImportState:
        """Begin to import a file into a project, in somebody's name.

        Raises:
            EntryError: an import into this project is under way.
        """
        job = _Job(path.name)

        def work(on_progress: OnProgress) -> None:
            def tell(done: int, total: int) -> None:
                job.is_certain = job.is_certain or total > 0
                on_progress(done, total)

            job.report = exchange.import_file(
                self._db,
                project_id,
                path,
                mapping,
                on_progress=tell,
                is_cancelled=job.stop.is_set,
                imported_by=imported_by,
            )

        with self._lock:
            if self.state(project_id).is_under_way:
                raise EntryError(say.ANOTHER_RUNS, "One at a time")
            self._jobs[project_id] = job
            self._tasks.start(_task(project_id), work)
            return self.state(project_id)

    def state(self, project_id: str) -> ImportState:
        """Return how a project's newest import stands, or how it ended."""
        with self._lock:
            job = self._jobs.get(project_id)
            if job is None:
                return ImportState("idle")
            task = self._tasks.state(_task(project_id))
            if job.stop.is_set() and not job.is_certain and task.state in ("running", "failed"):
                is_ended = task.state == "failed"
                return ImportState("stopped" if is_ended else "stopping", job.file)
            return ImportState(
                task.state, job.file, task.done, job.report, task.error, stored_of=task.total
            )

    def stop(self, project_id: str) -> ImportState:
        """Ask a project's import to stop and store nothing; return how it stands.

        Where its rows are being stored already it goes on.
        """
        with self._lock:
            if self.state(project_id).is_under_way:
                self._jobs[project_id].stop.set()
            return self.state(project_id)

    def close(self) -> None:
        """Ask every import to stop."""
        with self._lock:
            for job in self._jobs.values():
                job.stop.set()


def look(path: Path, mapping: Mapping[str, str] | None) -> FilePreview:
    """Return what the first rows of a file or folder would become, or why nothing can.

    Args:
        path: the file or folder.
        mapping: from their column names to ours; None proposes one.
    """
    if not path.is_file() and not path.is_dir():  # a pipe would be waited for
        return FilePreview(path, problem=say.NOT_THERE)
    try:
        seen = preview(path, mapping)
    except ImportFileError as error:
        return FilePreview(path, problem=error.message)
    rows = tuple(map(_preview_row, seen.rows))
    mapping = dict(seen.mapping)
    return FilePreview(path, seen.format, seen.columns, mapping, rows, seen.problems, seen.num_rows)


def _preview_row(row: ImportRow) -> PreviewRow:
    texts = (row.prompt, row.answer_a, row.answer_b)
    prompt, answer_a, answer_b = (text and text[:LONGEST_TEXT] for text in texts)
    return PreviewRow(
        row.kind, prompt or "", answer_a, answer_b, row.verdict, row.strength, row.rater
    )


def chosen_columns(seen: FilePreview) -> dict[str, str]:
    """Return which column of a file is taken for which of ours: our name, then theirs."""
    own = {name: name for name in seen.columns if name in OUR_NAMES and name not in seen.mapping}
    return own | {ours: theirs for theirs, ours in seen.mapping.items() if ours}


def mapping_of(columns: Sequence[str], chosen: Mapping[str, str]) -> dict[str, str]:
    """Return the mapping that makes exactly the chosen columns ours.

    Args:
        columns: the file's.
        chosen: our name, then theirs; a column of the file that has our name and is not here is
            left out.

    Raises:
        DataError: one column is chosen for two of ours.
    """
    taken = list(chosen.values())
    for theirs in taken:
        if taken.count(theirs) > 1:
            raise DataError(say.chosen_twice(theirs))
    mapping = {theirs: ours for ours, theirs in chosen.items() if theirs != ours}
    left_out = (name for name in columns if name in OUR_NAMES and name not in taken)
    return mapping | dict.fromkeys(left_out, "")


def _task(project_id: str) -> str:
    return f"import {project_id}"
