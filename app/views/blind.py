"""Ranking first and seeing the machine's order second, as HTML."""

from collections.abc import Sequence
from html import escape

from app.text import agreement as say_agreement
from app.text import blind as say
from app.views import tables
from gem_backend.automation_bias import AutomationBias, Tau


def tau_html(tau: Tau | None) -> str:
    """Return how far an expert's order and the machine's agree; empty where nobody asked."""
    if tau is None:
        return ""
    hint = f'<span class="gem-hint">{say.TAU_HINT}</span>' if tau.value is not None else ""
    return f'<p role="status"><b>{escape(say.tau_words(tau))}</b> {hint}</p>'


def bias_html(rows: Sequence[AutomationBias]) -> str:
    """Return what raters did once they had seen the machine's order; empty where none did."""
    if not rows:
        return ""
    table = tables.table("gem-bias", say.BIAS_HEAD, map(_row, rows), say.BIAS_TITLE)
    return (
        f'<h3 class="gem-subtitle">{say.BIAS_TITLE}</h3>'
        f'<p class="gem-quiet">{say.BIAS_HINT}</p>{table}'
    )


def _row(row: AutomationBias) -> str:
    return (
        f'<tr><th scope="row">{escape(row.rater)}</th>'
        f"<td class=gem-num>{row.num_reveals:,}</td><td class=gem-num>{row.num_changed:,}</td>"
        f"<td class=gem-num>{_change(row)}</td><td>{escape(say.reading(row))}</td></tr>"
    )


def _change(row: AutomationBias) -> str:
    if row.mean_change is None:
        return "\N{EN DASH}"
    hint = say_agreement.number_of(row.num_compared)
    if row.interval is not None:
        hint = f"{say.figure(row.interval[0])} to {say.figure(row.interval[1])}, {hint}"
    return f'<b>{say.signed(row.mean_change)}</b><span class="gem-hint">{hint}</span>'
