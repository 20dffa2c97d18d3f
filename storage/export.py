"""Writing a project's labels to files under the field's column names."""

import contextlib
import tempfile
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from typing import Literal, get_args

from storage.database import Database
from storage.errors import ExportError
from storage.export_files import (
    pack,
    replacing,
    write_csv,
    write_folder,
    write_jsonl,
    write_parquet,
)
from storage.export_rows import COLUMNS, Contents, Rows, export_rows
from storage.import_events import LoggedEvent
from storage.projects import get_project

__all__ = ["COLUMNS", "Contents", "ExportFormat", "export_label_log", "export_pairs"]

ExportFormat = Literal["jsonl", "csv", "parquet", "hf", "zip"]

# An event of a log that came in goes out as it was: where it was first stored, was it imported?
_LOGGED = {"is_imported": "coalesce(was_imported, is_imported) AS is_imported"}
_LOG_COLUMNS = ", ".join(
    _LOGGED.get(field.name, f'"{field.name}"') for field in fields(LoggedEvent)
)
_SELECT_LOG = f"""
SELECT {_LOG_COLUMNS}
FROM label_events
JOIN (SELECT * EXCLUDE (created_at, seq) FROM pairs) AS pairs USING (pair_id)
JOIN (SELECT * EXCLUDE (created_at, seq) FROM prompts) AS prompts USING (prompt_id)
WHERE pairs.project_id = ? ORDER BY seq
"""  # noqa: S608 - our own text

_WORDS: dict[Contents, str] = {
    "trains": "Preference pairs from GEM Studio that a run would train on: for each the question, "
    "the better answer, which may be used, and the other one.",
    "labels": "Preference pairs from GEM Studio: for each judgement the question, the better and "
    "the other answer,\nthe verdict, how much better (1 to 3), why, in words and as reasons of a "
    "list, who judged, and if it\nmay be used.",
    "unjudged": "Cases from GEM Studio that nobody has judged, and questions without answers.",
}


def export_pairs(
    db: Database,
    project_id: str,
    path: Path,
    file_format: ExportFormat,
    contents: Contents = "labels",
) -> int:
    """Write what a project holds, in one piece.

    "labels" imported into an empty project makes the same labels, and what comes out of it again
    is the same; so with "unjudged" and the cases.

    Args:
        db: the open database.
        project_id: the project.
        path: the file to make or replace; for "hf" a folder that ``datasets.load_dataset`` reads.
        file_format: "jsonl", "csv" (formulas are made harmless), "parquet", "hf", or "zip", an
            archive of that folder.
        contents: see ``storage.export_rows.export_rows``.

    Returns:
        the number of rows.

    Raises:
        ExportError: format or contents are unknown, or the file cannot be written.
        NotFoundError: there is no such project.
    """
    project = get_project(db, project_id)
    for chosen, known in ((file_format, ExportFormat), (contents, Contents)):
        if chosen not in get_args(known):
            what = "formats" if known is ExportFormat else "contents"
            raise ExportError(f"Choose one of the {what} {', '.join(get_args(known))}.")
    rows = export_rows(db, project_id, contents)
    words = _WORDS[contents]
    with _said(path):
        if file_format == "hf":
            return write_folder(path, rows, project.name, words)
        path.parent.mkdir(parents=True, exist_ok=True)
        if file_format == "zip":
            with tempfile.TemporaryDirectory(dir=path.parent) as folder:
                count = write_folder(Path(folder), rows, project.name, words)
                pack(Path(folder), path)
                return count
        with replacing(path) as temporary:
            return _write(temporary, rows, file_format)


def _write(path: Path, rows: Rows, file_format: ExportFormat) -> int:
    batches = rows.batches(None)
    if file_format == "jsonl":
        return write_jsonl(path, batches)
    return (write_csv if file_format == "csv" else write_parquet)(path, rows.schema, batches)


def export_label_log(db: Database, project_id: str, path: Path) -> int:
    """Write every event of the label log as JSON Lines, in the order it was appended.

    Importing the file into an empty project restores the events and what holds now, and exporting
    that project gives the same bytes; who brought them there only that studio's own log says.

    Args:
        db: the open database.
        project_id: the project.
        path: the file to make or replace.

    Returns:
        the number of events.

    Raises:
        ExportError: the file cannot be written.
        NotFoundError: there is no such project.
    """
    get_project(db, project_id)
    with _said(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        with replacing(path) as temporary:
            return write_jsonl(temporary, db.arrow_batches(_SELECT_LOG, [project_id]))


@contextlib.contextmanager
def _said(path: Path) -> Iterator[None]:
    """Say in a sentence why a file cannot be written."""
    try:
        yield
    except OSError as error:
        raise ExportError(f"The file {path} cannot be written: {error.strerror}.") from error
