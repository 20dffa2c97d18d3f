"""Every sentence about putting several answers in order."""

from collections.abc import Sequence
from typing import Final

ORDER_TITLE: Final = "Put the answers in order, the best first"
ORDER_HELP: Final = (
    "Drag a card by its bar. With keys: arrows go from card to card; Space takes one up, arrows "
    "move it, Space puts it down, Esc puts it back; t makes it equal to the one above, or no "
    "longer equal."
)
SAVE_ORDER: Final = "Save ranking"
CLOSE_BOARD: Final = "Back to the pair"
# What the board's script says; it fills in what stands in %.
ORDER_WORDS: Final = {
    "place": "Place %place",
    "equal": "equally good",
    "up": "Up",
    "down": "Down",
    "tie": "Equal to the one above",
    "untie": "No longer equal",
    "text": "Answer",
    "held": "Taken up at place %place of %total. Arrows move it, Space puts it down, Esc puts it "
    "back.",
    "moved": "Place %place of %total.",
    "dropped": "Put down at place %place of %total.",
    "back": "Put back at place %place of %total.",
    "tied": "Equally good, place %place of %total.",
    "untied": "No longer equal, place %place of %total.",
    "first": "It is at the top already.",
    "last": "It is at the bottom already.",
}
NOT_MOVED: Final = "Nothing was moved yet. Save again if the answers stand in the right order."
ORDER_CHANGED: Final = (
    "What can be put in order has changed, perhaps in another window. Please look once more."
)
ORDER_KEYS: Final = (
    ("k", "rank all answers to this question at once, or go back to the pair"),
    ("Space  ↑ ↓", "in a ranking: take an answer up, move it, put it down (Space again)"),
    ("t", "in a ranking: equally good as the one above, or no longer"),
)


def open_board(count: int) -> str:
    """Return what the button says that opens the board."""
    return f"Rank all {count} answers at once"


def order_words(places: Sequence[Sequence[str]]) -> str:
    """Return an order in words, in lower case: of how many answers, and how many share a place."""
    count = sum(map(len, places))
    equal = sum(len(place) for place in places if len(place) > 1)
    if len(places) == 1:
        return f"all {count} answers equally good"
    return f"{count} answers ranked" + (f", {equal} of them sharing a place" if equal else "")


def pairs_at_once(places: Sequence[Sequence[str]]) -> str:
    """Return how many pairs an order labels."""
    count = sum(map(len, places))
    return f"That labels {count * (count - 1) // 2} pairs at once."
