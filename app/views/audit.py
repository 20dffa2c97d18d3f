"""A page of the label log as HTML; whatever people wrote is text."""

from html import escape

from app.records import LogLine, LogPart
from app.text import audit as say
from app.text import shortened
from app.views import tables

_DASH = "\N{EN DASH}"


def log_html(part: LogPart) -> str:
    """Return which events these are, and one row for each."""
    if not part.lines:
        return tables.empty(say.NONE)
    place = say.place_words(part.first, part.first + len(part.lines) - 1, part.total)
    table = tables.table("gem-log", say.HEAD, map(_row, part.lines), say.CAPTION)
    return f'<p class="gem-quiet" role="status">{place}</p>{table}'


def _row(line: LogLine) -> str:
    notes = "".join(_hint(note) for note in line.notes)
    return (
        f'<tr><td class=gem-num>{escape(line.moment)}</td><th scope="row">{escape(line.rater)}</th>'
        f"<td>{escape(line.done)}{notes}</td><td>{_case(line)}</td>"
        f"<td>{_said(line.before)}</td><td>{_said(line.after)}</td></tr>"
    )


def _case(line: LogLine) -> str:
    """The beginning of the question; all of it and both answers behind a fold."""
    texts = ((say.ANSWER_A, line.answer_a), (say.ANSWER_B, line.answer_b))
    answers = "".join(f"<dt>{name}</dt><dd dir=auto>{escape(text)}</dd>" for name, text in texts)
    question = shortened(line.prompt)
    whole = f"<p dir=auto>{escape(line.prompt)}</p>" if question != line.prompt.strip() else ""
    return (
        f"<details><summary dir=auto>{escape(question) or _DASH}</summary>"
        f"{whole}<dl>{answers}</dl></details>"
    )


def _said(words: tuple[str, str]) -> str:
    verdict, more = words
    return escape(verdict) + (_hint(more) if more else "")


def _hint(words: str) -> str:
    return f'<span class="gem-hint" dir=auto>{escape(words)}</span>'
