"""Writing rows to files: JSON Lines, CSV, parquet, and folders as ``datasets`` reads them."""

import contextlib
import csv
import json
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from storage.export_rows import Batches, Rows
from storage.identity import new_id
from storage.reasons import join_reasons
from storage.spreadsheet import guard

_CARD = """---
configs:
- config_name: default
  data_files:
{files}---

# {name}

{words}
"""


def write_jsonl(path: Path, batches: Batches) -> int:
    """Write an object on each line and return their number."""
    count = 0
    with path.open("w", encoding="utf-8", newline="\n") as file:
        for batch in batches:
            file.writelines(json.dumps(row, ensure_ascii=False) + "\n" for row in batch.to_pylist())
            count += batch.num_rows
    return count


def write_csv(path: Path, schema: pa.Schema, batches: Batches) -> int:
    """Write a table in which no cell is a formula and return the number of rows."""
    count = 0
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, quoting=csv.QUOTE_ALL)
        writer.writerow(schema.names)
        for batch in batches:
            rows = batch.to_pylist()
            writer.writerows([_cell(row[name]) for name in schema.names] for row in rows)
            count += batch.num_rows
    return count


def _cell(value: object) -> object:
    text = join_reasons(value) if isinstance(value, list) else value
    return guard(text) if isinstance(text, str) else text


def write_parquet(path: Path, schema: pa.Schema, batches: Batches) -> int:
    """Write columns and return the number of rows."""
    count = 0
    with pq.ParquetWriter(path, schema, compression="zstd") as writer:
        for batch in batches:
            writer.write_table(pa.Table.from_batches([batch]).cast(schema))
            count += batch.num_rows
    return count


def write_folder(path: Path, rows: Rows, name: str, words: str) -> int:
    """Write one parquet file for each split, and a card that names those with rows.

    Args:
        path: the folder; other files in it stay.
        rows: what it holds.
        name: the project's, for the card.
        words: what the rows are, for the card.

    Returns:
        the number of rows.
    """
    (path / "data").mkdir(parents=True, exist_ok=True)
    counts = {}
    for split in rows.splits:
        with replacing(path / "data" / f"{split}.parquet") as temporary:
            counts[split] = write_parquet(temporary, rows.schema, rows.batches(split))
    files = "".join(
        f"  - split: {split}\n    path: data/{split}.parquet\n" for split in counts if counts[split]
    )
    with replacing(path / "README.md") as temporary:
        temporary.write_text(_CARD.format(files=files, name=name, words=words), encoding="utf-8")
    return sum(counts.values())


def pack(folder: Path, path: Path) -> None:
    """Put a folder's files into an archive; parquet is compressed already."""
    with replacing(path) as temporary, zipfile.ZipFile(temporary, "w") as archive:
        for file in sorted(folder.rglob("*")):
            if file.is_file():
                archive.write(file, file.relative_to(folder))


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Give a file beside ``path`` to write, then put it in its place, whole."""
    temporary = path.with_name(f".{path.name}.{new_id()}.tmp")  # two may write it at once
    try:
        yield temporary
        temporary.replace(path)
    finally:
        with contextlib.suppress(FileNotFoundError):
            temporary.unlink()
