"""The engine: one warm model in a child process, for sampling and scoring while people look on.

``Engine`` is the torch-free client that the studio holds. The child's exit is what frees the
device, so a run can have it: ``hold`` ends the child and keeps it away until ``let_go``; the next
request starts a new one. The child ends with its parent: the pipe closes.
"""

import logging
import multiprocessing
import os
import signal
import threading
from dataclasses import dataclass
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Protocol, Self, cast

from gem_backend.engine_requests import (
    BranchRequest,
    MeaningRequest,
    Request,
    RereadRequest,
    SampleRequest,
    ScoredAnswer,
    ScoreRequest,
)
from gem_backend.errors import EngineError, GemError, Stopped, is_out_of_memory
from gem_backend.in_turn import InTurn
from gem_backend.types import Candidate

if TYPE_CHECKING:
    from multiprocessing.context import ForkServerContext, SpawnContext

logger = logging.getLogger("gem_backend.engine")


class OnProgress(Protocol):
    """Told how far work is; raising ``Stopped`` ends it, and the engine is ready for the next."""

    def __call__(self, done: int, total: int, tokens: tuple[int, ...] = ()) -> None:
        """Take how much is done, of how much, and the tokens of each candidate where known."""
        ...


Device = Literal["auto", "cpu", "cuda"]
# The studio has threads, which a plain fork would break.
PROCESSES: "SpawnContext | ForkServerContext" = multiprocessing.get_context("spawn")
STOPPED = "Stopped."
BUSY = "A run has the model now; sampling is back when it ends."


@dataclass(frozen=True, slots=True)
class EngineConfig:
    """Which model the engine holds, and where; ``sentence_model`` is a folder, None for none.

    ``gpu`` names the one GPU that it is to see, "" for all.
    """

    model: str
    device: Device = "auto"
    trust_remote_code: bool = False
    sentence_model: Path | None = None
    gpu: str = ""


@dataclass(frozen=True, slots=True)
class _Progress:
    """How far a request is; ``tokens`` counts those of each candidate, where they are known."""

    done: int
    total: int
    tokens: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class _Stop:
    """Ends the request under way; without one it means nothing."""


@dataclass(frozen=True, slots=True)
class _Child:
    process: BaseProcess
    pipe: Connection

    @classmethod
    def start(cls, config: EngineConfig) -> Self:
        ours, theirs = PROCESSES.Pipe()
        with theirs:
            process = PROCESSES.Process(
                target=serve, args=(theirs, config), name="gem-engine", daemon=True
            )
            process.start()
        return cls(process, ours)


class Engine:
    """A client of the engine process; thread-safe, one request at a time, first come, first served.

    Args:
        config: the model and the device.
        timeout_s: the longest silence of the child that is not taken for its death.
    """

    def __init__(self, config: EngineConfig, timeout_s: float = 600.0) -> None:
        self.config = config
        self._timeout_s = timeout_s
        self._turn = InTurn()  # held for a whole request
        self._switch = threading.Lock()  # held to start or end the child, never while it works
        self._child: _Child | None = None
        self._is_held = False
        self._num_released = 0

    @property
    def pid(self) -> int | None:
        """The child's process id, None while there is none."""
        child = self._child
        return child.process.pid if child and child.process.is_alive() else None

    @property
    def is_held(self) -> bool:
        """Whether a run has the device."""
        return self._is_held

    def warm_up(self) -> None:
        """Start the child and load the model, so that the first request is quick."""
        self._ask(None, None)

    def sample(
        self, request: SampleRequest, on_progress: OnProgress | None = None
    ) -> list[list[Candidate]]:
        """Sample and score candidates; one group per prompt, in order.

        Raises:
            EngineError: the child died or fell silent, or the device is held for a run.
            GemError: whatever the child could say about the model or the request.
        """
        return cast(list[list[Candidate]], self._ask(request, on_progress))

    def score(
        self, request: ScoreRequest, on_progress: OnProgress | None = None
    ) -> list[ScoredAnswer | None]:
        """Score written answers, in order; None for one that is empty or too long for the model.

        Raises:
            EngineError: the child died or fell silent, or the device is held for a run.
            GemError: whatever the child could say about the model or the request.
        """
        return cast(list[ScoredAnswer | None], self._ask(request, on_progress))

    def branch(
        self, request: BranchRequest, on_progress: OnProgress | None = None
    ) -> list[Candidate]:
        """Sample and score other ways to go on from a token of a candidate.

        Raises:
            EngineError: the child died or fell silent, or the device is held for a run.
            GemError: whatever the child could say about the model or the request.
        """
        return cast(list[Candidate], self._ask(request, on_progress))

    def reread(
        self, request: RereadRequest, on_progress: OnProgress | None = None
    ) -> list[Candidate]:
        """Return the same tokens with what another adapter, or the base model, says of each.

        Raises:
            EngineError: the child died or fell silent, or the device is held for a run.
            GemError: whatever the child could say about the model or the request.
        """
        return cast(list[Candidate], self._ask(request, on_progress))

    def group_by_meaning(self, request: MeaningRequest) -> list[tuple[int, ...]]:
        """Return the places of the answers that say the same, the largest group first.

        Raises:
            EngineError: the child died or fell silent, or the device is held for a run.
            ModelLoadError: there is no sentence model, or it cannot be loaded.
        """
        return cast(list[tuple[int, ...]], self._ask(request, None))

    def release(self) -> None:
        """End the child at once; requests under way or waiting fail, later ones start a new one."""
        with self._switch:
            self._num_released += 1
            self._end()

    def hold(self) -> None:
        """End the child and refuse every request until ``let_go``, so that a run has the device.

        No child is left when this returns, and none starts.
        """
        with self._switch:
            self._is_held = True
            self._num_released += 1
            self._end()

    def let_go(self) -> None:
        """Take requests again; the next one starts a new child."""
        with self._switch:
            self._is_held = False

    def _end(self) -> None:
        child, self._child = self._child, None
        if child is not None:
            # Its pipe closes with the last reference: a thread may be reading it right now.
            child.process.kill()
            child.process.join()

    def _discard(self) -> None:
        with self._switch:
            self._end()

    def _ask(self, request: Request | None, on_progress: OnProgress | None) -> list[object]:
        num_released = self._num_released
        with self._turn:
            pipe = self._open_pipe(num_released)
            try:
                pipe.send(request)
                reply = self._await_reply(pipe, on_progress)
            except Stopped:
                self._stop(pipe)
                raise
            except (EOFError, OSError) as error:
                self._discard()
                raise self._stopped() from error
            except BaseException:
                self._discard()  # else its answer would be taken for that of the next request
                raise
            if isinstance(reply, EngineError):
                self._discard()  # an unknown failure may leave the model half changed
        if isinstance(reply, GemError):
            raise reply
        return reply

    def _open_pipe(self, num_released: int) -> Connection:
        """Return the pipe to a living child; a request older than a release gets none."""
        with self._switch:
            if self._is_held or num_released != self._num_released:
                raise self._stopped()
            if self._child is None or not self._child.process.is_alive():
                self._child = _Child.start(self.config)
            return self._child.pipe

    def _stopped(self) -> EngineError:
        if self._is_held:
            return EngineError(BUSY, "Busy")
        return EngineError("The model engine stopped before it answered.")

    def _await_reply(
        self, pipe: Connection, on_progress: OnProgress | None
    ) -> list[object] | GemError:
        while pipe.poll(self._timeout_s):
            reply = pipe.recv()
            if isinstance(reply, GemError):
                return reply
            if not isinstance(reply, _Progress):
                return list(reply)
            if on_progress is not None:
                on_progress(reply.done, reply.total, reply.tokens)
        raise EngineError(f"The model engine was silent for {self._timeout_s:.0f} seconds.")

    def _stop(self, pipe: Connection) -> None:
        """End the request under way and leave the child ready, its last words read."""
        try:
            pipe.send(_Stop())
            self._await_reply(pipe, None)
        except (EOFError, OSError, EngineError):
            self._discard()


def serve(pipe: Connection, config: EngineConfig) -> None:
    """The child's loop: load the model once, answer until the parent is gone."""
    # Ctrl-C in a terminal reaches this process too; the studio ends it, without a trace on screen.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if config.gpu:
        os.environ["CUDA_VISIBLE_DEVICES"] = config.gpu
    from gem_backend.engine_model import EngineModel  # noqa: PLC0415 - torch lives in the child only

    def told(done: int, total: int, tokens: tuple[int, ...] = ()) -> None:
        pipe.send(_Progress(done, total, tokens))
        if pipe.poll() and isinstance(pipe.recv(), _Stop):
            raise Stopped(STOPPED)

    model: EngineModel | None = None
    while True:
        try:
            request = pipe.recv()
        except EOFError:
            return
        if isinstance(request, _Stop):
            continue  # what it was to end had ended by itself
        try:
            model = model or EngineModel(config)
            pipe.send([] if request is None else model.answer(request, told))
        except GemError as error:
            pipe.send(error)
        except Exception as error:
            logger.exception("The engine could not answer")
            pipe.send(_explained(error))


def _explained(error: Exception) -> GemError:
    if is_out_of_memory(error):
        return EngineError(
            "The device ran out of memory. Sample fewer candidates or shorter answers.",
            "Out of memory",
        )
    return EngineError("The model engine met an unexpected error; the log has the details.")
