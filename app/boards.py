"""Boards on which raters put several answers in order: what is on one, and how far it is."""

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from app.drafts import DraftStore, Shelf
from gem_backend.expert_orders import Places
from gem_backend.types import Case
from storage.identity import content_id

_FEWEST = 2


@dataclass(frozen=True, slots=True)
class Board:
    """Answers to put in order: the cards' texts by their ids, and the places so far, of ids."""

    cards: dict[str, str]
    places: Places


@dataclass(frozen=True, slots=True)
class OrderDraft:
    """How far a rater is with an order: places of answers.

    ``is_warned`` says that they were told that nothing was moved yet.
    """

    places: Places = ()
    is_open: bool = False
    is_warned: bool = False


class Boards:
    """The boards of all raters, each their own.

    ``offered`` are the answers that can be put in order, as they stand before anybody moved one.
    """

    def __init__(self, shelf: Shelf | None = None) -> None:
        """Begin with what is on the shelf."""
        self._drafts = DraftStore(OrderDraft(), "order", shelf)

    def board(self, rater: str, case: Case, offered: Sequence[str]) -> Board | None:
        """Return the open board of a case; None where the pair is shown, or has to be."""
        draft = self._drafts.get(rater, case)
        places = _among(draft.places, offered)
        if not draft.is_open or len(_flat(places)) < _FEWEST:
            return None
        ids = tuple(tuple(map(_card_id, place)) for place in places)
        return Board(cards_of(_flat(places)), ids)

    def open(self, rater: str, case: Case, offered: Sequence[str]) -> None:
        """Open a case's board as it was left; answers that came since stand last."""
        draft = self._drafts.get(rater, case)
        places = _among(draft.places, offered)
        new = tuple((answer,) for answer in offered if answer not in _flat(places))
        self._drafts.put(rater, case, replace(draft, places=(*places, *new), is_open=bool(offered)))

    def reopen(self, rater: str, case: Case, places: Places) -> None:
        """Open a board with an order that was saved: nobody need move a card of it."""
        self._drafts.put(rater, case, OrderDraft(places, is_open=True, is_warned=True))

    def close(self, rater: str, case: Case) -> None:
        """Go back to the pair; the order is kept for when the board is opened again."""
        draft = self._drafts.get(rater, case)
        self._drafts.put(rater, case, replace(draft, is_open=False))

    def keep(self, rater: str, case: Case, places: Places, sent_ms: float = math.inf) -> None:
        """Keep an order that is being made, unless a later one is there."""
        draft = self._drafts.get(rater, case)
        self._drafts.hear(rater, case, replace(draft, places=places), sent_ms)

    def needs_warning(self, rater: str, case: Case, offered: Sequence[str]) -> bool:
        """Whether nothing was moved yet, the first time that this is asked."""
        draft = self._drafts.get(rater, case)
        untouched = tuple((answer,) for answer in offered)
        if draft.is_warned or draft.places != untouched:
            return False
        self._drafts.put(rater, case, replace(draft, is_warned=True))
        return True

    def drop(self, rater: str, case: Case) -> None:
        """Forget a board: its order is saved, or its answers are judged otherwise."""
        self._drafts.drop(rater, case)


def cards_of(answers: Sequence[str]) -> dict[str, str]:
    """Return the texts of cards by their ids, in an order that says nothing either."""
    return {_card_id(answer): answer for answer in sorted(answers, key=_card_id)}


def read_places(order: object, cards: Mapping[str, str]) -> Places | None:
    """Return what a browser sent as places of answers; None unless it places cards, each once."""
    if not isinstance(order, list) or not all(isinstance(place, list) for place in order):
        return None
    ids = list(itertools.chain.from_iterable(order))
    if not ids or not all(isinstance(one, str) and one in cards for one in ids):
        return None
    if len(set(ids)) < len(ids):
        return None
    return tuple(tuple(cards[one] for one in place) for place in order if place)


def _among(places: Places, offered: Sequence[str]) -> Places:
    """Return the places without answers that are not offered any more."""
    kept = (tuple(answer for answer in place if answer in offered) for place in places)
    return tuple(place for place in kept if place)


def _flat(places: Places) -> list[str]:
    return list(itertools.chain.from_iterable(places))


def _card_id(answer: str) -> str:
    return content_id("card", answer)
