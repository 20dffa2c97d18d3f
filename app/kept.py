"""What was worked out of a group of candidates, for as long as the studio runs."""

import threading
from collections import OrderedDict
from collections.abc import Sequence
from typing import Generic, TypeVar

from gem_backend.types import Candidate

MOST_KEPT = 16  # ours: groups; another one is worked out again in seconds

Found = TypeVar("Found")


class Kept(Generic[Found]):
    """The newest results, by the candidates they are about; thread-safe."""

    def __init__(self) -> None:
        self._found: OrderedDict[tuple[str, ...], Found] = OrderedDict()
        self._lock = threading.Lock()

    def keep(self, group: Sequence[Candidate], found: Found) -> None:
        """Keep what was found of a group, in place of what was before."""
        with self._lock:
            self._found[_key(group)] = found
            while len(self._found) > MOST_KEPT:
                self._found.popitem(last=False)

    def find(self, group: Sequence[Candidate]) -> Found | None:
        """Return what was found of a group last; None where nothing is kept."""
        with self._lock:
            return self._found.get(_key(group))


def _key(group: Sequence[Candidate]) -> tuple[str, ...]:
    return tuple(one.candidate_id for one in group)
