"""The runs that wait for a device, or have another one, as HTML."""

import itertools
from collections.abc import Sequence
from html import escape

from app.records import LinedUpRun
from app.text import local_time
from app.text import runs as say
from app.text.calibration import method_words
from app.views.tables import table

_HEAD = ("Date", "Method", "Preset", "Pairs", "Begins", "Change")


def line_panel(line: Sequence[LinedUpRun]) -> str:
    """Return the runs beside the one that is shown, each with a button that carries its place."""
    if not line:
        return ""
    rows = table("gem-line", _HEAD, itertools.starmap(_row, enumerate(line)), say.LINE_TITLE)
    return f'<h2 class="gem-title">{escape(say.LINE_TITLE)}</h2>{rows}'


def _row(place: int, one: LinedUpRun) -> str:
    run = one.run
    date = local_time(run.created_at)
    method = method_words(one.traits.method, one.traits.ranking)
    is_stopping = run.status.state == "stopping"
    action = say.STOP_BUTTON if one.num_ahead is None else say.TAKE_OUT_BUTTON
    name = escape(f"{action}: {date}, {method}")
    disabled = " disabled" if is_stopping else ""
    begins = say.begins(one.num_ahead, is_stopping=is_stopping)
    return (
        f"<tr><td>{escape(date)}</td><td>{escape(method)}</td><td>{escape(run.preset)}</td>"
        f"<td class=gem-num>{run.num_pairs:,}</td><td>{escape(begins)}</td>"
        f'<td><button type="button" class="gem-row-button" data-place="{place}" '
        f'aria-label="{name}"{disabled}>{escape(action)}</button></td></tr>'
    )
