"""A case on which raters disagree as HTML: the case, and who said what about it."""

from html import escape

from app.records import DisputedCase, OneVerdict
from app.text import disputes as say
from app.views import tables
from app.views.cases import case_html


def dispute_html(disputed: DisputedCase | None) -> str:
    """Return the case with every rater's verdict below it; empty without one."""
    if disputed is None:
        return ""
    rows = [_row(one.rater, one) for one in disputed.said]
    if disputed.final is not None:
        rows.append(_row(say.settled_by(disputed.final.rater), disputed.final))
    said = tables.table("gem-disputes", say.SAID_HEAD, rows, say.SAID_CAPTION)
    return case_html(disputed.case, has_keys=False) + said


def _row(name: str, said: OneVerdict) -> str:
    return (
        f'<tr><th scope="row">{escape(name)}</th><td>{escape(said.verdict)}</td>'
        f"<td>{escape(', '.join(said.reasons))}</td>"
        f'<td dir="auto">{escape(said.rationale)}</td></tr>'
    )
