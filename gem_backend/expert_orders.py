"""What experts said of answers, as orders: those of two, and whole ones that were given at once."""

import itertools
import math
from collections.abc import Iterable, Mapping, Sequence

from gem_backend.types import ExpertOrder, PreferencePair

Places = tuple[tuple[str, ...], ...]  # the best place first; answers of one place are equally good
Said = tuple[str, str, str]  # two answers and the verdict on them

# Ours: a tie of k of n answers is weighed against every k of them. With larger ties, pairs.
MAX_TIED = 3


def places_of(said: Iterable[Said]) -> Places:
    """Return the order that all pairs of some answers say: by how many each is better than."""
    wins: dict[str, int] = {}
    for a, b, verdict in said:
        step = {"a": 1, "b": -1}.get(verdict, 0)
        wins[a] = wins.get(a, 0) + step
        wins[b] = wins.get(b, 0) - step
    ranked = sorted(wins, key=lambda answer: -wins[answer])
    return tuple(tuple(place) for _, place in itertools.groupby(ranked, key=wins.__getitem__))


def expert_orders(
    pairs: Sequence[PreferencePair], place: Mapping[tuple[str, str], int]
) -> list[tuple[ExpertOrder, str]]:
    """Return the orders that comparisons make, each with its prompt.

    Pairs of one ``order_id`` are one order again, of strength 1: its places say how far apart two
    answers are. Where not all of its pairs are there any more, they contradict each other, or more
    than ``MAX_TIED`` answers share a place, each pair is an order of its own.

    Args:
        pairs: preferences and ties.
        place: the number of each answer, by prompt and answer. A pair with an answer that has none
            is left out.
    """
    decisions: dict[tuple[str, str] | int, list[PreferencePair]] = {}
    for number, pair in enumerate(pairs):
        if (pair.prompt, pair.chosen) in place and (pair.prompt, pair.rejected) in place:
            key = (pair.order_id, pair.rater) if pair.order_id else number
            decisions.setdefault(key, []).append(pair)
    found = []
    for decision in decisions.values():
        places = places_of(map(_said, decision))
        kept = [(decision[0], places, 1)]
        if not _is_whole(decision, places):
            kept = [(pair, places_of([_said(pair)]), pair.strength) for pair in decision]
        for pair, own, strength in kept:
            order = tuple(tuple(place[pair.prompt, answer] for answer in one) for one in own)
            found.append((ExpertOrder(order, strength, pair.rater), pair.prompt))
    return found


def _said(pair: PreferencePair) -> Said:
    return pair.chosen, pair.rejected, "a" if pair.verdict == "preferred" else pair.verdict


def _is_whole(decision: Sequence[PreferencePair], places: Places) -> bool:
    """Whether pairs are all those of one order."""
    rank = {answer: number for number, one in enumerate(places) for answer in one}
    fits = all(
        rank[pair.chosen] < rank[pair.rejected]
        if pair.verdict == "preferred"
        else rank[pair.chosen] == rank[pair.rejected]
        for pair in decision
    )
    is_complete = 1 < len(decision) == math.comb(len(rank), 2)
    return fits and is_complete and max(map(len, places)) <= MAX_TIED
