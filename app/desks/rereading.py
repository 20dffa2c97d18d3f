"""The same answers as another model reads them: every token's entropy under another adapter."""

import threading
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field

from app.records import TaskState
from app.tasks import Tasks
from gem_backend.config import PromptConfig
from gem_backend.engine import Engine, OnProgress, RereadRequest
from gem_backend.types import Candidate
from storage import projects
from storage.database import Database

MOST_KEPT = 16  # ours: groups; another one is read again in seconds

_Key = tuple[str, ...]


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
    _readings: OrderedDict[_Key, Reading] = field(default_factory=OrderedDict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

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
            read = Reading(adapter, tuple(self.engine.reread(request, on_progress)))
            with self._lock:
                self._readings[_key(group)] = read
                while len(self._readings) > MOST_KEPT:
                    self._readings.popitem(last=False)

        return self.tasks.start(_name(group), work, len(group))

    def state(self, group: Sequence[Candidate]) -> TaskState:
        """Return how that stands."""
        return self.tasks.state(_name(group)) if group else TaskState("idle")

    def reading(self, group: Sequence[Candidate]) -> Reading | None:
        """Return what was read of a group last."""
        with self._lock:
            return self._readings.get(_key(group))


def _key(group: Sequence[Candidate]) -> _Key:
    return tuple(one.candidate_id for one in group)


def _name(group: Sequence[Candidate]) -> str:
    return " ".join(("reread", *_key(group)))  # a branch makes another group of it
