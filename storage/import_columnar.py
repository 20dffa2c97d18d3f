"""Reading parquet and Arrow files in batches, and the folders that ``datasets`` makes of them."""

from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from gem_backend.types import Split
from storage.errors import ImportFileError
from storage.import_rows import RawRow

SUFFIXES = (".parquet", ".arrow")
_BATCH = 500  # rows; the most that is in memory at once
_SPLITS: tuple[tuple[Split, tuple[str, ...]], ...] = (
    ("train", ("train",)),
    ("held_out", ("test", "validation", "valid", "val", "dev", "eval", "held_out")),
)


def columnar_rows(path: Path) -> Iterator[RawRow]:
    """Yield the rows of a parquet or Arrow file, counted from 1.

    Raises:
        ImportFileError: the file is damaged or something else.
        OSError: the file cannot be opened.
    """
    count = 0
    try:
        for batch in _parquet(path) if path.suffix.lower() == ".parquet" else _arrow(path):
            for values in batch.to_pylist():
                count += 1
                yield RawRow(count, values)
    except (pa.ArrowException, UnicodeDecodeError) as error:
        raise ImportFileError(
            f"The file {path.name} is damaged, or not a {path.suffix[1:]} file."
        ) from error


def folder_files(folder: Path) -> list[tuple[Path, Split | None]]:
    """Return a folder's files of rows in the order of their names, each with the split it names.

    Raises:
        ImportFileError: there is none.
    """
    found = sorted(
        path
        for path in folder.rglob("*")
        if path.suffix.lower() in (*SUFFIXES, ".jsonl")
        and not path.name.startswith(("cache-", "."))
    )
    if not found:
        raise ImportFileError(
            f"The folder {folder.name} has no parquet, Arrow or JSON Lines file in it."
        )
    return [(path, _split(path.relative_to(folder))) for path in found]


def _split(path: Path) -> Split | None:
    """Return the split that a file's name begins with, or a folder's above it."""
    for name in reversed(path.parts):
        for split, words in _SPLITS:
            if any(name.lower().split(".")[0].split("-")[0] == word for word in words):
                return split
    return None


def _parquet(path: Path) -> Iterator[pa.RecordBatch]:
    with pq.ParquetFile(path) as file:
        yield from file.iter_batches(batch_size=_BATCH)


def _arrow(path: Path) -> Iterator[pa.RecordBatch]:
    """Yield the batches of a stream, which ``datasets`` writes, or of a file."""
    with pa.memory_map(str(path)) as source:
        try:
            batches = iter(pa.ipc.open_stream(source))
        except pa.ArrowInvalid:
            file = pa.ipc.open_file(source)
            batches = (file.get_batch(place) for place in range(file.num_record_batches))
        for batch in batches:
            for start in range(0, batch.num_rows, _BATCH):
                yield batch.slice(start, _BATCH)
