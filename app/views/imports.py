"""A file that comes in, as HTML: what it would become, how far it is read, what became of it."""

from collections.abc import Iterable, Sequence
from html import escape

from app.records import FilePreview, ImportState, PreviewRow
from app.text import imports as say
from app.views import tables
from gem_backend.types import ImportReport, SkippedRow

LONGEST_TEXT = 160  # characters of an answer, enough to see whether it is in its place


def preview_html(seen: FilePreview) -> str:
    """Return what a file is taken for and what its first rows would become, or why nothing can."""
    if seen.problem:
        return problem_html(seen.problem)
    parts = [f'<p role="status" class="gem-state">{escape(_taken_for(seen))}</p>']
    if seen.rows:
        rows = (_preview_row(row) for row in seen.rows)
        parts.append(tables.table("gem-preview", say.PREVIEW_HEAD, rows, say.PREVIEW_TITLE))
    if seen.refused and seen.format is not None:
        parts.append(f'<h3 class="gem-subtitle">{say.REFUSED_TITLE}</h3>')
        parts.append(_refused(seen.refused))
    return "".join(parts)


def _taken_for(seen: FilePreview) -> str:
    if seen.format is None:
        return say.UNKNOWN
    words = f"Recognised: {say.FORMATS.get(seen.format, seen.format)}."
    if not seen.rows and seen.refused:
        return f"{words} {say.NONE_GOOD}"
    return f"{words} {say.looked_at(seen.num_rows)}"


def _preview_row(row: PreviewRow) -> str:
    texts = "".join(f"<td>{_short(text)}</td>" for text in (row.prompt, row.answer_a, row.answer_b))
    verdict = say.VERDICTS[row.verdict] if row.verdict else say.KINDS[row.kind]
    strength = say.STRENGTHS[row.strength] if row.verdict in ("a", "b") else say.NOTHING
    rater = _short(row.rater if row.kind in ("label", "event") else None)
    return f"<tr>{texts}<td>{verdict}</td><td>{strength}</td><td>{rater}</td></tr>"


def _short(text: str | None) -> str:
    """Return the beginning of a text as one line of HTML."""
    if text is None:
        return say.NOTHING
    line = " ".join(text.split())
    shown = line if len(line) <= LONGEST_TEXT else f"{line[:LONGEST_TEXT]} …"
    return f'<span dir="auto">{escape(shown)}</span>'


def problem_html(sentence: str) -> str:
    """Return why a file cannot be used."""
    return f'<div class="gem-notice" role="alert"><p>{escape(sentence)}</p></div>'


def progress_html(state: ImportState) -> str:
    """Return how far an import is; empty where none is under way."""
    if not state.is_under_way:
        return ""
    if state.state == "stopping":
        words = say.STOPPING
    elif state.stored_of:
        words = say.storing(state.file, state.rows, state.stored_of)
    else:
        words = say.rows_read(state.file, state.rows)
    return f'<p class="gem-state">{escape(words)}</p>'


def busy_html() -> str:
    """Return a bar that only says that something is under way: nobody has counted the rows."""
    name = escape(say.ACTIVITY)
    return f'<div class="gem-bar gem-busy" role="progressbar" aria-label="{name}"><div></div></div>'


def outcome_html(state: ImportState) -> str:
    """Return how a project's newest import ended; empty before the end of the first."""
    if state.state == "done" and state.report is not None:
        return import_report(state.report, state.file)
    if state.state == "stopped":
        return f'<p role="status" class="gem-state">{escape(say.STOPPED)}</p>'
    return problem_html(state.error) if state.state == "failed" else ""


def import_report(report: ImportReport, file: str = "") -> str:
    """Return what an import did, each refused row by its line with the reason."""
    summary = say.import_summary(report.imported, report.already_there, report.num_skipped)
    name = f"{file}: " if file else ""
    parts = [f'<p role="status" class="gem-state">{escape(name + summary)}</p>']
    return "".join([*parts, _refused(report.skipped, report.num_unlisted)])


def _refused(rows: Sequence[SkippedRow], num_unlisted: int = 0) -> str:
    if not rows:
        return ""
    shown = rows[: say.REFUSED_SHOWN]
    hidden = len(rows) - len(shown) + num_unlisted
    more = f'<p class="gem-quiet">{escape(say.refused_more(hidden))}</p>' if hidden else ""
    return tables.table("gem-refused", say.REFUSED_HEAD, _lines(shown), say.REFUSED_TITLE) + more


def _lines(rows: Iterable[SkippedRow]) -> Iterable[str]:
    for row in rows:
        yield f"<tr><td class=gem-num>{row.line}</td><td>{escape(row.reason)}</td></tr>"
