"""Writing drafts down a moment after they were typed, so that no key waits for the disk."""

import logging
import threading

from storage.database import Database
from storage.drafts import DraftKey, load_drafts, write_drafts
from storage.errors import StorageError

DELAY_S = 1.0  # ours: what a studio that is killed may lose

_log = logging.getLogger(__name__)


class DraftsDesk:
    """The drafts of all forms, in the database; thread-safe.

    Args:
        db: the open database.
    """

    def __init__(self, db: Database) -> None:
        self._db = db
        self._news: dict[DraftKey, str | None] = {}
        self._lock = threading.Lock()
        self._writing = threading.Lock()
        self._timer: threading.Timer | None = None

    def load(self, kind: str) -> dict[DraftKey, str]:
        """Return what is kept of a form, the oldest first."""
        return load_drafts(self._db, kind)

    def note(self, key: DraftKey, content: str | None) -> None:
        """Keep a draft, or drop it (None), within ``DELAY_S``."""
        with self._lock:
            self._news[key] = content
            if self._timer is None:
                self._timer = threading.Timer(DELAY_S, self.write)
                self._timer.daemon = True
                self._timer.start()

    def write(self) -> None:
        """Write what is new at once; where the disk refuses, with the next that is typed."""
        with self._writing:
            with self._lock:
                news, self._news, self._timer = self._news, {}, None
            try:
                write_drafts(self._db, news)
            except StorageError:
                _log.exception("drafts could not be written")
                with self._lock:
                    self._news = news | self._news

    def close(self) -> None:
        """Write what is left."""
        with self._lock:
            if self._timer is not None:
                self._timer.cancel()
        self.write()
