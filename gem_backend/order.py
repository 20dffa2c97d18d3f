"""Everything random in a run: seeds and orders that derive from the run's seed and the position
alone.

So no generator's state needs keeping, and a resumed run goes on in the order it would have had.
"""

import itertools
import random
from collections.abc import Iterator, Sequence
from typing import TypeVar

import numpy as np

Item = TypeVar("Item")


def derived_seed(seed: int, phase: str, index: int) -> int:
    """Return a seed of its own for each phase and index, the same on every machine."""
    spawned = np.random.SeedSequence([seed, *phase.encode(), index])
    return int(spawned.generate_state(1)[0])


def shuffled_batches(
    items: Sequence[Item], batch_size: int, seed: str
) -> Iterator[tuple[Item, ...]]:
    """Yield every item once, in an order that the seed alone decides.

    Args:
        items: what to shuffle.
        batch_size: the largest batch; the last may be smaller.
        seed: any text, so that a resumed run can ask for the same order again.
    """
    order = random.Random(seed).sample(range(len(items)), len(items))
    for start in range(0, len(order), batch_size):
        yield tuple(items[index] for index in order[start : start + batch_size])


def endless_batches(
    items: Sequence[Item], batch_size: int, seed: str
) -> Iterator[tuple[Item, ...]]:
    """Yield shuffled batches for ever, each pass over the items in another order."""
    for turn in itertools.count():
        yield from shuffled_batches(items, batch_size, f"{seed} {turn}")
