"""Answers that say the same in other words: asked for once, kept until the studio ends."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from app.kept import Kept
from app.records import TaskState
from app.tasks import Tasks
from gem_backend.engine import Engine, OnProgress
from gem_backend.engine_requests import MeaningRequest
from gem_backend.types import Candidate

Meanings = tuple[tuple[int, ...], ...]
"""The places of the answers in each group, the largest group first."""


@dataclass(frozen=True, eq=False)
class MeaningsDesk:
    """What ``Studio`` does about it; thread-safe."""

    engine: Engine
    tasks: Tasks
    _kept: Kept[Meanings] = field(default_factory=Kept)

    def start(self, group: Sequence[Candidate]) -> TaskState:
        """Begin to group the answers of at least one candidate by what they say."""
        request = MeaningRequest(tuple(one.answer for one in group))

        def work(_: OnProgress) -> None:
            self._kept.keep(group, tuple(self.engine.group_by_meaning(request)))

        return self.tasks.start(_name(group), work)

    def state(self, group: Sequence[Candidate]) -> TaskState:
        """Return how that stands."""
        return self.tasks.state(_name(group)) if group else TaskState("idle")

    def meanings(self, group: Sequence[Candidate]) -> Meanings | None:
        """Return the groups that were found; None where nobody asked."""
        return self._kept.find(group)


def _name(group: Sequence[Candidate]) -> str:
    return " ".join(("meaning", *(one.candidate_id for one in group)))
