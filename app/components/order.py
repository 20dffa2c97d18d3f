"""A board of cards to put in order, best first: with the pointer or with keys, ties included.

The template is static and the script writes the cards' texts with ``textContent``: they are never
read as HTML or as code. It knows nothing of where the cards come from.
"""

import json
from collections.abc import Mapping, Sequence
from html import escape
from typing import TypedDict

import gradio as gr

from app.look import asset
from app.text import order as text_order


class Card(TypedDict):
    """A card: an id that says nothing, and its text."""

    id: str
    text: str


class Order(TypedDict, total=False):
    """What the board holds: what it is about, the cards, and their ids by place, the best first.

    Cards that share a place are equally good. ``sent_ms`` comes with a draft. Without cards the
    board is not there.
    """

    case: str
    cards: list[Card]
    order: list[list[str]]
    sent_ms: float


def order_board(elem_id: str) -> gr.HTML:
    """Make the board; its value is ``order_value(...)``. The event ``input`` follows every move."""
    words = escape(json.dumps(text_order.ORDER_WORDS, ensure_ascii=False))
    return gr.HTML(
        order_value("", {}, ()),
        html_template=(
            f'<section class="gs-order" aria-labelledby="{elem_id}-title" data-words="{words}" '
            f'hidden><h2 id="{elem_id}-title">{text_order.ORDER_TITLE}</h2>'
            f'<p class="gs-order-help" id="{elem_id}-help">{text_order.ORDER_HELP}</p>'
            f'<ol aria-describedby="{elem_id}-help"></ol>'
            '<p class="gs-order-said" role="status" aria-live="assertive"></p></section>'
        ),
        js_on_load=asset("order.js"),
        apply_default_css=False,
        elem_id=elem_id,
    )


def order_value(case: str, cards: Mapping[str, str], places: Sequence[Sequence[str]]) -> Order:
    """Return the value that shows these cards (texts by id) in these places."""
    return Order(
        case=case,
        cards=[Card(id=one, text=words) for one, words in cards.items()],
        order=[list(place) for place in places],
    )
