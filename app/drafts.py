"""What people have said and not saved: never in the browser's storage."""

import contextlib
import math
from collections import OrderedDict
from collections.abc import Mapping
from typing import Generic, Protocol, TypeVar

from pydantic import TypeAdapter, ValidationError

from gem_backend.types import Case
from storage.drafts import DraftKey

_KEPT_DRAFTS = 500

T = TypeVar("T")


class Shelf(Protocol):
    """Where drafts outlast the studio."""

    def load(self, kind: str) -> Mapping[DraftKey, str]:
        """Return what is kept of a form, the oldest first."""

    def note(self, key: DraftKey, content: str | None) -> None:
        """Keep a draft; None drops it."""


class DraftStore(Generic[T]):
    """One draft for each person and case, or whatever a form is about; nobody sees another's.

    Args:
        blank: the record of what is there before anything is said.
        kind: the form's name on the shelf.
        shelf: None keeps drafts in this process only.
    """

    def __init__(self, blank: T, kind: str = "", shelf: Shelf | None = None) -> None:
        self._blank = blank
        self._kind = kind
        self._shelf = shelf
        self._record = TypeAdapter(type(blank))
        self._drafts: OrderedDict[DraftKey, tuple[T, float]] = OrderedDict()
        self._dropped: OrderedDict[DraftKey, tuple[T, float]] = OrderedDict()
        for key, content in shelf.load(kind).items() if shelf else ():
            with contextlib.suppress(ValidationError):  # an older studio wrote it
                self._drafts[key] = self._record.validate_json(content), 0.0

    def get(self, rater: str, about: Case | str) -> T:
        """Return what is known of a case or another subject."""
        return self._drafts.get(self._key(rater, about), (self._blank, 0.0))[0]

    def hear(self, rater: str, about: Case | str, draft: T, sent_ms: float = math.inf) -> None:
        """Keep a draft that the browser sent, unless a save has overtaken it.

        It would come back as if nothing were saved. Where the browser does not say when it sent it,
        it is known by its content.
        """
        dropped = self._dropped.get(self._key(rater, about))
        if dropped is None:
            self.put(rater, about, draft, sent_ms)
            return
        saved, saved_ms = dropped
        is_overtaken = draft == saved if math.isinf(sent_ms) else sent_ms <= saved_ms
        if not is_overtaken:
            self.put(rater, about, draft, sent_ms)

    def put(self, rater: str, about: Case | str, draft: T, sent_ms: float = math.inf) -> None:
        """Keep a draft, unless a later one is there; the oldest goes when there are many.

        Requests may overtake each other, so the browser says when it sent one (``sent_ms``, by its
        own clock); what the studio itself puts replaces anything.
        """
        key = self._key(rater, about)
        _, last_ms = self._drafts.get(key, (None, 0.0))
        if sent_ms < last_ms:
            return
        self._dropped.pop(key, None)
        self._drafts[key] = (draft, last_ms if math.isinf(sent_ms) else sent_ms)
        self._drafts.move_to_end(key)
        self._note(key, draft)
        while len(self._drafts) > _KEPT_DRAFTS:
            self._note(self._drafts.popitem(last=False)[0], None)

    def drop(self, rater: str, about: Case | str) -> None:
        """Forget a draft: it is saved now."""
        key = self._key(rater, about)
        draft = self._drafts.pop(key, None)
        if draft is None:
            return
        self._note(key, None)
        self._dropped[key] = draft
        while len(self._dropped) > _KEPT_DRAFTS:
            self._dropped.popitem(last=False)

    def _key(self, rater: str, about: Case | str) -> DraftKey:
        subject = about if isinstance(about, str) else about.comparison.pair_id
        return DraftKey(self._kind, rater, subject)

    def _note(self, key: DraftKey, draft: T | None) -> None:
        if self._shelf is None:
            return
        if draft is None or draft == self._blank:
            self._shelf.note(key, None)
        else:
            self._shelf.note(key, self._record.dump_json(draft).decode())
