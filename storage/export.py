"""Writing a project's labels to files under the field's column names."""

import contextlib
import csv
import json
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from typing import Literal, get_args

import pyarrow as pa
import pyarrow.parquet as pq

from storage.database import Database
from storage.errors import ExportError
from storage.identity import new_id
from storage.import_events import LoggedEvent
from storage.pairs import TRAINING_PAIRS
from storage.projects import get_project
from storage.reasons import join_reasons
from storage.spreadsheet import guard

ExportFormat = Literal["jsonl", "csv", "parquet", "hf"]

COLUMNS = (
    "prompt",
    "chosen",
    "rejected",
    "verdict",
    "strength",
    "rationale",
    "rater",
    "split",
    "gold_answer",
    "is_acceptable",
    "reasons",
)
_TYPES = {
    "strength": pa.int32(),
    "is_acceptable": pa.bool_(),
    "reasons": pa.list_(pa.string()),
}
# Two answers of which none is preferred have an order of their own, so that they come out alike
# whichever of them a pair was stored with in front.
_ANSWERS = {
    "chosen": "if(verdict = 'preferred', chosen, least(chosen, rejected)) AS chosen",
    "rejected": "if(verdict = 'preferred', rejected, greatest(chosen, rejected)) AS rejected",
}
_SELECT = f"""
SELECT {", ".join(_ANSWERS.get(name, name) for name in COLUMNS)} FROM ({TRAINING_PAIRS})
"""  # noqa: S608 - our own text

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

_CARD = """---
configs:
- config_name: default
  data_files:
{files}---

# {name}

Preference pairs from GEM Studio: for each judgement the question, the better and the other answer,
the verdict, how much better (1 to 3), why, in words and as reasons of a list, who judged, and if it
may be used.
"""


def export_pairs(db: Database, project_id: str, path: Path, file_format: ExportFormat) -> int:
    """Write every label that holds, of all raters and splits, in one piece.

    Args:
        db: the open database.
        project_id: the project.
        path: the file to make or replace; for "hf" a folder that ``datasets.load_dataset`` reads.
        file_format: "jsonl", "csv" (formulas are made harmless), "parquet" or "hf".

    Returns:
        the number of rows.

    Raises:
        ExportError: the format is unknown or the file cannot be written.
        NotFoundError: there is no such project.
    """
    project = get_project(db, project_id)
    if file_format not in get_args(ExportFormat):
        raise ExportError(f"Choose one of the formats {', '.join(get_args(ExportFormat))}.")
    try:
        if file_format == "hf":
            return _write_folder(db, project_id, path, project.name)
        path.parent.mkdir(parents=True, exist_ok=True)
        with _replacing(path) as temporary:
            return _WRITERS[file_format](temporary, _batches(db, project_id))
    except OSError as error:
        raise ExportError(f"The file {path} cannot be written: {error.strerror}.") from error


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
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with _replacing(path) as temporary:
            return _write_jsonl(temporary, db.arrow_batches(_SELECT_LOG, [project_id]))
    except OSError as error:
        raise ExportError(f"The file {path} cannot be written: {error.strerror}.") from error


def _batches(db: Database, project_id: str) -> Iterator[pa.RecordBatch]:
    return db.arrow_batches(_SELECT, [project_id])


def _write_jsonl(path: Path, batches: Iterator[pa.RecordBatch]) -> int:
    count = 0
    with path.open("w", encoding="utf-8", newline="\n") as file:
        for batch in batches:
            file.writelines(json.dumps(row, ensure_ascii=False) + "\n" for row in batch.to_pylist())
            count += batch.num_rows
    return count


def _write_csv(path: Path, batches: Iterator[pa.RecordBatch]) -> int:
    count = 0
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, quoting=csv.QUOTE_ALL)
        writer.writerow(COLUMNS)
        for batch in batches:
            writer.writerows(map(_cells, batch.to_pylist()))
            count += batch.num_rows
    return count


def _cells(row: dict[str, object]) -> list[object]:
    return [_cell(row[name]) for name in COLUMNS]


def _cell(value: object) -> object:
    text = join_reasons(value) if isinstance(value, list) else value
    return guard(text) if isinstance(text, str) else text


def _write_parquet(path: Path, batches: Iterator[pa.RecordBatch]) -> int:
    count = 0
    schema = pa.schema([(name, _TYPES.get(name, pa.string())) for name in COLUMNS])
    with pq.ParquetWriter(path, schema, compression="zstd") as writer:
        for batch in batches:
            writer.write_table(pa.Table.from_batches([batch]).cast(schema))
            count += batch.num_rows
    return count


_WRITERS = {"jsonl": _write_jsonl, "csv": _write_csv, "parquet": _write_parquet}


def _write_folder(db: Database, project_id: str, path: Path, name: str) -> int:
    """Write one parquet file for each split that has rows, and the card that names them."""
    (path / "data").mkdir(parents=True, exist_ok=True)
    counts = {}
    for split in ("train", "held_out"):
        batches = db.arrow_batches(_SELECT + " WHERE split = ?", [project_id, split])
        with _replacing(path / "data" / f"{split}.parquet") as temporary:
            counts[split] = _write_parquet(temporary, batches)
    files = "".join(
        f"  - split: {split}\n    path: data/{split}.parquet\n" for split in counts if counts[split]
    )
    with _replacing(path / "README.md") as temporary:
        temporary.write_text(_CARD.format(files=files, name=name), encoding="utf-8")
    return sum(counts.values())


@contextlib.contextmanager
def _replacing(path: Path) -> Iterator[Path]:
    """Give a file beside ``path`` to write, then put it in its place, whole."""
    temporary = path.with_name(f".{path.name}.{new_id()}.tmp")  # two may write it at once
    try:
        yield temporary
        temporary.replace(path)
    finally:
        with contextlib.suppress(FileNotFoundError):
            temporary.unlink()
