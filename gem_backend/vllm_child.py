"""The child process that holds vLLM: what it is asked for, and how it answers.

The engine runs in this very process, without processes of its own, so that its end is the end of
everything and frees the device.
"""

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any, NamedTuple

from gem_backend.child import end_with_parent
from gem_backend.errors import EngineError, GemError
from gem_backend.handed_adapter import Adapter
from gem_backend.token_engine import Drawn

logger = logging.getLogger("gem_backend.vllm_child")

NOT_INSTALLED = (
    "vLLM is not installed in this environment; README.md has the command that installs it. Or let "
    "the run sample with --engine transformers."
)
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


@dataclass(frozen=True, slots=True)
class Progress:
    """How many answers of an order are there, and of how many."""

    done: int
    total: int


@dataclass(frozen=True, slots=True)
class Stop:
    """Ends the order under way."""


def serve(pipe: Connection, settings: VllmSettings) -> None:
    """Load the model once, answer until the parent is gone."""
    end_with_parent()
    try:
        llm = _load(settings)
        pipe.send(llm.version)
        while True:
            order = pipe.recv()
            if not isinstance(order, Stop):  # what that was to end had ended by itself
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
                pipe.send(Progress(len(found), len(names)))
                if pipe.poll() and isinstance(pipe.recv(), Stop):
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
