"""The same answers as another model reads them: every token's entropy under another adapter."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from app.kept import Kept
from app.records import TaskState
from app.tasks import Tasks
from gem_backend.config import PromptConfig
from gem_backend.engine import Engine, OnProgress
from gem_backend.engine_requests import RereadRequest
from gem_backend.types import Candidate
from storage import projects
from storage.database import Database


@dataclass(frozen=True, slots=True)
class Reading:
    """A group, in its order, under an adapter (a run id; None: the base model)."""

    adapter: str | None
    group: tuple[Candidate, ...]


@dataclass(frozen=True, eq=False)
class RereadingDesk:
    """What ``Studio`` does about it; thread-safe. Readings are kept until the studio ends."""

    db: Database
    engine: Engine
    tasks: Tasks
    _kept: Kept[Reading] = field(default_factory=Kept)

    def start(
        self,
        project_id: str,
        group: Sequence[Candidate],
        adapter: str | None,
        adapter_dir: str | None,
    ) -> TaskState:
        """Begin to read a group, of at least one candidate, under an adapter."""
        marker = projects.get_project(self.db, project_id).answer_marker
        request = RereadRequest(tuple(group), PromptConfig(answer_marker=marker), adapter_dir)

        def work(on_progress: OnProgress) -> None:
            read = tuple(self.engine.reread(request, on_progress))
            self._kept.keep(group, Reading(adapter, read))

        return self.tasks.start(_name(group), work, len(group))

    def state(self, group: Sequence[Candidate]) -> TaskState:
        """Return how that stands."""
        return self.tasks.state(_name(group)) if group else TaskState("idle")

    def reading(self, group: Sequence[Candidate]) -> Reading | None:
        """Return what was read of a group last."""
        return self._kept.find(group)


def _name(group: Sequence[Candidate]) -> str:
    ids = (one.candidate_id for one in group)
    return " ".join(("reread", *ids))  # a branch makes another group of it
