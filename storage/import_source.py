"""From a file to checked rows: read, renamed, recognised, checked."""

import itertools
from collections.abc import Callable, Collection, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from gem_backend.types import SkippedRow
from storage.import_chats import plain_texts
from storage.import_events import is_event, parse_event
from storage.import_files import read_rows
from storage.import_formats import find_format
from storage.import_grades import GradedAnswers, grading
from storage.import_names import rename
from storage.import_rows import ImportRow, RawRow, Refused, RowError, parse_row

_OWN = (
    ("preference pairs", frozenset({"chosen", "rejected"})),
    ("cases to judge", frozenset({"prompt", "answer_a", "answer_b"})),
    ("questions", frozenset({"prompt"})),
)


class CheckedRow(NamedTuple):
    """A good row and the line of the file that it comes from."""

    line: int
    row: ImportRow


def format_name(columns: Collection[str]) -> str | None:
    """Return what rows with these columns are taken for, None where they cannot be taken."""
    if is_event(columns):
        return "label log"
    if found := find_format(columns):
        return found.name
    if number := grading(columns):
        return {"grade": "graded answers", "rank": "ranked answers"}[number]
    return next((name for name, needed in _OWN if needed.issubset(columns)), None)


def checked_rows(
    path: Path,
    mapping: Mapping[str, str],
    columns: dict[str, None],
    skipped: Refused,
    on_row: Callable[[], object] = lambda: None,
    limit: int | None = None,
) -> Iterator[CheckedRow]:
    """Yield the good rows of a file and note the others.

    Args:
        path: the file or folder.
        mapping: from ``check_mapping``.
        columns: gets the file's column names, in order, as they are found.
        skipped: gets the rows that cannot be taken; a row is taken whole or not at all.
        on_row: called for every row that is read.
        limit: how many rows of the file are read; all of them by default.

    Raises:
        ImportFileError: nothing of the file can be read, or no more of it.
    """
    graded = GradedAnswers()

    def is_header(names: list[str]) -> bool:
        columns.update(dict.fromkeys(names))
        return format_name(rename(dict.fromkeys(names), mapping)) is not None

    for raw in itertools.islice(read_rows(path, is_header), limit):
        on_row()
        columns.update(dict.fromkeys(raw.values or ()))
        yield from _noted(raw, skipped, lambda raw: _rows(raw, mapping, graded))
    for raw in graded.judgements():
        yield from _noted(raw, skipped, lambda raw: [parse_row(_values(raw))])


def _noted(
    raw: RawRow, skipped: Refused, read: Callable[[RawRow], list[ImportRow]]
) -> list[CheckedRow]:
    try:
        return [CheckedRow(raw.line, row) for row in read(raw)]
    except RowError as error:
        skipped.add(SkippedRow(raw.line, str(error)))
        return []


def _rows(raw: RawRow, mapping: Mapping[str, str], graded: GradedAnswers) -> list[ImportRow]:
    """Return what a row says; a graded answer says nothing before the end of the file."""
    values = rename(_values(raw), mapping)
    if is_event(values):
        return [parse_event(values)]
    values = plain_texts(values)
    if found := find_format(values):
        return [parse_row(row) for row in found.read(values)]
    if grading(values):
        graded.add(raw.line, values)
        return []
    return [parse_row(values)]


def _values(raw: RawRow) -> Mapping[str, object]:
    if raw.values is None:
        raise RowError(raw.reason)
    return raw.values
