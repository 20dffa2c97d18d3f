"""The entropy of a candidate along its tokens, as a figure."""

from collections.abc import Sequence
from html import escape

import plotly.graph_objects as go

from app.text import trace as say
from app.views.heatmap import SCALE_MAX_NATS, mean_entropy
from gem_backend.types import Candidate

# Of middle lightness: at least 3:1 on white and on near-black; a blue of the entropy scale.
_LINE = "#5b7fb9"
_SHADE = "rgba(128,136,144,0.22)"
_GRID = "rgba(128,136,144,0.28)"
_LONGEST_WORD = 24


def entropy_trace(candidate: Candidate, fork_tokens: Sequence[int], name: str) -> go.Figure:
    """Return the curve of a candidate: forks marked, the answer shaded, the finding as its title.

    ``name`` says in the title which candidate this is.

    Token texts are escaped, because Plotly reads some HTML in titles and hover labels.
    """
    entropy = candidate.token_entropy
    curve = {
        "type": "scatter",
        "mode": "lines",
        "x": list(range(1, len(entropy) + 1)),
        "y": entropy,
        "line": {"color": _LINE, "width": 2},
        "name": say.LINE,
        "customdata": [_label(token) for token in candidate.token_texts],
        "hovertemplate": "%{x}: %{customdata}<br>%{y:.2f} nats<extra></extra>",
    }
    forks = {
        "type": "scatter",
        "mode": "markers",
        "x": [place + 1 for place in fork_tokens],
        "y": [entropy[place] for place in fork_tokens],
        "marker": {"color": _LINE, "size": 10, "symbol": "diamond-open", "line": {"width": 2}},
        "name": say.FORKS,
        "hoverinfo": "skip",
    }
    layout = _layout(trace_title(candidate, name), max([SCALE_MAX_NATS, *entropy]))
    layout["meta"] = {"candidate_id": candidate.candidate_id}  # the page finds the words by it
    # Made at once: Plotly takes longer over each part that is added to a figure than over all.
    return go.Figure([curve, forks], layout | _shade(candidate))


def trace_title(candidate: Candidate, name: str) -> str:
    """Return what the curve shows: where the model was least sure, and how sure the answer is."""
    entropy, final = candidate.token_entropy, candidate.spans.final_span
    if not entropy:
        return ""
    peak = max(range(len(entropy)), key=entropy.__getitem__)
    mean = mean_entropy(entropy, final)
    label = _label(candidate.token_texts[peak])
    return say.title(name, label, (entropy[peak], mean, len(entropy[slice(*final)])))


def _shade(candidate: Candidate) -> dict[str, object]:
    """Return the parts of the layout that mark the answer."""
    start, end = candidate.spans.final_span
    if start == end:
        return {}
    words = say.ANSWER if candidate.spans.is_committed else say.STANDIN
    left, whole_height = {"x": start + 0.5, "xref": "x"}, {"yref": "y domain"}
    band = {"type": "rect", "x0": start + 0.5, "x1": end + 0.5, "y0": 0, "y1": 1, **whole_height}
    name = {"text": words, "showarrow": False, **left, "xanchor": "left", "y": 1, "yanchor": "top"}
    return {
        "shapes": [band | {"fillcolor": _SHADE, "line": {"width": 0}, "layer": "below"}],
        "annotations": [name | whole_height],
    }


def _layout(title: str, highest: float) -> dict[str, object]:
    axis = {"gridcolor": _GRID, "zeroline": False}
    return {
        "title": {"text": title, "font": {"size": 16}, "x": 0, "xref": "paper"},
        "template": "none",
        "paper_bgcolor": "rgba(0,0,0,0)",
        "plot_bgcolor": "rgba(0,0,0,0)",
        "height": 320,
        "margin": {"l": 56, "r": 16, "t": 72, "b": 48},
        "hovermode": "x",
        "legend": {"orientation": "h", "x": 1, "xanchor": "right", "y": 1.02, "yanchor": "bottom"},
        "font": {"size": 14, "family": "system-ui, sans-serif"},
        "xaxis": axis | {"title": {"text": say.X, "font": {"size": 14}}},
        "yaxis": axis
        | {"title": {"text": say.Y, "font": {"size": 14}}, "range": [0, 1.08 * highest]},
    }


def _label(token: str) -> str:
    """Return a token as one short, harmless word."""
    shown = " ".join(token.split()) or say.BLANK
    return escape(shown if len(shown) <= _LONGEST_WORD else shown[: _LONGEST_WORD - 1] + "…")
