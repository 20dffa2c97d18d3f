"""A simulated expert for the demo world: how many faults an answer has, and which of two is better.

It follows the demo project's guidelines: the score in its current form, every finding that scores
and no other, the right sum, the right action.
"""

import re
from typing import NamedTuple

from gem_backend.demo.chains import write_chain
from gem_backend.demo.scores import Protocol, action_for
from gem_backend.demo.vignettes import Vignette

OUTDATED_FAULTS = 3  # ours: an outdated score weighs as much as three slips
UNREADABLE_FAULTS = 20  # ours: more than any readable chain can have

_CHAIN = re.compile(
    r"Using (?P<name>.+?): (?P<items>.+)\. Total (?P<working>.+)\.\n"
    r"Final Answer: (?P<total>-?\d+), (?P<action>.+)"
)


class _Chain(NamedTuple):
    """A chain of thought, taken apart."""

    name: str
    items: tuple[str, ...]
    total: int
    action: str

    @property
    def points(self) -> int:
        """What its items add up to."""
        marks = (re.search(r"\((-?\d+)\)$", item) for item in self.items)
        return sum(int(mark.group(1)) for mark in marks if mark)


def count_faults(vignette: Vignette, text: str) -> int:
    """Return how many faults the expert finds in an answer; 0 for a faultless one.

    Args:
        vignette: the case.
        text: a whole answer, chain of thought included.
    """
    chain = _read(text)
    protocol = _protocol(vignette, chain.name) if chain else None
    if chain is None or protocol is None:
        return UNREADABLE_FAULTS
    gold = _read(write_chain(vignette, protocol))
    assert gold is not None  # the generator's own format
    wrong_items = set(chain.items) ^ set(gold.items)
    faults = OUTDATED_FAULTS * (protocol is vignette.topic.older)
    faults += len(wrong_items)
    faults += chain.total != chain.points
    return faults + (chain.action != action_for(protocol, chain.total))


def prefers_first(vignette: Vignette, first: str, second: str) -> bool | None:
    """Say whether the expert finds the first of two answers better; None for equally good."""
    faults = count_faults(vignette, first), count_faults(vignette, second)
    return None if faults[0] == faults[1] else faults[0] < faults[1]


def _read(text: str) -> _Chain | None:
    found = _CHAIN.fullmatch(text.strip())
    if found is None:
        return None
    items = tuple(found["items"].split(", "))
    return _Chain(found["name"], items, int(found["total"]), found["action"])


def _protocol(vignette: Vignette, name: str) -> Protocol | None:
    both = (vignette.topic.current, vignette.topic.older)
    return next((protocol for protocol in both if protocol.name == name), None)
