"""Background work that outlives a page: started by a handler, polled by whoever looks."""

import logging
import threading
from collections.abc import Callable

from app.records import TaskState
from gem_backend.engine import OnProgress

logger = logging.getLogger(__name__)

Work = Callable[[OnProgress], None]


class Tasks:
    """Named pieces of work, one thread each; at most one of a name runs at a time."""

    def __init__(self) -> None:
        self._states: dict[str, TaskState] = {}
        self._lock = threading.Lock()

    def start(self, name: str, work: Work, total: int = 0) -> TaskState:
        """Start work under a name, or return the state of the one that runs under it."""
        with self._lock:
            state = self._states.get(name)
            if state is not None and state.state == "running":
                return state
            self._states[name] = TaskState("running", 0, total)
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

    def _carry(self, name: str, work: Work) -> None:
        try:
            work(lambda done, total: self._set(name, TaskState("running", done, total)))
            self._set(name, TaskState("done"))
        except Exception as error:
            # A thread's last chance: what it could not do is shown to whoever asks for the state.
            message = getattr(error, "message", "")
            if not message:
                logger.exception("Background work '%s' failed", name)
            self._set(name, TaskState("failed", error=message or UNEXPECTED))

    def _set(self, name: str, state: TaskState) -> None:
        with self._lock:
            self._states[name] = state


UNEXPECTED = "Something unexpected went wrong; the studio's log has the details."
