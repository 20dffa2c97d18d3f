"""What an import would do, from the first rows of a file; nothing is stored."""

import itertools
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from gem_backend.types import SkippedRow
from storage.errors import ImportFileError
from storage.import_files import read_rows
from storage.import_grades import is_alone
from storage.import_names import check_mapping, propose_mapping, rename
from storage.import_rows import ImportRow, Refused
from storage.import_source import checked_rows, format_name

_WITHOUT_GUESSES = ("preference pairs", "cases to judge", "questions", None)


@dataclass(frozen=True, slots=True)
class ImportPreview:
    """The first rows of a file as they would be imported.

    ``format`` is what the file is taken for under ``mapping``, None if its columns say nothing.
    ``mapping`` goes from their names to ours; it is a proposal where none was given. ``num_rows``
    of the file were looked at.
    """

    format: str | None
    columns: tuple[str, ...]
    mapping: Mapping[str, str]
    rows: tuple[ImportRow, ...]
    problems: tuple[SkippedRow, ...]
    num_rows: int = 0


def preview(path: Path, mapping: Mapping[str, str] | None = None, rows: int = 20) -> ImportPreview:
    """Look at the first rows of a file or folder.

    Args:
        path: what ``storage.exchange.import_file`` takes.
        mapping: from their column names to ours; None proposes one, empty renames nothing.
        rows: how many rows of the file are looked at, and are shown at most.

    Raises:
        ImportFileError: nothing of the file can be read, or the mapping names no column of ours.
    """
    columns = _columns(path, rows)
    if mapping is None:
        mapping = _proposal(columns)
    renames = check_mapping(mapping)
    problems = Refused()
    shown: list[ImportRow] = []
    looked_at = itertools.count()
    try:
        checked = checked_rows(path, renames, {}, problems, lambda: next(looked_at), limit=rows)
        shown = [row for _, row in itertools.islice(checked, rows)]
    except ImportFileError as error:
        problems.add(SkippedRow(1, error.message))
    return ImportPreview(
        format_name(rename(dict.fromkeys(columns), renames)),
        columns,
        mapping,
        tuple(shown),
        tuple(problem for problem in problems.rows if not is_alone(problem.reason)),
        num_rows=next(looked_at),
    )


def _proposal(columns: Collection[str]) -> dict[str, str]:
    is_known = format_name(columns) not in _WITHOUT_GUESSES
    return {} if is_known else propose_mapping(columns)


def _columns(path: Path, rows: int) -> tuple[str, ...]:
    """Return the names that the first rows have; a table's header may be any line of names."""
    columns: dict[str, None] = {}
    for names in _names(path, rows, columns):
        columns.update(dict.fromkeys(names))
    return tuple(columns)


def _names(path: Path, rows: int, columns: dict[str, None]) -> Iterator[Collection[str]]:
    def is_header(names: list[str]) -> bool:
        is_usable = len(names) > 1
        columns.update(dict.fromkeys(names if is_usable else ()))
        return is_usable

    for raw in itertools.islice(read_rows(path, is_header), rows):
        yield raw.values or ()
