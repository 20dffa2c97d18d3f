"""Raters at work as HTML: one line a rater."""

from html import escape

from app.desks.agreement import AgreementView
from app.text import agreement as say
from app.text import local_time
from app.text.runs import percent
from app.views import tables
from gem_backend.label_health import TimeCheck
from gem_backend.rater_view import RaterRow
from gem_backend.types import Estimate


def raters_at_work_html(view: AgreementView) -> str:
    """Return how much each rater judged, how fast, and how far others agree with them."""
    if not view.raters:
        return tables.empty(say.NO_RATER)
    rows = (_row(rater) for rater in view.raters)
    return tables.table("gem-work", say.WORK_HEAD, rows, say.WORK_TITLE)


def _row(row: RaterRow) -> str:
    active = local_time(row.last_active) if row.last_active else say.NEVER_HERE
    figures = (
        f"<b>{row.num_judged:,}</b>",
        _time(row.time),
        _share(row.cannot_judge),
        _share(row.both_bad),
    )
    cells = "".join(f"<td class=gem-num>{figure}</td>" for figure in figures)
    # the last two may break their lines, so that the table fits a tablet
    cells += f"<td>{_with_others(row)}</td><td>{escape(active)}</td>"
    return f'<tr><th scope="row">{escape(row.rater)}</th>{cells}</tr>'


def _time(check: TimeCheck) -> str:
    found = check.median_s
    if found is None:
        return _hint(say.NO_TIME)
    span = f"{found.low:.0f} to {found.high:.0f} s, {say.number_of(found.n)}"
    return f"<b>{found.value:.0f} s</b>{_hint(span)}"


def _share(figure: Estimate, more: str = "") -> str:
    span = f"{100 * figure.low:.0f} to {percent(figure.high)}{more}"
    return f"<b>{percent(figure.value)}</b>{_hint(span)}"


def _with_others(row: RaterRow) -> str:
    if row.with_others is None:
        return _hint(say.none_decided(row.num_split) if row.num_split else say.NONE_SHARED)
    left_out = _hint(say.left_out(row.num_split)) if row.num_split else ""
    return _share(row.with_others, f", {say.number_of(row.with_others.n)}") + left_out


def _hint(words: str) -> str:
    return f'<span class="gem-hint">{escape(words)}</span>'
