"""Background work that outlives a page: started by a handler, polled by whoever looks."""

import logging
import threading
from collections.abc import Callable
from dataclasses import replace
from typing import Literal

from app.records import TaskState
from gem_backend.engine import STOPPED, OnProgress
from gem_backend.errors import Stopped

logger = logging.getLogger(__name__)

Work = Callable[[OnProgress], None]
Ended = Literal["done", "stopped", "failed"]


class Tasks:
    """Named pieces of work, one thread each; at most one of a name runs at a time."""

    def __init__(self) -> None:
        self._states: dict[str, TaskState] = {}
        self._to_stop: set[str] = set()
        self._lock = threading.Lock()

    def start(self, name: str, work: Work, total: int = 0, most_tokens: int = 0) -> TaskState:
        """Start work under a name, or return the state of the one that runs under it.

        Args:
            name: of the work.
            work: what is to be done.
            total: of how many pieces, as far as that is known.
            most_tokens: how many a candidate may have, where candidates are sampled.
        """
        with self._lock:
            if self._is_running(name):
                return self._states[name]
            self._to_stop.discard(name)
            serial = self._states.get(name, TaskState("idle")).serial + 1
            self._states[name] = TaskState(
                "running", 0, total, most_tokens=most_tokens, serial=serial
            )
        threading.Thread(target=self._carry, args=(name, work), daemon=True).start()
        return self.state(name)

    def state(self, name: str) -> TaskState:
        """Return how the work of that name stands, or ended last."""
        with self._lock:
            return self._states.get(name, TaskState("idle"))

    def is_any_running(self, prefix: str) -> bool:
        """Whether any work whose name begins so is under way."""
        with self._lock:
            return any(
                state.state == "running"
                for name, state in self._states.items()
                if name.startswith(prefix)
            )

    def stop(self, name: str) -> None:
        """Ask the work of that name to end; it does at the next word of its progress."""
        with self._lock:
            if self._is_running(name):
                self._to_stop.add(name)

    def _is_running(self, name: str) -> bool:
        state = self._states.get(name)
        return state is not None and state.state == "running"

    def _carry(self, name: str, work: Work) -> None:
        def told(done: int, total: int, tokens: tuple[int, ...] = ()) -> None:
            before = self.state(name)
            self._set(name, replace(before, done=done, total=total, tokens=tokens))
            if name in self._to_stop:
                raise Stopped(STOPPED)

        try:
            work(told)
            self._end(name, "done")
        except Stopped:
            self._end(name, "stopped")
        except Exception as error:
            # A thread's last chance: what it could not do is shown to whoever asks for the state.
            message = getattr(error, "message", "")
            if not message:
                logger.exception("Background work '%s' failed", name)
            self._end(name, "failed", message or UNEXPECTED)

    def _end(self, name: str, state: Ended, error: str = "") -> None:
        self._set(name, TaskState(state, error=error, serial=self.state(name).serial))

    def _set(self, name: str, state: TaskState) -> None:
        with self._lock:
            self._states[name] = state


UNEXPECTED = "Something unexpected went wrong; the studio's log has the details."
