"""Figures of a run: what the held-out pairs say, and the curves of training.

Titles state the finding, axes carry units, n is on every figure. Text takes the page's colour in
light and dark through the class ``gem-plot`` (runs.css); lines are of middle lightness, at least
3:1 on white and on near-black, and differ in dash and marker as well as in colour.
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

import plotly.graph_objects as go
from plotly.subplots import make_subplots

from app.run_facts import Check, Point, checks, series, thinned
from app.text import runs as say
from app.text import story as say_story
from app.views.story import moment
from gem_backend.types import EventKind, RunEvent

TEAL, GREY = "#2a8a9a", "#7d8791"  # no blue, no yellow: those are entropy, in the heatmaps
_GRID = "rgba(128,136,144,0.28)"
_STEADY = 0.02  # ours: a smaller relative change is called steady
_ENDS = 5  # steps averaged at each end for the words of a title


class Curve(NamedTuple):
    """One line of a panel: where its figure comes from and how it is drawn."""

    kind: EventKind
    key: str
    name: str
    colour: str
    dash: str


class Panel(NamedTuple):
    """One small chart of the training curves; ``unit`` is on its axis."""

    name: str
    unit: str
    curves: tuple[Curve, ...]


SCORE = Panel(
    "Score", "score (nats)", (Curve("sega_step", "mean_score", "mean score", TEAL, "solid"),)
)
PANELS = (
    Panel(
        "Loss",
        "loss",
        (
            Curve("sft_step", "loss", "your pairs", GREY, "dot"),
            Curve("sega_step", "loss", "rounds", TEAL, "solid"),
            Curve("baseline_step", "loss", "other method", TEAL, "solid"),
        ),
    ),
    SCORE,
    Panel(
        "Uncertainty",
        "entropy (nats per token)",
        (Curve("sega_step", "mean_entropy", "mean entropy", TEAL, "solid"),),
    ),
    Panel(
        "Distance from base",
        "KL (nats per token)",
        (Curve("sega_step", "kl", "KL", TEAL, "solid"),),
    ),
)


# --- held-out accuracy -----------------------------------------------------------------------


def accuracy_figure(events: Sequence[RunEvent]) -> go.Figure | None:
    """Return preference accuracy at every evaluation, with 95 % whiskers, None before the first.

    The pairs that choose the best round are not those of the final check, hence two lines.
    """
    found = checks(events)
    if not found:
        return None
    moments = list(dict.fromkeys(moment(check) for check in found))
    figure = go.Figure()
    for check_line in (_ROUND_LINE, _FINAL_LINE):
        part = [check for check in found if check.is_final is check_line.is_final]
        if part:
            figure.add_trace(_accuracy_line(check_line, part, moments))
    figure.add_hline(y=50, line={"color": GREY, "width": 1, "dash": "dash"})
    figure.update_xaxes(
        tickvals=list(range(len(moments))), ticktext=moments, range=[-0.4, len(moments) - 0.6]
    )
    figure.update_yaxes(title="agreement (%)", range=[-3, 103], tickvals=[0, 25, 50, 75, 100])
    legend = {"orientation": "h", "x": 0, "xanchor": "left", "y": -0.16, "yanchor": "top"}
    return _styled(figure, accuracy_title(found), height=310).update_layout(legend=legend)


class CheckLine(NamedTuple):
    """How one kind of check is drawn; ``shift`` keeps whiskers of the same moment apart."""

    is_final: bool
    name: str
    colour: str
    symbol: str
    shift: float


_ROUND_LINE = CheckLine(False, say_story.ROUND_CHECK, GREY, "circle", -0.03)
_FINAL_LINE = CheckLine(True, say_story.FINAL_CHECK, TEAL, "diamond", 0.03)


def _accuracy_line(drawn: CheckLine, part: Sequence[Check], moments: Sequence[str]) -> go.Scatter:
    figures = [check.evaluation.preference_accuracy for check in part]
    return go.Scatter(
        x=[moments.index(moment(check)) + drawn.shift for check in part],
        y=[100 * one.value for one in figures],
        error_y={
            "type": "data",
            "symmetric": False,
            "array": [100 * (one.high - one.value) for one in figures],
            "arrayminus": [100 * (one.value - one.low) for one in figures],
            "thickness": 1.5,
            "width": 5,
        },
        # Two moments of the final check: a line between them would claim the rounds in between.
        mode="markers" if drawn.is_final else "lines+markers",
        name=f"{drawn.name} (n = {figures[-1].n})",
        line={"color": drawn.colour, "width": 2, "dash": "dot"},
        marker={"size": 9, "symbol": drawn.symbol},
        customdata=[
            f"{moment(check)}: {say.with_interval(one)}"
            for check, one in zip(part, figures, strict=True)
        ],
        hovertemplate="%{customdata}<extra></extra>",
        showlegend=True,
    )


def accuracy_title(found: Sequence[Check]) -> str:
    """Return what the held-out pairs say so far: of the final check once there are two of it."""
    final = [check for check in found if check.is_final]
    rounds = [check for check in found if not check.is_final]
    is_over = len(final) > 1 or not rounds
    name = "Held-out preference accuracy" if is_over else "Preference accuracy in the round check"
    return _change_title(name, final if is_over else rounds)


def _change_title(name: str, part: Sequence[Check]) -> str:
    first, last = (part[place].evaluation.preference_accuracy for place in (0, -1))
    if len(part) == 1:
        return f"{name} starts at {say.percent(first.value)} (n = {first.n})"
    if last.value == first.value:
        return f"{name} stayed at {say.percent(last.value)} (n = {last.n})"
    # Overlapping intervals are said in the title: the line alone would look like a finding.
    doubt = ", intervals overlap" if first.low <= last.high and last.low <= first.high else ""
    verb = "rose" if last.value > first.value else "fell"
    ends = f"from {say.percent(first.value)} to {say.percent(last.value)}"
    return f"{name} {verb} {ends} (n = {last.n}{doubt})"


# --- training curves -------------------------------------------------------------------------


def curves_figure(events: Sequence[RunEvent]) -> go.Figure | None:
    """Return loss, score, entropy and KL per step in small charts, None before a step.

    Another method than GEM has no rounds: only what it does report is drawn.
    """
    lines = {curve: series(events, curve.kind, curve.key) for panel in PANELS for curve in panel[2]}
    if not any(lines.values()):
        return None
    is_rival = any(event.kind == "baseline_step" for event in events)
    is_calibrated = any(event.kind == "calibration" for event in events)
    panels = [one for one in PANELS if not is_rival or any(lines[curve] for curve in one.curves)]
    titles = [panel_title(panel, [lines[curve] for curve in panel.curves]) for panel in panels]
    columns = min(2, len(panels))
    rows = math.ceil(len(panels) / columns)
    figure = make_subplots(
        rows=rows,
        cols=columns,
        subplot_titles=titles,
        horizontal_spacing=0.11,
        vertical_spacing=0.26,
    )
    for place, panel in enumerate(panels):
        row, col = place // columns + 1, place % columns + 1
        for curve in panel.curves:
            if lines[curve]:
                line = _line(curve, lines[curve], len(panel.curves) > 1)
                figure.add_trace(line, row=row, col=col)
        figure.update_yaxes(title=_unit(panel, is_calibrated), row=row, col=col)
    figure.update_xaxes(title="training step", rangemode="tozero")
    figure.update_yaxes(rangemode="tozero")
    if columns == 2:
        figure.for_each_annotation(lambda title: title.update(x=_left(title.x), xanchor="left"))
    else:
        figure.update_annotations(x=0, xanchor="left")
    return _styled(figure, "", height=260 * rows + 20 * (rows == 1))


def _unit(panel: Panel, is_calibrated: bool) -> str:
    """A calibrated score is a skill, in logits; equation (1) is in nats."""
    return panel.unit.replace("nats", "logits") if is_calibrated and panel is SCORE else panel.unit


def _left(centre: float) -> float:
    """Return the left edge of the column that has this centre, as a share of the width."""
    return 0.0 if centre < 0.5 else 0.555


def _line(curve: Curve, points: Sequence[Point], has_legend: bool) -> go.Scatter:
    shown = thinned(points)
    return go.Scatter(
        x=[point.step for point in shown],
        y=[point.value for point in shown],
        mode="lines+markers" if len(shown) <= 30 else "lines",
        name=f"{curve.name} (n = {len(points)} steps)",
        line={"color": curve.colour, "width": 2, "dash": curve.dash},
        marker={"size": 5, "symbol": "square" if curve.dash == "dot" else "circle"},
        showlegend=has_legend,
        hovertemplate="step %{x}: %{y:.3g}<extra></extra>",
    )


def panel_title(panel: Panel, lines: Sequence[Sequence[Point]]) -> str:
    """Return what a panel's last curve did, with the number of steps behind it."""
    drawn = [(curve, line) for curve, line in zip(panel.curves, lines, strict=True) if line]
    if not drawn:
        return f"{panel.name}: no step yet"
    curve, points = drawn[-1]
    name = f"{panel.name}, {curve.name}," if lines[1:] else panel.name
    first, last = _mean(points[:_ENDS]), _mean(points[-_ENDS:])
    steps = f"n = {say.counted(len(points), 'step')}"
    if len(points) < 2 * _ENDS:
        return f"{name} is at {points[-1].value:.3g} ({steps})"
    if abs(last - first) <= _STEADY * max(abs(first), abs(last)):
        return f"{name} is steady at {last:.3g} ({steps})"
    verb = "rose" if last > first else "fell"
    return f"{name} {verb} from {first:.3g} to {last:.3g} ({steps})"


def _mean(points: Sequence[Point]) -> float:
    return sum(point.value for point in points) / len(points)


def _styled(figure: go.Figure, title: str, height: int) -> go.Figure:
    figure.update_layout(
        template="none",
        title={"text": title, "x": 0, "xref": "paper", "font": {"size": 16}},
        height=height,
        margin={"l": 64, "r": 16, "t": 56 if title else 36, "b": 56},
        paper_bgcolor="rgba(0,0,0,0)",
        plot_bgcolor="rgba(0,0,0,0)",
        font={"family": "system-ui, sans-serif", "size": 13, "color": GREY},
        hoverlabel={"font": {"size": 13}},
        legend={"x": 0.445, "xanchor": "right", "y": 1, "yanchor": "top"},
        dragmode=False,
        uirevision="run",
    )
    figure.update_annotations(font={"size": 14})
    axis = {
        "gridcolor": _GRID,
        "linecolor": _GRID,
        "zerolinecolor": _GRID,
        "automargin": True,
        "title_font": {"size": 13},
    }
    figure.update_xaxes(
        showgrid=False, zeroline=False, ticks="outside", tickcolor=_GRID, fixedrange=True, **axis
    )
    figure.update_yaxes(fixedrange=True, nticks=5, **axis)
    return figure
