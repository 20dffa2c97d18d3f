"""The runs that wait for the device, as HTML."""

import itertools
from collections.abc import Sequence
from html import escape

from app.records import WaitingRun
from app.text import local_time
from app.text import runs as say
from app.text.calibration import method_words
from app.views.tables import table

_HEAD = ("Date", "Method", "Preset", "Pairs", "Begins", "Change")


def line_panel(line: Sequence[WaitingRun]) -> str:
    """Return the waiting runs, the next one first, each with a button that carries its place."""
    if not line:
        return ""
    rows = table("gem-line", _HEAD, itertools.starmap(_row, enumerate(line)), say.LINE_TITLE)
    return f'<h2 class="gem-title">{escape(say.LINE_TITLE)}</h2>{rows}'


def _row(place: int, waiting: WaitingRun) -> str:
    run = waiting.run
    date = local_time(run.created_at)
    method = method_words(waiting.traits.method, waiting.traits.ranking)
    name = escape(f"{say.TAKE_OUT_BUTTON}: {date}, {method}")
    return (
        f"<tr><td>{escape(date)}</td><td>{escape(method)}</td><td>{escape(run.preset)}</td>"
        f"<td class=gem-num>{run.num_pairs:,}</td><td>{escape(say.begins(waiting.num_ahead))}</td>"
        f'<td><button type="button" class="gem-row-button" data-place="{place}" '
        f'aria-label="{name}">{escape(say.TAKE_OUT_BUTTON)}</button></td></tr>'
    )
