"""Which case is on whose screen, so that raters who label at the same time get different ones."""

import threading
import time
from collections.abc import Callable

from storage.pairs import Turn

HOLD_S = 30 * 60.0  # ours: after that a rater is taken to have left


class HandedOut:
    """The case each rater was shown last, in this process only: a restart forgets it."""

    def __init__(self) -> None:
        """Start with nobody."""
        self._held: dict[tuple[str, str], tuple[str, float]] = {}
        self._lock = threading.RLock()

    def hand_out(self, project_id: str, rater: str, choose: Callable[[list[str]], Turn]) -> Turn:
        """Let ``choose`` find a rater's next case of a project, and note that they look at it now.

        Args:
            project_id: the project.
            rater: who asks; they look at no other case of the project any more.
            choose: told the pairs that other raters look at, each as often as there are such
                raters. Raters choose at the same time; who was handed a case that somebody else
                got meanwhile chooses again, so that no two are handed its last place.
        """
        while True:
            with self._lock:
                before = self._by_others(project_id, rater)
            turn = choose(before)
            if turn.case is None:
                return turn
            pair_id = turn.case.comparison.pair_id
            with self._lock:
                if self._by_others(project_id, rater).count(pair_id) <= before.count(pair_id):
                    self.hold(project_id, rater, pair_id)
                    return turn

    def hold(self, project_id: str, rater: str, pair_id: str) -> None:
        """Note that a rater looks at a case that they were not handed but went back to."""
        with self._lock:
            self._held[project_id, rater] = (pair_id, time.monotonic() + HOLD_S)

    def _by_others(self, project_id: str, rater: str) -> list[str]:
        now = time.monotonic()
        return [
            pair_id
            for (project, holder), (pair_id, until) in self._held.items()
            if project == project_id and holder != rater and until > now
        ]
