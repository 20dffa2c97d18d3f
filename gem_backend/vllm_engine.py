"""Tokens drawn by vLLM in a child process of the run; this is the client.

The adapter travels as a folder, see ``handed_adapter``.
"""

import contextlib
import logging
import multiprocessing
import os
from collections.abc import Iterator, Sequence
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

from gem_backend.config import SamplingConfig
from gem_backend.errors import EngineError, GemError
from gem_backend.generation import OnProgress, Row, end_ids
from gem_backend.handed_adapter import HandedAdapter
from gem_backend.policy import Policy
from gem_backend.token_engine import Drawn, row_seed
from gem_backend.vllm_child import Order, Progress, Stop, VllmSettings, Wish, serve

logger = logging.getLogger("gem_backend.vllm_engine")

GONE = "The vLLM engine ended before it answered; resume the run to go on from its last checkpoint."


class VllmEngine:
    """A client of the child; one order at a time.

    Args:
        settings: the model and how it is loaded.
        folder: where adapters are handed over; the engine's own, gone when it ends.
        timeout_s: the longest silence of the child that is not taken for its death.

    Raises:
        EngineError: vLLM is not installed, or cannot load the model.
    """

    def __init__(self, settings: VllmSettings, folder: Path, timeout_s: float = 600.0) -> None:
        self.version = ""
        self.adapters = HandedAdapter(folder)
        self._timeout_s = timeout_s
        context = multiprocessing.get_context("spawn")
        self._pipe, theirs = context.Pipe()
        with theirs, _environment(settings.device):
            self._process: BaseProcess = context.Process(
                target=serve, args=(theirs, settings), name="gem-vllm", daemon=True
            )
            self._process.start()
        try:
            self.version = str(self._reply(None))
        except BaseException:
            self.close()
            raise

    @property
    def pid(self) -> int | None:
        """The child's process id."""
        return self._process.pid

    def close(self) -> None:
        """End the child at once."""
        self._pipe.close()
        self._process.kill()
        self._process.join()
        self.adapters.clear()

    def draw(
        self,
        policy: Policy,
        rows: Sequence[Row],
        config: SamplingConfig | None,
        on_progress: OnProgress | None = None,
        *,
        has_logprobs: bool = False,
    ) -> list[Drawn]:
        """See ``TokenEngine``.

        Raises:
            EngineError: the child died or fell silent.
        """
        order = Order(
            tuple(Wish(row.prompt_ids, row.max_new_tokens, row_seed(row)) for row in rows),
            config.temperature if config else 0.0,
            config.top_p if config else 1.0,
            tuple(end_ids(policy)),
            self.adapters.hand_over(policy),
            has_logprobs,
        )
        try:
            self._pipe.send(order)
        except OSError as error:
            raise EngineError(GONE) from error
        return list(self._reply(on_progress))

    def _reply(self, on_progress: OnProgress | None) -> Any:  # noqa: ANN401 - the version, or what was drawn
        while isinstance(reply := self._receive(), Progress):
            if on_progress is not None:
                self._tell(on_progress, reply)
        if isinstance(reply, GemError):
            raise reply
        return reply

    def _receive(self) -> Any:  # noqa: ANN401 - whatever the child says
        try:
            if self._pipe.poll(self._timeout_s):
                return self._pipe.recv()
        except (EOFError, OSError) as error:
            raise EngineError(GONE) from error
        self.close()
        raise EngineError(f"The vLLM engine was silent for {self._timeout_s:.0f} seconds.")

    def _tell(self, on_progress: OnProgress, progress: Progress) -> None:
        try:
            on_progress(progress.done, progress.total)
        except BaseException:  # whoever was told wants no more of it
            self._stop()
            raise

    def _stop(self) -> None:
        """End the order under way and leave the child ready, its last words read."""
        try:
            self._pipe.send(Stop())
            self._reply(None)
        except (OSError, GemError):
            logger.warning("The vLLM engine could not be told to stop")


_ENVIRONMENT = {
    "VLLM_ENABLE_V1_MULTIPROCESSING": "0",  # the engine lives and dies with the child
    "VLLM_NO_USAGE_STATS": "1",
    "DO_NOT_TRACK": "1",
    "VLLM_LOGGING_LEVEL": "ERROR",
    # Its threads would spin while they wait, and the trainer on the same cores stand still.
    "OMP_WAIT_POLICY": "PASSIVE",
}
_ON_CPU = {"VLLM_TARGET_DEVICE": "cpu", "VLLM_CPU_KVCACHE_SPACE": "1"}  # GiB


@contextlib.contextmanager
def _environment(device: str) -> Iterator[None]:
    """Let a child be started with what vLLM and OpenMP read before anything of ours runs there."""
    own = dict(os.environ)
    on_cpu = {name: own.get(name, word) for name, word in _ON_CPU.items()}
    wanted = _ENVIRONMENT | (on_cpu if device == "cpu" else {})
    os.environ.update(wanted)
    try:
        yield
    finally:
        for name in wanted:
            if name in own:
                os.environ[name] = own[name]
            else:
                del os.environ[name]
