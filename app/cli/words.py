"""What a command found, in words for a terminal: the same facts as its JSON, a line for each."""

from collections.abc import Mapping, Sequence

_MARKS = {"ok": "ok       ", "note": "note     ", "problem": "PROBLEM  "}


def in_words(result: Mapping[str, object]) -> str:
    """Return a result's facts by name; rows become a table below their name.

    Args:
        result: what a command returns, its keys as in the JSON.
    """
    return "\n".join(_fact(name, value) for name, value in result.items())


def findings_in_words(result: Mapping[str, object]) -> str:
    """Return the doctor's findings, a sentence for each."""
    rows = result["findings"]
    assert isinstance(rows, Sequence)
    lines = [_MARKS[row["state"]] + row["text"] for row in rows]
    end = (
        "Nothing is missing." if result["ok"] else "Mend what is marked PROBLEM, then start again."
    )
    return "\n".join([*lines, end])


def _fact(name: str, value: object) -> str:
    label = name.replace("_", " ")
    if isinstance(value, Mapping):
        return f"{label}: " + ", ".join(f"{key} {_cell(item)}" for key, item in value.items())
    if isinstance(value, (list, tuple)):
        return "\n".join([f"{label}: {len(value)}", *_table(value)])
    return f"{label}: {_cell(value)}"


def _table(rows: Sequence[object]) -> list[str]:
    """Return rows as lines, the columns of records aligned under their names."""
    records = [row for row in rows if isinstance(row, Mapping)]
    if len(records) < len(rows) or not records:
        return [f"  {_cell(row)}" for row in rows]
    cells = [list(records[0]), *([_cell(item) for item in row.values()] for row in records)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    return ["  " + "  ".join(map(str.ljust, row, widths)).rstrip() for row in cells]


def _cell(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.4g}"
    return "none" if value is None else str(value).replace("\n", "\\n")
