"""Watches runs: brings what they write into the database, and knows when a device is free."""

import logging
import threading
from collections.abc import Callable

from app.devices import Devices, Line
from gem_backend import runner
from gem_backend.errors import GemError
from gem_backend.run_dir import RunDir
from gem_backend.types import RunStatus
from storage import runs
from storage.database import Database
from storage.errors import StorageError

POLL_S = 0.5
logger = logging.getLogger(__name__)


class Supervisor:
    """One thread that follows every run until its last word, and hands the device on.

    Args:
        db: the open database.
        devices: of this machine.
        on_free: called when a run has given its device back, or one waits that could begin.
    """

    def __init__(self, db: Database, devices: Devices, on_free: Callable[[], None]) -> None:
        self._db = db
        self.devices = devices
        self._on_free = on_free
        self._closed = threading.Event()
        self._at_work: set[str] = set()  # as far as anybody has seen or said
        self._thread = threading.Thread(target=self._watch, name="run-supervisor", daemon=True)

    def start(self) -> None:
        """Catch up with what happened while the studio was closed, then keep watching."""
        self._at_work |= Line.of(self.devices, self._follow()).at_work.keys()
        self._thread.start()

    def expect_run(self, run_id: str) -> None:
        """Say that a run was just started, so that its end counts even if nobody saw it at work."""
        self._at_work.add(run_id)

    def close(self) -> None:
        """Stop watching; the runs go on."""
        self._closed.set()
        if self._thread.is_alive():
            self._thread.join(timeout=5)

    def active(self) -> dict[str, RunStatus]:
        """Return how the runs stand, of all projects, that wait or are at work, here or not."""
        observed = {run_id: runner.observe(self.run_dir(run_id)) for run_id in self._unfinished()}
        return {
            run_id: status for run_id, status in observed.items() if status.state in runner.ACTIVE
        }

    def line(self) -> Line:
        """Return which runs, of all projects, are at work here and which wait."""
        return Line.of(self.devices, self.active())

    def run_dir(self, run_id: str) -> RunDir:
        """Return a run's directory.

        Raises:
            NotFoundError: there is no such run.
        """
        return RunDir(runs.run_path(self._db, run_id))

    def _unfinished(self) -> list[str]:
        """Runs whose last word has not been read yet."""
        return runs.unfinished_runs(self._db, runner.ACTIVE)

    def _follow(self) -> dict[str, RunStatus]:
        """Bring the news of every unfinished run in; return how they stand."""
        found = {}
        for run_id in self._unfinished():
            try:
                found[run_id] = self._ingest(run_id)
            except (StorageError, GemError, OSError):
                logger.exception("The news of run %s could not be stored", run_id)
        return found

    def _ingest(self, run_id: str) -> RunStatus:
        run = self.run_dir(run_id)
        status = runner.observe(run)
        if run.spec_file.exists():
            runs.ingest(self._db, run_id, run)
        else:
            runs.save_lost(self._db, run_id, status)
        return status

    def _look(self) -> None:
        before = set(self._at_work)
        line = Line.of(self.devices, self._follow())
        ended = before - line.at_work.keys()
        self._at_work -= ended
        self._at_work |= line.at_work.keys()
        if ended or line.can_begin:
            self._on_free()

    def _watch(self) -> None:
        while not self._closed.wait(POLL_S):
            try:
                self._look()
            except Exception:
                logger.exception("Runs could not be followed; trying again")
