"""The run worker's voice: events, and a status with a heartbeat, into the run directory.

Where several processes carry a run, the first one speaks.
"""

import logging
import os
import socket
import threading
import time
from dataclasses import replace

import psutil
from filelock import FileLock, Timeout

from gem_backend.errors import RunDirError
from gem_backend.run_dir import EventLog, RunDir
from gem_backend.types import EventKind, RunState, RunStatus

HEARTBEAT_S = 2.0
RESERVE_BYTES = 64 * 1024
LOCK_TIMEOUT_S = 5.0  # whoever looks whether the lock is held has it for a moment
logger = logging.getLogger(__name__)


class Reporter:
    """Tells the world about a run, and holds the lock that makes this the run's one worker.

    Args:
        run: the run directory.

    Raises:
        RunDirError: another worker has the run.
    """

    def __init__(self, run: RunDir) -> None:
        self.run = run
        self._worker_lock = FileLock(run.lock_file, timeout=LOCK_TIMEOUT_S)
        try:
            self._worker_lock.acquire()
        except Timeout as error:
            raise RunDirError("Another worker has this run.") from error
        for unfinished in run.path.glob(".*.tmp"):  # of a worker that was killed while it wrote
            unfinished.unlink()
        self._log = EventLog(run)
        self._reserve = run.path / "reserve"
        self._reserve.write_bytes(bytes(RESERVE_BYTES))
        self._lock = threading.Lock()
        self._closed = threading.Event()
        earlier = run.status()
        self._status = replace(
            earlier,
            state="running",
            pid=os.getpid(),
            process_create_time=psutil.Process().create_time(),
            host=socket.gethostname(),
            message="",
        )
        self._write()
        threading.Thread(target=self._beat, daemon=True).start()

    def event(self, kind: EventKind, step: int, **data: object) -> None:
        """Append one event; the status keeps the step."""
        with self._lock:
            self._log.append(kind, step, **data)
            self._status = replace(self._status, step=step)

    def say(self, message: str, total_steps: int | None = None) -> None:
        """Say in plain words what the run does now."""
        total = self._status.total_steps if total_steps is None else total_steps
        with self._lock:
            self._status = replace(self._status, message=message, total_steps=total)
        self._write()
        logger.info(message)

    def is_stop_requested(self) -> bool:
        """Whether the run should save and stop now."""
        return self.run.is_stop_requested()

    def end(self, state: RunState, message: str) -> None:
        """Write the last word and stop the heartbeat."""
        self._closed.set()
        with self._lock:
            self._status = replace(self._status, state=state, message=message)
        self._write()
        self._log.close()
        self.free_reserve()
        self._worker_lock.release()

    def free_reserve(self) -> None:
        """Give up the space that was kept, so that the last word fits on a full disk."""
        self._reserve.unlink(missing_ok=True)

    @property
    def status(self) -> RunStatus:
        """The status as last written."""
        return self._status

    def _beat(self) -> None:
        while not self._closed.wait(HEARTBEAT_S):
            try:
                self._write()
            except OSError:
                logger.exception("The heartbeat could not be written")

    def _write(self) -> None:
        with self._lock:
            if self._status.state == "running" and self.run.is_stop_requested():
                self._status = replace(self._status, state="stopping")
            self._status = replace(self._status, heartbeat=time.time())
            self.run.write_status(self._status)


class SilentReporter(Reporter):
    """The voice of a process beside the first: it says nothing and holds no lock.

    Args:
        run: the run directory, whose stop flag it reads.
    """

    def __init__(self, run: RunDir) -> None:
        self.run = run
        self._status = RunStatus(state="running")

    def event(self, kind: EventKind, step: int, **data: object) -> None:
        """Keep the step."""
        self._status = replace(self._status, step=step)

    def say(self, message: str, total_steps: int | None = None) -> None:
        """Leave it to the first process."""

    def end(self, state: RunState, message: str) -> None:
        """Leave it to the first process."""

    def free_reserve(self) -> None:
        """Have none."""
