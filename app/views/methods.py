"""Methods side by side: what each did to the same model, labels and held-out cases."""

from html import escape

from app.comparison import MethodComparison
from app.text import calibration as say
from app.text import local_time
from app.text.runs import percent
from app.views.tables import table
from gem_backend.types import Estimate, RunResult, RunSummary


def methods_panel(comparison: MethodComparison | None) -> str:
    """Return the comparison as a table, and why a run is not in it; empty without any other run."""
    if comparison is None or not comparison.rivals:
        return ""
    beside = [rival for rival in comparison.rivals if not rival.obstacle]
    parts = [f'<h2 class="gem-title">{say.COMPARE_TITLE}</h2>']
    if beside:
        rows = [_row(comparison.own, comparison.method, is_own=True)]
        rows += [_row(rival.run, rival.method, is_own=False) for rival in beside]
        parts.append(table("gem-methods", say.COMPARE_HEAD, rows, say.COMPARE_TITLE))
        parts.append(f'<p class="gem-quiet">{escape(say.COMPARE_HINT)}</p>')
    for rival in comparison.rivals:
        if rival.obstacle:
            date = local_time(rival.run.created_at)
            sentence = say.not_comparable(rival.method, date, rival.obstacle)
            parts.append(f"<p>{escape(sentence)}</p>")
    return "".join(parts)


def _row(run: RunSummary, method: str, *, is_own: bool) -> str:
    when = say.THIS_RUN if is_own else local_time(run.created_at)
    name = f'{escape(method)}<span class="gem-hint">{escape(when)}</span>'
    return f'<tr><th scope="row">{name}</th>{_cells(run.result)}</tr>'


def _cells(result: RunResult | None) -> str:
    if result is None:
        return ""
    before, after = result.before, result.after
    figures = (
        before.preference_accuracy,
        after.preference_accuracy,
        before.final_answer_accuracy,
        after.final_answer_accuracy,
    )
    return "".join(f"<td class=gem-num>{_figure(figure)}</td>" for figure in figures)


def _figure(figure: Estimate | None) -> str:
    if figure is None:
        return "\N{EN DASH}"
    span = f"{100 * figure.low:.0f} to {percent(figure.high)}, n&nbsp;=&nbsp;{figure.n}"
    return f'<b>{percent(figure.value)}</b><span class="gem-hint">{span}</span>'
