"""Which case is on whose screen, so that raters who label at the same time get different ones."""

import threading
import time

HOLD_S = 30 * 60.0  # ours: after that a rater is taken to have left


class HandedOut:
    """The case each rater was shown last, in this process only: a restart forgets it."""

    def __init__(self) -> None:
        """Start with nobody."""
        self._held: dict[tuple[str, str], tuple[str, float]] = {}
        self._lock = threading.Lock()

    def hold(self, project_id: str, rater: str, pair_id: str) -> None:
        """Note that a rater looks at a case of a project now, and at no other of it."""
        with self._lock:
            self._held[project_id, rater] = (pair_id, time.monotonic() + HOLD_S)

    def by_others(self, project_id: str, rater: str) -> list[str]:
        """Return the cases that other raters look at, each as often as there are such raters."""
        now = time.monotonic()
        with self._lock:
            return [
                pair_id
                for (project, holder), (pair_id, until) in self._held.items()
                if project == project_id and holder != rater and until > now
            ]
