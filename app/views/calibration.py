"""What labels say about the features of answers, in words: of a project, and of a run."""

from collections.abc import Iterable
from html import escape

from app.records import CalibrationView
from app.text import calibration as say
from app.text.runs import percent
from app.views.runs import said
from app.views.tables import table
from gem_backend.types import Calibration, Estimate


def calibration_card(view: CalibrationView, model: str, is_adapter: bool) -> str:
    """Return what a project's labels say, or what to do to learn it.

    Args:
        view: what was learned, if anything.
        model: the model that read the answers, in words.
        is_adapter: whether that is an adapter, which has seen labels already.
    """
    parts = [f'<h2 class="gem-title">{say.TITLE}</h2>']
    found = view.calibration
    if found is None:
        words = say.ready_line(view.num_labels) if view.num_labels else say.NO_LABELS
        parts.append(_quiet(words))
        return _section(parts)
    if view.is_stale:
        parts.append(f'<p class="gem-state"><b>{escape(say.STALE)}</b></p>')
    parts.append(_weights(found))
    origin = say.origin_line(found.num_comparisons, found.num_raters, view.num_left_out)
    if found.num_comparisons:
        parts.append(_quiet(f"{origin} {say.source_line(model)}."))
    if is_adapter:
        parts.append(_quiet(say.ADAPTER_KNOWS))
    return _section(parts)


def run_calibration(calibration: Calibration | None) -> str:
    """Return what the labels said to a run, empty for a run that ranked by entropy alone."""
    if calibration is None:
        return ""
    origin = say.origin_line(calibration.num_comparisons, calibration.num_raters, 0)
    title = f'<h2 class="gem-title">{say.RUN_TITLE}</h2>'
    return _section([title, _quiet(f"{say.RUN_INTRO} {origin}"), _weights(calibration)])


def _section(parts: Iterable[str]) -> str:
    return f'<section class="gem-lesson">{"".join(parts)}</section>'


def _weights(calibration: Calibration) -> str:
    """Each weight in a sentence, then how far the orders agree with the expert."""
    if not calibration.num_comparisons:
        return f"<p>{escape(say.PRIOR)}</p>"
    items = "".join(
        f"<li>{said(say.weight_sentence(weight))}</li>" for weight in calibration.weights
    )
    return (
        f'<ul class="gem-weights">{items}</ul>{_quiet(say.WEIGHT_MEANING)}'
        f"{_agreement(calibration.agreement_before, calibration.agreement_after)}"
    )


def _agreement(before: Estimate | None, after: Estimate | None) -> str:
    rows = [
        _agreement_row(name, figure)
        for name, figure in ((say.BEFORE, before), (say.AFTER, after))
        if figure is not None
    ]
    if not rows:
        return ""
    sentence = say.ONE_QUESTION if after is None else say.chance_sentence(after)
    figures = table("gem-agreement", say.AGREEMENT_HEAD, rows, say.AGREEMENT)
    return f"{figures}<p>{escape(sentence)}</p>"


def _agreement_row(name: str, figure: Estimate) -> str:
    return (
        f'<tr><th scope="row">{escape(name)}</th>'
        f"<td class=gem-num><b>{percent(figure.value)}</b></td>"
        f"<td class=gem-num>{100 * figure.low:.0f} to {percent(figure.high)}</td>"
        f"<td class=gem-num>{figure.n:,}</td></tr>"
    )


def _quiet(words: str) -> str:
    return f'<p class="gem-quiet">{said(words)}</p>'
