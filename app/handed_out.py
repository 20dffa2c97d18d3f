"""Which case is on whose screen, so that raters who label at the same time get different ones."""

import threading
import time
from collections.abc import Callable

from gem_backend.types import Case
from storage.turns import Turn

HOLD_S = 30 * 60.0  # ours: after that a rater is taken to have left


class HandedOut:
    """The case each rater was shown last, with its sides, in this process only."""

    def __init__(self) -> None:
        """Start with nobody."""
        self._held: dict[tuple[str, str], tuple[Case, float]] = {}
        self._called: dict[tuple[str, str], Case] = {}
        self._lock = threading.RLock()
        self._turn = threading.Lock()

    def hand_out(
        self, project_id: str, rater: str, choose: Callable[[dict[str, Case]], Turn]
    ) -> Turn:
        """Let ``choose`` find a rater's next case of a project, and note that they look at it now.

        Args:
            project_id: the project.
            rater: who asks; they look at no other case of the project any more.
            choose: told what other raters look at, by rater. Called by one rater after the other:
                raters who choose at the same time find the same case, and all but one in vain.
                Where somebody went back to that case meanwhile it is called again, so that no two
                are handed its last place or the same sides.
        """
        with self._turn:
            while True:
                before = self.by_others(project_id, rater)
                turn = choose(before)
                if turn.case is None:
                    return turn
                with self._lock:
                    now = self.by_others(project_id, rater)
                    if _num_showing(turn.case, now) <= _num_showing(turn.case, before):
                        self.hold(rater, turn.case)
                        return turn

    def hold(self, rater: str, case: Case) -> None:
        """Note that a rater looks at a case that they were not handed but went back to."""
        with self._lock:
            self._held[case.comparison.project_id, rater] = (case, time.monotonic() + HOLD_S)

    def call(self, rater: str, case: Case) -> None:
        """Note that a rater asked for a case: it comes before the one that they look at now."""
        with self._lock:
            self._called[case.comparison.project_id, rater] = case

    def take_called(self, project_id: str, rater: str) -> Case | None:
        """Return the case of a project that a rater asked for last; once."""
        with self._lock:
            return self._called.pop((project_id, rater), None)

    def by_others(self, project_id: str, rater: str) -> dict[str, Case]:
        """Return what other raters of a project look at, by rater."""
        now = time.monotonic()
        with self._lock:
            return {
                holder: case
                for (project, holder), (case, until) in self._held.items()
                if project == project_id and holder != rater and until > now
            }


def _num_showing(case: Case, shown: dict[str, Case]) -> int:
    return sum(one.comparison.pair_id == case.comparison.pair_id for one in shown.values())
