"""Reading files row by row, with the line each row stands on."""

import csv
import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, AnyStr

from storage.errors import ImportFileError
from storage.import_archive import SUFFIX, unpacked
from storage.import_columnar import SUFFIXES, columnar_rows, folder_files
from storage.import_rows import RawRow
from storage.spreadsheet import unguard

MAX_LINE_BYTES = 16 * 2**20  # a hundred times the longest text that anybody reads
MAX_LIST_BYTES = 64 * 2**20  # a list is in memory as a whole, as text
NOT_JSON = "This line is not valid JSON."
NOT_NAMED = "This line is not a JSON object with named values."

csv.field_size_limit(MAX_LINE_BYTES)  # the module's own limit is 128 KiB

TABLES = (".csv", ".tsv")
IsHeader = Callable[[list[str]], bool]

_DECODER = json.JSONDecoder()
_BLANK = re.compile(r"[\s,]*")
_DELIMITERS = (",", ";", "\t")  # the second is what spreadsheets write in much of Europe


def has_prompt(names: list[str]) -> bool:
    """Whether a table's columns are ours."""
    return "prompt" in names


def read_rows(path: Path, is_header: IsHeader = has_prompt) -> Iterator[RawRow]:
    """Yield the rows of a file or of a folder's files.

    Args:
        path: ``.csv`` and ``.tsv`` are tables, ``.json`` may be one list, ``.parquet`` and
            ``.arrow`` are columns, a folder or a ``.zip`` of it holds such files; all else has
            JSON on each line. In a folder, rows are counted on from file to file, and files name
            the split.
        is_header: whether column names are those of a table that can be used.

    Raises:
        ImportFileError: the file is missing, not UTF-8, has no usable header or a line without end.
    """
    try:
        if path.suffix.lower() == SUFFIX and path.is_file():
            with unpacked(path) as folder:
                yield from _folder_rows(folder)
        else:
            yield from _folder_rows(path) if path.is_dir() else _file_rows(path, is_header)
    except UnicodeDecodeError as error:
        raise ImportFileError(
            "The file is not UTF-8 text; save it as UTF-8 and import it again."
        ) from error
    except OSError as error:
        raise ImportFileError(f"The file {path.name} cannot be read: {error.strerror}.") from error


def _file_rows(path: Path, is_header: IsHeader) -> Iterator[RawRow]:
    suffix = path.suffix.lower()
    if suffix in TABLES:
        return _csv_rows(path, is_header)
    if suffix in SUFFIXES:
        return columnar_rows(path)
    if suffix == ".json" and _is_list(path):
        return _list_rows(path)
    return _json_rows(path)


def _folder_rows(folder: Path) -> Iterator[RawRow]:
    count = 0
    for path, split in folder_files(folder):
        for row in _file_rows(path, has_prompt):
            count += 1
            named = {} if split is None else {"split": split}
            yield RawRow(count, row.values and {**named, **row.values}, row.reason)


def _is_list(path: Path) -> bool:
    """Whether the file is one JSON list rather than JSON on each line."""
    with path.open("rb") as file:
        return file.read(4096).decode("utf-8-sig", "ignore").lstrip().startswith("[")


def _list_rows(path: Path) -> Iterator[RawRow]:
    """Yield a list's objects one by one, each on the line on which it begins."""
    if path.stat().st_size > MAX_LIST_BYTES:
        raise ImportFileError(
            "The JSON list is larger than 64 MB; save it as JSON Lines, an object on each line."
        )
    text = path.read_text("utf-8-sig")
    place, counted, line = text.index("[") + 1, 0, 1
    while True:
        place = _BLANK.match(text, place).end()  # type: ignore[union-attr] # matches anywhere
        line, counted = line + text.count("\n", counted, place), place
        if text.startswith("]", place):
            return
        try:
            values, place = _DECODER.raw_decode(text, place)
        except (ValueError, RecursionError) as error:
            raise ImportFileError(f"The list is no longer valid JSON on line {line}.") from error
        yield _named_row(line, values)


def _json_rows(path: Path) -> Iterator[RawRow]:
    with path.open("rb") as file:
        for number, line in enumerate(_lines(file), start=1):
            text = line.decode("utf-8-sig" if number == 1 else "utf-8")
            if text.strip():
                yield _json_row(number, text)


def _lines(file: IO[AnyStr]) -> Iterator[AnyStr]:
    while line := file.readline(MAX_LINE_BYTES + 1):
        if len(line) > MAX_LINE_BYTES:
            raise ImportFileError(
                "A line of the file is longer than 16 MB; each row needs a line of its own."
            )
        yield line


def _json_row(number: int, text: str) -> RawRow:
    try:
        values = json.loads(text)
    except (ValueError, RecursionError):
        return RawRow(number, None, NOT_JSON)
    return _named_row(number, values)


def _named_row(number: int, values: object) -> RawRow:
    if not isinstance(values, dict):
        return RawRow(number, None, NOT_NAMED)
    return RawRow(number, values)


def _csv_rows(path: Path, is_header: IsHeader) -> Iterator[RawRow]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        names, delimiter = _header(file.readline(MAX_LINE_BYTES), is_header)
        reader = csv.reader(_lines(file), delimiter=delimiter, strict=True)
        while True:
            number = reader.line_num + 2  # after the header, where the row begins
            try:
                cells = next(reader)
            except StopIteration:
                return
            except csv.Error as error:
                yield RawRow(number, None, _csv_reason(str(error)))
                continue
            if cells:
                yield _csv_row(number, names, cells)


def _header(line: str, is_header: IsHeader) -> tuple[list[str], str]:
    """Return the column names and the delimiter under which they can be used."""
    for delimiter in _DELIMITERS:
        try:
            names = next(csv.reader([line], delimiter=delimiter, strict=True), [])
        except csv.Error:
            continue
        names = [name.strip().lower() for name in names]
        if is_header(names):
            _refuse_doubles(names)
            return names, delimiter
    if not line.strip():
        raise ImportFileError("The file is empty.")
    raise ImportFileError(
        "The first line has no column 'prompt'; name the columns prompt, chosen, rejected."
    )


def _refuse_doubles(names: list[str]) -> None:
    doubles = {name for name in names if name and names.count(name) > 1}
    if doubles:
        raise ImportFileError(f"The first line names the column '{min(doubles)}' twice.")


def _csv_reason(message: str) -> str:
    if "unexpected end of data" in message:
        return "A quotation mark on this line is never closed."
    if "field larger" in message:
        return "A text is longer than 16 MB; is a quotation mark missing?"
    return "A quotation mark stands in the wrong place."


def _csv_row(number: int, names: list[str], cells: list[str]) -> RawRow:
    if len(cells) != len(names):
        return RawRow(
            number, None, f"This row has {len(cells)} cells, but the first line names {len(names)}."
        )
    return RawRow(
        number, {name: unguard(cell) for name, cell in zip(names, cells, strict=True) if cell}
    )
