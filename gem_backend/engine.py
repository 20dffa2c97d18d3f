"""The engine: one warm model in a child process, for sampling while people look on.

``Engine`` is the torch-free client that the studio holds. The child's exit is what frees the
device, so a run can have it; the next request starts a new child. The child ends with its parent:
the pipe closes.
"""

import logging
import multiprocessing
import threading
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from typing import Literal

from gem_backend.config import PromptConfig, SamplingConfig
from gem_backend.errors import EngineError, GemError
from gem_backend.types import Candidate

logger = logging.getLogger("gem_backend.engine")

OnProgress = Callable[[int, int], None]
Device = Literal["auto", "cpu", "cuda"]


@dataclass(frozen=True, slots=True)
class EngineConfig:
    """Which model the engine holds, and where."""

    model: str
    device: Device = "auto"
    trust_remote_code: bool = False


@dataclass(frozen=True, slots=True)
class SampleRequest:
    """Candidates for each prompt; ``adapter_dir`` None means the base model."""

    prompts: tuple[str, ...]
    sampling: SamplingConfig
    prompt_config: PromptConfig
    adapter_dir: str | None = None


@dataclass(frozen=True, slots=True)
class _Progress:
    done: int
    total: int


class Engine:
    """A client of the engine process; thread-safe, one request at a time.

    Args:
        config: the model and the device.
        timeout_s: the longest silence of the child that is not taken for its death.
    """

    def __init__(self, config: EngineConfig, timeout_s: float = 600.0) -> None:
        self.config = config
        self._timeout_s = timeout_s
        self._lock = threading.Lock()
        self._process: BaseProcess | None = None
        self._pipe: Connection | None = None

    @property
    def pid(self) -> int | None:
        """The child's process id, None while there is none."""
        return self._process.pid if self._process and self._process.is_alive() else None

    def warm_up(self) -> None:
        """Start the child and load the model, so that the first request is quick."""
        self._ask(None, None)

    def sample(
        self, request: SampleRequest, on_progress: OnProgress | None = None
    ) -> list[list[Candidate]]:
        """Sample and score candidates; one group per prompt, in order.

        Raises:
            EngineError: the child died or fell silent.
            GemError: whatever the child could say about the model or the request.
        """
        return self._ask(request, on_progress)

    def release(self) -> None:
        """End the child at once, which frees the device; a request under way fails."""
        process, pipe = self._process, self._pipe
        self._process = self._pipe = None
        if process is not None:
            process.kill()
            process.join(timeout=10)
        if pipe is not None:
            pipe.close()

    def _ask(
        self, request: SampleRequest | None, on_progress: OnProgress | None
    ) -> list[list[Candidate]]:
        with self._lock:
            pipe = self._started()
            try:
                pipe.send(request)
                return self._await_reply(pipe, on_progress)
            except (EOFError, OSError) as error:
                self.release()
                raise EngineError("The model engine stopped before it answered.") from error

    def _started(self) -> Connection:
        if self._process is None or not self._process.is_alive() or self._pipe is None:
            self.release()
            context = multiprocessing.get_context("spawn")
            self._pipe, theirs = context.Pipe()
            self._process = context.Process(
                target=serve, args=(theirs, self.config), name="gem-engine", daemon=True
            )
            self._process.start()
            theirs.close()
        return self._pipe

    def _await_reply(
        self, pipe: Connection, on_progress: OnProgress | None
    ) -> list[list[Candidate]]:
        while pipe.poll(self._timeout_s):
            reply = pipe.recv()
            if isinstance(reply, _Progress):
                if on_progress is not None:
                    on_progress(reply.done, reply.total)
            elif isinstance(reply, GemError):
                raise reply
            else:
                return list(reply)
        self.release()
        raise EngineError(f"The model engine was silent for {self._timeout_s:.0f} seconds.")


def serve(pipe: Connection, config: EngineConfig) -> None:
    """The child's loop: load the model once, answer until the parent is gone."""
    from gem_backend.engine_model import EngineModel  # noqa: PLC0415 - torch lives in the child only

    model: EngineModel | None = None
    while True:
        try:
            request = pipe.recv()
        except (EOFError, KeyboardInterrupt):
            return
        try:
            model = model or EngineModel(config)
            if request is None:
                pipe.send([])
                continue
            pipe.send(model.sample(request, lambda done, total: pipe.send(_Progress(done, total))))
        except GemError as error:
            pipe.send(error)
        except Exception as error:
            logger.exception("The engine could not answer")
            pipe.send(_explained(error))


def _explained(error: Exception) -> GemError:
    if "out of memory" in str(error).lower():
        return EngineError(
            "The device ran out of memory. Sample fewer candidates or shorter answers.",
            "Out of memory",
        )
    return EngineError("The model engine met an unexpected error; the log has the details.")
