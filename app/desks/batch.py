"""The studio's use cases around sampling a whole project, one prompt after the other.

Nothing but the stored groups says what is done: a batch that was stopped, or killed, goes on with
the prompts that have none.
"""

import statistics
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

from app.desks.sampling import SamplingDesk
from app.records import TaskState
from app.tasks import Tasks
from app.text import batch as say
from gem_backend.config import SamplingConfig
from gem_backend.engine import BUSY, OnProgress
from gem_backend.errors import DataError, GemError, ModelLoadError, Stopped
from storage import projects, unsampled
from storage.database import Database

NUM_TIMED = 20  # ours: enough for a steady median, few enough to follow a machine that slows down
FEWEST_TIMED = 2


@dataclass(frozen=True, slots=True)
class BatchState:
    """How the sampling of a whole project stands, or how it ended.

    ``num_sampled`` of ``num_prompts`` have answers of the model that ``adapter`` (a run id, None
    for the base) names; ``num_failed`` could not be sampled, the first of them for ``reason``.
    ``eta_s`` is None until it is known. ``error`` says why it came to an end of its own.
    """

    state: Literal["idle", "running", "done", "stopped", "failed"] = "idle"
    num_sampled: int = 0
    num_prompts: int = 0
    num_failed: int = 0
    reason: str = ""
    eta_s: float | None = None
    error: str = ""
    adapter: str | None = None


@dataclass(frozen=True, slots=True)
class _Job:
    """What every prompt of a batch is sampled with."""

    project_id: str
    config: SamplingConfig
    adapter: str | None
    adapter_dir: str | None


@dataclass(frozen=True, eq=False)
class BatchDesk:
    """What ``Studio`` does about sampling a whole project; thread-safe.

    ``model`` is the name by which candidates know the studio's model, ``clock`` gives seconds.
    """

    db: Database
    sampling: SamplingDesk
    tasks: Tasks
    model: str
    clock: Callable[[], float] = time.monotonic
    seen: dict[str, BatchState] = field(default_factory=dict)
    lock: threading.RLock = field(default_factory=threading.RLock)

    def start(
        self, project_id: str, config: SamplingConfig, adapter: str | None, adapter_dir: str | None
    ) -> BatchState:
        """Begin to sample a group for each prompt that the model has not answered.

        Where a batch of the project runs already it goes on as it is.

        Args:
            project_id: the project.
            config: number, temperature and seed, the same for every prompt.
            adapter: a run id, None for the base model.
            adapter_dir: the folder of that adapter.

        Raises:
            DataError: there is no such prompt.
        """
        job = _Job(project_id, config, adapter, adapter_dir)
        with self.lock:
            if self.state(project_id).state == "running":
                return self.state(project_id)
            waiting = unsampled.unsampled_prompts(self.db, project_id, self.model, adapter)
            if not waiting:
                raise DataError(say.NOTHING_TO_SAMPLE)
            counts = self.counts(project_id, adapter)
            self.seen[project_id] = BatchState("running", *counts, adapter=adapter)
            self.tasks.start(_task(project_id), lambda told: self._sample(job, waiting, told))
            return self.state(project_id)

    def state(self, project_id: str) -> BatchState:
        """Return how that stands; looks nothing up in the database."""
        with self.lock:
            task = self.tasks.state(_task(project_id))
            return _joined(self.seen.get(project_id, BatchState()), task)

    def counts(self, project_id: str, adapter: str | None) -> tuple[int, int]:
        """Return how many prompts the model has answered, and how many there are to answer."""
        return unsampled.count_sampled(self.db, project_id, self.model, adapter)

    def stop(self, project_id: str) -> None:
        """End it; the group under way is not kept, all others are."""
        self.tasks.stop(_task(project_id))

    def close(self) -> None:
        """End every batch."""
        for project_id in list(self.seen):
            self.stop(project_id)

    def _sample(self, job: _Job, waiting: Sequence[str], told: OnProgress) -> None:
        now = self.seen[job.project_id]
        times_s: deque[float] = deque(maxlen=NUM_TIMED)
        for place, prompt_id in enumerate(waiting, start=1):
            told(place, len(waiting))  # ends it, where that was asked for between two prompts
            started_s = self.clock()
            # Somebody may have sampled it by hand meanwhile.
            is_there = unsampled.is_sampled(self.db, prompt_id, self.model, job.adapter)
            reason = "" if is_there else self._sample_one(job, prompt_id, told)
            if reason:
                now = replace(now, num_failed=now.num_failed + 1, reason=now.reason or reason)
            else:
                now = replace(now, num_sampled=now.num_sampled + 1)
            if not (is_there or reason):
                times_s.append(self.clock() - started_s)
            now = replace(now, eta_s=_eta_s(times_s, len(waiting) - place))
            self.seen[job.project_id] = now

    def _sample_one(self, job: _Job, prompt_id: str, told: OnProgress) -> str:
        """Store a group of a prompt; return why that cannot be, empty where it is done.

        Raises:
            GemError: no other prompt can be sampled either.
        """
        prompt = projects.get_prompt(self.db, prompt_id)
        try:
            self.sampling.sample_group(prompt, job.config, job.adapter_dir, told)
        except (ModelLoadError, Stopped):
            raise
        except GemError as error:
            if error.message == BUSY:
                raise
            return error.message
        return ""


def _eta_s(times_s: Sequence[float], num_left: int) -> float | None:
    """How long the prompts that are left take, as the last ones did; None while few are timed."""
    if len(times_s) < FEWEST_TIMED:
        return None
    return statistics.median(times_s) * num_left


def _joined(seen: BatchState, task: TaskState) -> BatchState:
    """What was counted, with how the work itself stands."""
    eta_s = seen.eta_s if task.state == "running" else None
    return replace(seen, state=task.state, error=task.error, eta_s=eta_s)


def _task(project_id: str) -> str:
    return f"sample all {project_id}"
