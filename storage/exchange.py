"""Importing files: rows are staged in a table of their own, then stored, all of them or none.

What is there already is left as it is, so importing a file twice adds nothing.
"""

import contextlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict
from pathlib import Path

import pyarrow as pa

from gem_backend.types import ImportReport
from storage.database import Database
from storage.errors import ImportFileError, StorageError
from storage.identity import is_held_out, pair_id, prompt_id, utc_now
from storage.import_files import NOT_JSON, NOT_NAMED
from storage.import_names import check_mapping, missing_columns
from storage.import_rows import NO_PROMPT, Refused
from storage.import_source import CheckedRow, checked_rows
from storage.import_staging import Owner, drop_staging, enter_staging, new_staging, stagings
from storage.import_store import plan_storing, store_staged
from storage.projects import get_project

_BATCH = 500  # rows; the most that is in memory at once
_BATCH_CHARACTERS = 32 * 2**20  # and of their texts, but for one row

_STAGED = pa.schema(
    [
        ("place", pa.int64()),
        ("line", pa.int64()),
        ("prompt_id", pa.string()),
        ("pair_id", pa.string()),
        ("is_held_out", pa.bool_()),
        ("kind", pa.string()),
        ("prompt", pa.string()),
        ("answer_a", pa.string()),
        ("answer_b", pa.string()),
        ("verdict", pa.string()),
        ("strength", pa.int32()),
        ("is_acceptable", pa.bool_()),
        ("rationale", pa.string()),
        ("rater", pa.string()),
        ("split", pa.string()),
        ("gold_answer", pa.string()),
        ("reasons", pa.list_(pa.string())),
        ("event_id", pa.string()),
        ("event_kind", pa.string()),
        ("left", pa.string()),
        ("elapsed_s", pa.float64()),
        ("is_imported", pa.bool_()),
        ("logged_at", pa.string()),
        ("monotonic_s", pa.float64()),
        ("source", pa.string()),
        ("part_of", pa.string()),
        ("is_written", pa.bool_()),
        ("is_final", pa.bool_()),
    ]
)


def import_file(  # noqa: PLR0913 - the last three only the page and the command line give
    db: Database,
    project_id: str,
    path: Path,
    mapping: Mapping[str, str] | None = None,
    on_progress: Callable[[int, int], object] = lambda *_: None,
    is_cancelled: Callable[[], bool] = lambda: False,
    imported_by: str = "",
) -> ImportReport:
    """Import a file or folder; bad rows are left out and named, good ones are stored together.

    Args:
        db: the open database.
        project_id: the project that gets the rows.
        path: what ``storage.import_files.read_rows`` takes, in our columns or in one of
            ``storage.import_formats``.
        mapping: from their column names to ours; the other columns keep their names.
        on_progress: told now and then how many rows are read and 0; while they are stored, how
            much is done and of how much.
        is_cancelled: asked whether to stop, as often while rows are read; once they are being
            stored the import is certain.
        imported_by: who brings the file; every label that comes of it says so for ever.

    Raises:
        ImportFileError: nothing of the file can be read, the mapping does not fit it, or
            ``is_cancelled``; nothing is stored.
        NotFoundError: there is no such project.
    """
    progress = _Progress(on_progress, is_cancelled)
    renames = check_mapping(mapping or {})
    owner = Owner(project_id, imported_by, utc_now())
    skipped = Refused()
    with db.temporary_tables():
        # Reading may take minutes, in which others label: nobody waits for it.
        with new_staging(db, owner) as staging:
            get_project(db, project_id)
            columns: dict[str, None] = {}
            rows = checked_rows(path, renames, columns, skipped, progress.on_row)
            for batch in _batches(_staged_rows(project_id, rows)):
                progress.report()
                db.insert("staged", batch)
            progress.report()
            if missing := missing_columns(renames, columns):
                raise ImportFileError(f"The file has no column '{missing[0]}' to map.")
            _refuse_unreadable(db, skipped)
        try:
            plan = plan_storing(db, skipped)
            progress.report()
        except BaseException:
            with contextlib.suppress(StorageError):
                drop_staging(db, staging)
            raise
        report = store_staged(db, owner, plan, on_progress)
        drop_staging(db, staging)
        return report


def finish_imports(db: Database) -> None:
    """Store what a killed program had staged; before anybody else uses the database."""
    for name in stagings(db):
        with db.temporary_tables():
            owner = enter_staging(db, name)
            store_staged(db, owner, plan_storing(db, Refused()))
            drop_staging(db, name)


class _Progress:
    """Counts the rows that are read; tells and asks now and then."""

    def __init__(
        self, on_progress: Callable[[int, int], object], is_cancelled: Callable[[], bool]
    ) -> None:
        self._rows = 0
        self._on_progress = on_progress
        self._is_cancelled = is_cancelled

    def on_row(self) -> None:
        self._rows += 1
        if self._rows % _BATCH == 0:
            self.report()

    def report(self) -> None:
        if self._is_cancelled():
            raise ImportFileError("The import was stopped; nothing was stored.", "Import stopped")
        self._on_progress(self._rows, 0)


def _staged_rows(project_id: str, rows: Iterator[CheckedRow]) -> Iterator[dict[str, object]]:
    for place, (line, row) in enumerate(rows):
        key = prompt_id(project_id, row.prompt)
        has_answers = row.answer_a is not None and row.answer_b is not None
        yield {
            "place": place,
            "line": line,
            "prompt_id": key,
            "pair_id": pair_id(key, row.answer_a or "", row.answer_b or "")
            if has_answers
            else None,
            "is_held_out": is_held_out(row.prompt),
            **asdict(row),
            **(asdict(row.logged) if row.logged else {}),
        }


def _batches(rows: Iterator[dict[str, object]]) -> Iterator[pa.Table]:
    batch: list[dict[str, object]] = []
    characters = 0
    for row in rows:
        batch.append(row)
        characters += sum(len(value) for value in row.values() if isinstance(value, str))
        if len(batch) == _BATCH or characters > _BATCH_CHARACTERS:
            yield pa.Table.from_pylist(batch, schema=_STAGED)
            batch, characters = [], 0
    if batch:
        yield pa.Table.from_pylist(batch, schema=_STAGED)


def _refuse_unreadable(db: Database, skipped: Refused) -> None:
    """Raise if not one row was good and they all failed on the form of the file."""
    if db.count("SELECT count(*) FROM staged"):
        return
    reasons = {row.reason for row in skipped.rows}
    if not reasons:
        raise ImportFileError("The file is empty.")
    if reasons == {NOT_JSON}:
        raise ImportFileError("No line of the file is valid JSON; is it a JSON Lines file?")
    if reasons <= {NO_PROMPT, NOT_JSON, NOT_NAMED}:
        raise ImportFileError(
            "No row has a value 'prompt'; name the values prompt, chosen, rejected."
        )
