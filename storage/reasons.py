"""A verdict's reasons in one cell of a table, and back, exactly."""

import json

_BETWEEN = "; "


def join_reasons(reasons: list[str]) -> str:
    """Return the reasons with semicolons between them, as a JSON list where one has its own."""
    joined = _BETWEEN.join(reasons)
    return joined if list(split_reasons(joined)) == reasons else json.dumps(reasons)


def split_reasons(cell: str) -> tuple[str, ...]:
    """Return the reasons that a cell names."""
    if cell.startswith("["):
        try:
            listed = json.loads(cell)
        except (ValueError, RecursionError):
            listed = None
        if isinstance(listed, list) and all(isinstance(reason, str) for reason in listed):
            return tuple(filter(None, listed))
    return tuple(filter(None, (reason.strip() for reason in cell.split(";"))))
