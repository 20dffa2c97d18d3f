"""The heatmap on a page: one or several candidates, drawn in the browser from plain arrays."""

import json
from collections.abc import Sequence
from typing import NamedTuple, TypedDict

import gradio as gr

from app import text
from app.look import asset
from app.text import branches as say
from app.text import difference as say_difference
from app.text.modes import heatmap_words
from app.views.heatmap import (
    DIFFERENCE_MAX_NATS,
    THRESHOLD_NATS,
    WINDOW_TOKENS,
    Heat,
    heat,
)
from app.views.passages import HIGH_NATS
from app.views.rankings import Ranking
from gem_backend.types import Candidate

# One script, in this order.
SCRIPTS = (
    "heatmap.js",
    "heatmap_note.js",
    "heatmap_trace.js",
    "heatmap_modes.js",
    "heatmap_share.js",
    "heatmap_pair.js",
)

WORDS = text.HEATMAP_WORDS | say.HEATMAP_WORDS | heatmap_words(WINDOW_TOKENS, HIGH_NATS)


class Packed(TypedDict):
    """A value as JSON text.

    Gradio's page copies every number and word of every component's value one by one, at each event
    of the page; thousands of them cost it seconds. One text is one copy.
    """

    packed: str


class HeatmapData(TypedDict):
    """What a heatmap draws, and the words it uses."""

    cards: list[Heat]
    words: dict[str, str]


class Against(NamedTuple):
    """Another model by its name, and how it reads the same candidates, in the same order."""

    name: str
    group: Sequence[Candidate]


def heatmap_value(*candidates: Candidate, against: Against | None = None) -> Packed:
    """Return the value that draws these candidates, and what changes under another model."""
    if against is None:
        cards = [heat(candidate) for candidate in candidates]
        return _packed(HeatmapData(cards=cards, words=WORDS))
    pairs = zip(candidates, against.group, strict=True)
    words = say_difference.heatmap_words(against.name, DIFFERENCE_MAX_NATS, THRESHOLD_NATS)
    return _packed(HeatmapData(cards=[heat(*pair) for pair in pairs], words=WORDS | words))


def ranking_value(ranking: Ranking) -> Packed:
    """Return the value that orders a heatmap's cards."""
    return _packed(ranking)


def _packed(value: HeatmapData | Ranking) -> Packed:
    return Packed(packed=json.dumps(value, ensure_ascii=False, separators=(",", ":")))


def heatmap(elem_id: str, *, can_go_on: bool = False) -> gr.HTML:
    """Make an empty heatmap; its value is ``heatmap_value(...)``.

    The template is static and the script writes texts with ``textContent``: nothing that a model or
    a person wrote is ever read as HTML or as code. The event ``show_trace`` carries the ``id`` of a
    candidate whose curve was asked for. With ``can_go_on`` there are two more: ``branch`` carries
    the ``id`` of a candidate, the place of a ``token`` among its own and that of an ``alternative``
    there or None; ``pair`` the ids of the ``first`` and the ``second`` of two candidates.
    """
    goes_on = "yes" if can_go_on else "no"
    return gr.HTML(
        heatmap_value(),
        html_template=(
            f'<div class="gs-cards" data-name="{elem_id}" data-goes-on="{goes_on}"></div>'
        ),
        js_on_load="\n".join(asset(name) for name in SCRIPTS),
        apply_default_css=False,
        elem_id=elem_id,
        elem_classes="gs-heatmap",
    )


def ranking_for(elem_id: str) -> gr.HTML:
    """Make the invisible part that orders a heatmap's cards; its value is ``ranking_value(...)``.

    It is apart from the heatmap because it changes with every move of a slider, and the arrays of
    all tokens need not travel for that.
    """
    return gr.HTML(
        ranking_value(Ranking(order=[], cards={})),
        html_template=f'<span data-heatmap="{elem_id}"></span>',
        js_on_load=asset("ranking.js"),
        apply_default_css=False,
        elem_classes="gs-unseen",
    )
