"""What other programs write for a number or a truth, where there is only one way to read it."""

_YES = ("true", "t", "yes", "y")
_NO = ("false", "f", "no", "n")


def whole_number(value: object) -> int | None:
    """Return a number without a fraction, as a number or a text; None for anything else.

    Columns with gaps hold ``2.0`` where ``2`` was meant.
    """
    if isinstance(value, bool):
        return None
    try:
        number = float(value.strip()) if isinstance(value, str) else value
    except ValueError:
        return None
    is_whole = isinstance(number, int) or (isinstance(number, float) and number.is_integer())
    return int(number) if is_whole else None  # type: ignore[call-overload] # a number, if whole


def yes_or_no(value: object) -> bool | None:
    """Return what a value says as a truth, in words or as 1 and 0; None where it says neither."""
    if isinstance(value, bool):
        return value
    word = str(value).strip().lower()
    if word in _YES or word in _NO:
        return word in _YES
    return {1: True, 0: False}.get(whole_number(value))  # type: ignore[arg-type] # None is no key


def is_missing(value: object) -> bool:
    """Whether a cell is empty: nothing, a blank text, or not a number, which tables put there."""
    return value is None or value != value or (isinstance(value, str) and not value.strip())
