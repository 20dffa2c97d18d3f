"""Watches runs: brings what they write into the database, and knows when the device is free."""

import logging
import threading
from collections.abc import Callable

from gem_backend import runner
from gem_backend.errors import GemError
from gem_backend.run_dir import RunDir
from storage import runs
from storage.database import Database
from storage.errors import StorageError

POLL_S = 0.5
logger = logging.getLogger(__name__)


class Supervisor:
    """One thread that follows every active run until its last word.

    Args:
        db: the open database.
        on_idle: called when the last active run has ended.
    """

    def __init__(self, db: Database, on_idle: Callable[[], None]) -> None:
        self._db = db
        self._on_idle = on_idle
        self._closed = threading.Event()
        self._has_run = False
        self._thread = threading.Thread(target=self._watch, name="run-supervisor", daemon=True)

    def start(self) -> None:
        """Catch up with what happened while the studio was closed, then keep watching."""
        self._has_run = self._follow()
        self._thread.start()

    def expect_run(self) -> None:
        """Say that a run was just started, so that its end counts even if nobody saw it at work."""
        self._has_run = True

    def close(self) -> None:
        """Stop watching; the runs go on."""
        self._closed.set()
        if self._thread.is_alive():
            self._thread.join(timeout=5)

    def active_runs(self) -> list[str]:
        """Return the runs, of all projects, whose workers are at work."""
        return [
            run_id
            for run_id in self._unfinished()
            if runner.observe(self.run_dir(run_id)).state in runner.ACTIVE
        ]

    def run_dir(self, run_id: str) -> RunDir:
        """Return a run's directory.

        Raises:
            NotFoundError: there is no such run.
        """
        return RunDir(runs.run_path(self._db, run_id))

    def _unfinished(self) -> list[str]:
        """Runs whose last word has not been read yet."""
        return runs.unfinished_runs(self._db, runner.ACTIVE)

    def _follow(self) -> bool:
        """Bring the news of every unfinished run in; return whether one is at work."""
        is_any_active = False
        for run_id in self._unfinished():
            try:
                is_any_active |= self._ingest(run_id)
            except (StorageError, GemError, OSError):
                logger.exception("The news of run %s could not be stored", run_id)
        return is_any_active

    def _ingest(self, run_id: str) -> bool:
        run = self.run_dir(run_id)
        status = runner.observe(run)
        if run.spec_file.exists():
            runs.ingest(self._db, run_id, run)
        else:
            runs.save_lost(self._db, run_id, status)
        return status.state in runner.ACTIVE

    def _watch(self) -> None:
        while not self._closed.wait(POLL_S):
            try:
                if not self._follow() and self._has_run:
                    self._has_run = False
                    self._on_idle()
            except Exception:
                logger.exception("Runs could not be followed; trying again")
