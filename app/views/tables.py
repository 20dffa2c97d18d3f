"""Tables and facts as HTML: the run history, before against after, counts."""

from collections.abc import Iterable, Mapping, Sequence
from html import escape

from app.run_facts import accuracy
from app.text import local_time
from app.text import runs as say
from gem_backend.types import Estimate, Evaluation, RunSummary

ACCURACIES = ("preference_accuracy", "preference_accuracy_per_token", "final_answer_accuracy")
PLAIN_FIGURES = ("mean_entropy", "kl", "mean_length", "uncommitted")
_WHISKER_WIDTH = 240  # pixels for 0 to 100 %


def facts(rows: Iterable[tuple[str, str]]) -> str:
    """Return a list of terms and facts; the facts are HTML already, the terms are not."""
    body = "".join(f"<dt>{escape(term)}</dt><dd>{fact}</dd>" for term, fact in rows)
    return f'<dl class="gem-facts">{body}</dl>'


def empty(sentence: str) -> str:
    """Return what to do next where there is nothing to show."""
    return f'<p class="gem-empty">{escape(sentence)}</p>'


def table(name: str, head: Iterable[str], rows: Iterable[str], caption: str) -> str:
    """Return a table; its rows are HTML already, head and caption are not."""
    columns = "".join(f'<th scope="col">{escape(column)}</th>' for column in head)
    title = escape(caption)
    # On a narrow page a table scrolls in its frame, which the keyboard must reach.
    return (
        f'<div class="gem-scroll" role="group" aria-label="{title}" tabindex="0">'
        f'<table class="gem-table {name}"><caption class="gem-sr">'
        f"{title}</caption><thead><tr>{columns}</tr></thead>"
        f"<tbody>{''.join(rows)}</tbody></table></div>"
    )


# --- history ---------------------------------------------------------------------------------

_HISTORY_HEAD = (
    "Date",
    "Method",
    "Preset",
    "Pairs",
    "Seed",
    "State",
    "Verdict",
    "Held-out accuracy, before \N{RIGHTWARDS ARROW} after",
)


def history_table(
    runs: Sequence[RunSummary], selected: str | None, methods: Mapping[str, str]
) -> str:
    """Return the history, newest first; each row's button carries its place, never its id.

    Args:
        runs: the rows.
        selected: the id of the run that is shown.
        methods: each run's method in words, by its id.
    """
    if not runs:
        return empty(say.HISTORY_EMPTY)
    rows = (
        _history_row(place, run, methods.get(run.run_id, ""), run.run_id == selected)
        for place, run in enumerate(runs)
    )
    return table("gem-history", _HISTORY_HEAD, rows, say.HISTORY_TITLE)


def _history_row(place: int, run: RunSummary, method: str, is_selected: bool) -> str:
    date = escape(local_time(run.created_at))
    pressed = "true" if is_selected else "false"
    verdict = say.VERDICT_WORDS[run.result.verdict] if run.result else "\N{EN DASH}"
    name = f' class="gem-verdict-{run.result.verdict}"' if run.result else ""
    return (
        f'<tr data-place="{place}"{" class=gem-selected" if is_selected else ""}>'
        f'<td><button type="button" class="gem-row-button" aria-pressed="{pressed}" '
        f'data-place="{place}">{date}</button></td>'
        f"<td>{escape(method)}</td><td>{escape(run.preset)}</td>"
        f"<td class=gem-num>{run.num_pairs:,}</td><td class=gem-num>{run.seed}</td>"
        f"<td>{escape(say.STATE_WORDS[run.status.state])}</td>"
        f"<td{name}>{verdict}</td><td>{_before_after(run)}</td></tr>"
    )


def _before_after(run: RunSummary) -> str:
    if run.result is None:
        return "\N{EN DASH}"
    before = run.result.before.preference_accuracy
    after = run.result.after.preference_accuracy
    return (
        f"{say.percent(before.value)} \N{RIGHTWARDS ARROW} <b>{say.percent(after.value)}</b> "
        f'<span class="gem-quiet">n = {after.n}</span>'
    )


# --- before against after --------------------------------------------------------------------


def figures_table(before: Evaluation, after: Evaluation, num_answers: int) -> str:
    """Return every held-out figure before and after, accuracies with interval, whiskers and n."""
    rows = [_accuracy_row(name, before, after) for name in ACCURACIES]
    rows += [_plain_row(name, before, after, num_answers) for name in PLAIN_FIGURES]
    head = ("Figure", "Before", "After", "95 % intervals, 0 to 100 %", "n")
    return table("gem-figures", head, rows, say.FIGURES_TITLE)


def _accuracy_row(name: str, before: Evaluation, after: Evaluation) -> str:
    first, last = accuracy(before, name), accuracy(after, name)
    if first is None or last is None:
        return ""
    hint = say.FIGURE_HINTS.get(name, "")
    small = f'<span class="gem-hint">{escape(hint)}</span>' if hint else ""
    return (
        f'<tr><th scope="row">{escape(say.FIGURE_NAMES[name])}{small}</th>'
        f"<td class=gem-num>{_with_range(first)}</td><td class=gem-num>{_with_range(last)}</td>"
        f"<td>{whiskers(first, last)}</td><td class=gem-num>{last.n}</td></tr>"
    )


def _with_range(figure: Estimate) -> str:
    span = f"{100 * figure.low:.0f} to {say.percent(figure.high)}"
    return f'<b>{say.percent(figure.value)}</b><span class="gem-hint">{span}</span>'


def _plain_row(name: str, before: Evaluation, after: Evaluation, num_answers: int) -> str:
    first, last = getattr(before, name), getattr(after, name)
    style = ",.0f" if name == "uncommitted" else ".3f" if name in ("kl", "mean_entropy") else ",.1f"
    return (
        f'<tr><th scope="row">{escape(say.FIGURE_NAMES[name])}</th>'
        f"<td class=gem-num>{first:{style}}</td><td class=gem-num>{last:{style}}</td>"
        f"<td></td><td class=gem-num>{num_answers:,}</td>"
        "</tr>"
    )


def whiskers(before: Estimate, after: Estimate) -> str:
    """Return both intervals on one scale of 0 to 100 %: a hollow dot before, a filled one after."""
    middle = _WHISKER_WIDTH / 2
    label = f"before {say.with_interval(before)}; after {say.with_interval(after)}"
    return (
        f'<svg class="gem-whiskers" viewBox="0 0 {_WHISKER_WIDTH} 36" role="img" '
        f'aria-label="{escape(label)}">'
        f'<line class="gem-axis" x1="0" y1="18" x2="{_WHISKER_WIDTH}" y2="18"/>'
        f'<line class="gem-axis" x1="{middle:.0f}" y1="2" x2="{middle:.0f}" y2="34"/>'
        f"{_whisker(before, 10, 'gem-before')}{_whisker(after, 26, 'gem-after')}</svg>"
    )


def _whisker(figure: Estimate, y: int, name: str) -> str:
    low, value, high = (_across(share) for share in (figure.low, figure.value, figure.high))
    return (
        f'<g class="{name}"><line x1="{low:.1f}" y1="{y}" x2="{high:.1f}" y2="{y}"/>'
        f'<circle cx="{value:.1f}" cy="{y}" r="5"/></g>'
    )


def _across(share: float) -> float:
    """Return the place of a share on the scale, with room for the dot at both ends."""
    return 7 + min(1.0, max(0.0, share)) * (_WHISKER_WIDTH - 14)


# --- data ------------------------------------------------------------------------------------


def tiles(counts: Sequence[tuple[int, str]]) -> str:
    """Return counts as large figures, each with its words below."""
    body = "".join(
        f'<li><b class="gem-num">{number:,}</b><span>{escape(words)}</span></li>'
        for number, words in counts
    )
    return f'<ul class="gem-tiles">{body}</ul>'
