"""What raters have said and not saved, in this process only: never in the browser's storage."""

import math
from collections import OrderedDict
from typing import Generic, TypeVar

from gem_backend.types import Case

_KEPT_DRAFTS = 500

T = TypeVar("T")


class DraftStore(Generic[T]):
    """One draft for each rater and case; nobody sees what another has said so far."""

    def __init__(self, blank: T) -> None:
        """Start empty; ``blank`` is what a case has before anything is said about it."""
        self._blank = blank
        self._drafts: OrderedDict[tuple[str, str], tuple[T, float]] = OrderedDict()

    def get(self, rater: str, case: Case) -> T:
        """Return what is known of a case."""
        return self._drafts.get(_key(rater, case), (self._blank, 0.0))[0]

    def put(self, rater: str, case: Case, draft: T, sent_ms: float = math.inf) -> None:
        """Keep a draft, unless a later one is there; the oldest goes when there are many.

        Requests may overtake each other, so the browser says when it sent one (``sent_ms``, by its
        own clock); what the studio itself puts replaces anything.
        """
        key = _key(rater, case)
        _, last_ms = self._drafts.get(key, (None, 0.0))
        if sent_ms < last_ms:
            return
        self._drafts[key] = (draft, last_ms if math.isinf(sent_ms) else sent_ms)
        self._drafts.move_to_end(key)
        while len(self._drafts) > _KEPT_DRAFTS:
            self._drafts.popitem(last=False)

    def drop(self, rater: str, case: Case) -> None:
        """Forget a draft: it is a label now."""
        self._drafts.pop(_key(rater, case), None)


def _key(rater: str, case: Case) -> tuple[str, str]:
    return rater, case.comparison.pair_id
