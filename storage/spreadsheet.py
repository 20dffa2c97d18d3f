"""Texts in CSV files that a spreadsheet would run as formulas, made harmless and back, exactly.

On the way out a text that begins with a formula character, after any number of apostrophes, gets
one more apostrophe in front. On the way in such a text loses an apostrophe if it begins with one.
So ``=1+1`` is written ``'=1+1``, ``'=1+1`` is written ``''=1+1``, and ``'tis`` stays as it is.
"""

import re

# OWASP's list of characters that start a formula, with the full-width ones; tab and line ends too.
_FORMULA = re.compile("'*[=+\\-@\t\r\n\uff1d\uff0b\uff0d\uff20]")


def guard(text: str) -> str:
    """Return the text as it may stand in a spreadsheet's cell."""
    return "'" + text if _FORMULA.match(text) else text


def unguard(cell: str) -> str:
    """Return the text of a cell that ``guard`` may have changed."""
    return cell[1:] if cell.startswith("'") and _FORMULA.match(cell) else cell
