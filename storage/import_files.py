"""Reading JSONL and CSV files row by row, with the line each row stands on; never a whole file."""

import csv
import json
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from storage.errors import ImportFileError
from storage.import_rows import RawRow
from storage.spreadsheet import unguard

MAX_LINE_BYTES = 16 * 2**20  # a hundred times the longest text that anybody reads
NOT_JSON = "This line is not valid JSON."
NOT_NAMED = "This line is not a JSON object with named values."

csv.field_size_limit(MAX_LINE_BYTES)  # the module's own limit is 128 KiB

_DELIMITERS = (",", ";", "\t")  # the second is what spreadsheets write in much of Europe


def read_rows(path: Path) -> Iterator[RawRow]:
    """Yield the rows of a file; ``.csv`` and ``.tsv`` are tables, all else has JSON on each line.

    Raises:
        ImportFileError: the file is missing, not UTF-8, has no usable header or a line without end.
    """
    is_table = path.suffix.lower() in (".csv", ".tsv")
    try:
        yield from _csv_rows(path) if is_table else _json_rows(path)
    except UnicodeDecodeError as error:
        raise ImportFileError(
            "The file is not UTF-8 text; save it as UTF-8 and import it again."
        ) from error
    except OSError as error:
        raise ImportFileError(f"The file {path.name} cannot be read: {error.strerror}.") from error


def _json_rows(path: Path) -> Iterator[RawRow]:
    with path.open("rb") as file:
        for number, line in enumerate(_lines(file), start=1):
            text = line.decode("utf-8-sig" if number == 1 else "utf-8")
            if text.strip():
                yield _json_row(number, text)


def _lines(file: IO[bytes]) -> Iterator[bytes]:
    for line in iter(lambda: file.readline(MAX_LINE_BYTES + 1), b""):
        if len(line) > MAX_LINE_BYTES:
            raise ImportFileError("A line of the file is longer than 16 MB; is it JSON Lines?")
        yield line


def _json_row(number: int, text: str) -> RawRow:
    try:
        values = json.loads(text)
    except (ValueError, RecursionError):
        return RawRow(number, None, NOT_JSON)
    if not isinstance(values, dict):
        return RawRow(number, None, NOT_NAMED)
    return RawRow(number, values)


def _csv_rows(path: Path) -> Iterator[RawRow]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        names, delimiter = _header(file.readline(MAX_LINE_BYTES))
        reader = csv.reader(file, delimiter=delimiter, strict=True)
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


def _header(line: str) -> tuple[list[str], str]:
    """Return the column names and the delimiter under which they are ours."""
    for delimiter in _DELIMITERS:
        try:
            names = next(csv.reader([line], delimiter=delimiter, strict=True), [])
        except csv.Error:
            continue
        names = [name.strip().lower() for name in names]
        if "prompt" in names:
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
