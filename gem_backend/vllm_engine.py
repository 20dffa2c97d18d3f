"""Tokens drawn by vLLM, in a child process, from the policy as it stands at each call.

vLLM gives ids and nothing else that is kept: entropies and log-probabilities are those of our own
pass over these ids (METHOD section 2). The adapter travels as a folder, see ``handed_adapter``.

``VllmEngine`` is the client in the run's process. The child holds the engine itself, without
processes of its own, so that its end is the end of everything and frees the device.
"""

import contextlib
import logging
import multiprocessing
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from gem_backend.child import end_with_parent
from gem_backend.config import SamplingConfig
from gem_backend.errors import EngineError, GemError
from gem_backend.generation import OnProgress, OnTokens, Row, Sampled, end_ids
from gem_backend.handed_adapter import Adapter, HandedAdapter
from gem_backend.policy import Policy

logger = logging.getLogger("gem_backend.vllm_engine")

NOT_INSTALLED = (
    "vLLM is not installed in this environment; README.md has the command that installs it. Or let "
    "the run sample with --engine transformers."
)
GONE = "The vLLM engine ended before it answered; resume the run to go on from its last checkpoint."
LORA_RANKS = (8, 16, 32, 64, 128, 256, 320, 512)  # vLLM's own steps
MOST_TOKENS_AT_ONCE = 8192  # of all rows in one step
TOLD_EVERY = 16  # steps of the engine between two words of progress


@dataclass(frozen=True, slots=True)
class VllmSettings:
    """How vLLM loads a model.

    Args:
        model: a folder or a hub name.
        device: "cpu" or "cuda".
        dtype: "float32" or "bfloat16".
        max_model_len: tokens of prompt and answer together.
        lora_rank: of the adapters to come.
        trust_remote_code: run code that comes with the model.
        memory_share: of a GPU's memory that vLLM may take; the trainer needs the rest.
    """

    model: str
    device: str
    dtype: str
    max_model_len: int
    lora_rank: int
    trust_remote_code: bool = False
    memory_share: float = 0.4


class Wish(NamedTuple):
    """One answer to draw; ``seed`` decides its chance."""

    prompt_ids: tuple[int, ...]
    max_new_tokens: int
    seed: int


@dataclass(frozen=True, slots=True)
class Order:
    """What the child is asked for; a temperature of 0 takes the most likely token each time."""

    wishes: tuple[Wish, ...]
    temperature: float
    top_p: float
    end_ids: tuple[int, ...]
    adapter: Adapter | None
    has_logprobs: bool = False


class Drawn(NamedTuple):
    """The ids that came, and where it was asked for the log-probability of each, nats."""

    ids: tuple[int, ...]
    logprobs: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True)
class _Progress:
    done: int
    total: int


@dataclass(frozen=True, slots=True)
class _Stop:
    """Ends the order under way."""


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
                target=_serve, args=(theirs, settings), name="gem-vllm", daemon=True
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

    def generate(
        self,
        policy: Policy,
        rows: Sequence[Row],
        config: SamplingConfig | None,
        max_batch_tokens: int,
        on_progress: OnProgress | None = None,
        on_tokens: OnTokens | None = None,
    ) -> list[Sampled]:
        """Continue every row as ``generation.generate`` does, in vLLM's own batches.

        Raises:
            EngineError: the child died or fell silent.
        """
        ends = end_ids(policy)
        order = self._order(policy, rows, config, ends)
        drawn = self._ask(order, on_progress)
        return [Sampled(one.ids, bool(one.ids) and one.ids[-1] in ends) for one in drawn]

    def probe(self, policy: Policy, rows: Sequence[Row]) -> list[Drawn]:
        """Return each row's most likely answer with the log-probability of each of its tokens.

        Raises:
            EngineError: the child died or fell silent.
        """
        return self._ask(self._order(policy, rows, None, end_ids(policy), has_logprobs=True), None)

    def _order(
        self,
        policy: Policy,
        rows: Sequence[Row],
        config: SamplingConfig | None,
        ends: Sequence[int],
        has_logprobs: bool = False,
    ) -> Order:
        return Order(
            tuple(Wish(row.prompt_ids, row.max_new_tokens, row_seed(row)) for row in rows),
            config.temperature if config else 0.0,
            config.top_p if config else 1.0,
            tuple(ends),
            self.adapters.hand_over(policy),
            has_logprobs,
        )

    def _ask(self, order: Order, on_progress: OnProgress | None) -> list[Drawn]:
        try:
            self._pipe.send(order)
        except OSError as error:
            raise EngineError(GONE) from error
        return list(self._reply(on_progress))

    def _reply(self, on_progress: OnProgress | None) -> Any:  # noqa: ANN401 - the version, or what was drawn
        while isinstance(reply := self._receive(), _Progress):
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

    def _tell(self, on_progress: OnProgress, progress: _Progress) -> None:
        try:
            on_progress(progress.done, progress.total)
        except BaseException:  # whoever was told wants no more of it
            self._stop()
            raise

    def _stop(self) -> None:
        """End the order under way and leave the child ready, its last words read."""
        try:
            self._pipe.send(_Stop())
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


def row_seed(row: Row) -> int:
    """Return the seed of a row's own chance, 0 to 2**32 - 1."""
    return int(np.random.SeedSequence(row.seed_words).generate_state(1)[0])


# --- in the child -----------------------------------------------------------------------------


def _serve(pipe: Connection, settings: VllmSettings) -> None:
    """Load the model once, answer until the parent is gone."""
    end_with_parent()
    try:
        llm = _load(settings)
        pipe.send(llm.version)
        while True:
            order = pipe.recv()
            if not isinstance(order, _Stop):  # what that was to end had ended by itself
                pipe.send(list(llm.draw(order, pipe)))
    except (EOFError, KeyboardInterrupt):
        return
    except GemError as error:
        pipe.send(error)
    except Exception as error:
        logger.exception("vLLM could not answer")
        pipe.send(EngineError(f"vLLM could not answer: {_first_line(error)}"))


def _load(settings: VllmSettings) -> "_Llm":
    try:
        import vllm  # noqa: PLC0415 - in the child alone, and only where it was asked for
    except ImportError as error:
        raise EngineError(NOT_INSTALLED) from error
    is_on_cpu = settings.device == "cpu"
    try:
        llm = vllm.LLM(
            settings.model,
            dtype=settings.dtype,
            max_model_len=settings.max_model_len,
            enable_lora=True,
            max_lora_rank=next(rank for rank in LORA_RANKS if rank >= settings.lora_rank),
            max_loras=1,
            enable_prefix_caching=True,
            enforce_eager=is_on_cpu,
            # A prompt that is read in parts takes back a number of its row's chance, which torch's
            # generators on the processor refuse.
            enable_chunked_prefill=not is_on_cpu,
            max_num_batched_tokens=max(MOST_TOKENS_AT_ONCE, settings.max_model_len),
            gpu_memory_utilization=settings.memory_share,
            generation_config="vllm",  # the model folder's own settings decide nothing
            skip_tokenizer_init=True,
            trust_remote_code=settings.trust_remote_code,
            load_format="safetensors",
            disable_log_stats=True,
        )
    except Exception as error:
        raise EngineError(
            f"vLLM cannot load the model '{settings.model}': {_first_line(error)}"
        ) from error
    return _Llm(llm.llm_engine, vllm)


@dataclass(frozen=True, slots=True)
class _Llm:
    """vLLM's engine, step by step, so that an order can be stopped in its middle."""

    engine: Any
    vllm: Any

    @property
    def version(self) -> str:
        return f"vllm {self.vllm.__version__}"

    def draw(self, order: Order, pipe: Connection) -> Iterator[Drawn]:
        """Yield what was drawn for each wish, in order; nothing once told to stop."""
        request = None
        if order.adapter is not None:
            from vllm.lora.request import LoRARequest  # noqa: PLC0415 - see ``_load``

            request = LoRARequest(*order.adapter)
        names = [str(place) for place in range(len(order.wishes))]
        for name, wish in zip(names, order.wishes, strict=True):
            prompt = {"prompt_token_ids": list(wish.prompt_ids)}
            self.engine.add_request(name, prompt, self._params(order, wish), lora_request=request)
        found: dict[str, Drawn] = {}
        step = 0
        while self.engine.has_unfinished_requests():
            for output in self.engine.step():
                if output.finished:
                    found[output.request_id] = _drawn(output.outputs[0], order.has_logprobs)
            step += 1
            if step % TOLD_EVERY == 0:
                pipe.send(_Progress(len(found), len(names)))
                if pipe.poll() and isinstance(pipe.recv(), _Stop):
                    self.engine.abort_request([name for name in names if name not in found])
                    return
        yield from (found[name] for name in names)

    def _params(self, order: Order, wish: Wish) -> Any:  # noqa: ANN401 - vLLM ships types we do not load
        return self.vllm.SamplingParams(
            temperature=order.temperature,
            top_p=order.top_p,
            max_tokens=wish.max_new_tokens,
            seed=wish.seed,
            stop_token_ids=list(order.end_ids),
            logprobs=0 if order.has_logprobs else None,
            detokenize=False,
        )


def _drawn(output: Any, has_logprobs: bool) -> Drawn:  # noqa: ANN401 - vLLM's own record
    ids = tuple(output.token_ids)
    if not has_logprobs:
        return Drawn(ids)
    return Drawn(
        ids, tuple(at[token].logprob for at, token in zip(output.logprobs, ids, strict=True))
    )


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
