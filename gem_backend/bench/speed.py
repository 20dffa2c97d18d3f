"""How fast a step is: ours, the naive one, and TRL's GRPO, taken in turns in one run.

A step samples K answers to each prompt, scores them, and moves the adapter once. All methods have
the same prompts, K, temperature, longest answer and adapter; each samples its own answers, so
figures are per completion token. Phases:

- ``sample``: prompts to token ids.
- ``score``: entropies and equation (1), in a pass of its own.
- ``update``: the gradient's forward and backward pass, clipping, the optimizer. TRL's holds its
  reward and advantages as well, as it has no scoring pass.
- ``one_pass``: our ``score`` and ``update`` in one forward pass, as an on-policy step does them.
- ``step``: all of it; for ours ``sample`` and ``one_pass``.

vLLM, where it is asked for, has the first phase only: what follows is the same whatever sampled.

Times and memory are measured apart on a CPU, where watching memory slows the work.
"""

import contextlib
import statistics
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from types import MappingProxyType

import torch
from accelerate.utils import set_seed
from torch.utils.flop_counter import FlopCounterMode
from transformers import LlamaConfig

from gem_backend.bench.contest import (
    MODEL_8B,
    Contest,
    Seconds,
    clock,
    load_contestant,
    project_prompts,
    prompt_ids,
    random_policy,
)
from gem_backend.bench.contestants import (
    draw,
    fused_head,
    gem,
    grpo,
    naive,
    one_pass,
    score_alone,
    update_alone,
    vllm,
)
from gem_backend.bench.memory import peak_bytes
from gem_backend.bench.naive_step import NaiveStep
from gem_backend.config import LoraSettings, RunConfig, SamplingConfig
from gem_backend.entropy import score_tokens
from gem_backend.errors import ConfigError
from gem_backend.forward import TokenSequence, base_model, inference_mode
from gem_backend.policy import Device
from gem_backend.run_engine import open_engine
from gem_backend.sampling import Draws
from gem_backend.trainer import with_adapter

__all__ = ["MODEL_8B", "SpeedRow", "bench_speed"]

WARM_UP_PROMPTS = 2
NO_ENGINE: Mapping[str, object] = MappingProxyType({})
ATTENTION = (
    torch.ops.aten._scaled_dot_product_flash_attention,
    torch.ops.aten._scaled_dot_product_efficient_attention,
    torch.ops.aten._scaled_dot_product_cudnn_attention,
    torch.ops.aten._scaled_dot_product_flash_attention_for_cpu,
)


@dataclass(frozen=True, slots=True)
class SpeedRow:
    """One method's phase.

    ``seconds`` is the median over the repeats. ``ratio_to_gem`` is this method's tokens per second
    over ours in the same phase (TRL's update: over our one pass) of the same repeat: the median,
    with the lowest and the highest of the repeats. ``peak_memory_bytes`` is over what the phase
    began with; ``memory_ratio_to_gem`` as for time. ``ceiling_share`` is the share of a measured
    matrix product's rate that the phase's own products reach, padding included.
    """

    method: str
    phase: str
    model: str
    device: str
    repeats: int
    tokens: int
    seconds: float | None = None
    tokens_per_s: float | None = None
    ratio_to_gem: float | None = None
    ratio_low: float | None = None
    ratio_high: float | None = None
    peak_memory_bytes: int | None = None
    memory_ratio_to_gem: float | None = None
    ceiling_share: float | None = None


def bench_speed(  # noqa: PLR0913 - each is a choice of the command line
    model: str = "demo",
    device: Device = "auto",
    *,
    num_prompts: int = 64,
    num_candidates: int = 5,
    max_new_tokens: int = 128,
    repeats: int = 3,
    naive_prompts: int | None = None,
    micro_batch_tokens: int = 8192,
    seed: int = 0,
    engine: Mapping[str, object] = NO_ENGINE,
    on_repeat: Callable[[int, int], object] | None = None,
) -> list[dict[str, object]]:
    """Measure the step of every method, in turns, and the memory of scoring.

    Args:
        model: "demo", a folder, a hub name, or "llama-3-8b-shape": random weights of that shape.
        device: where.
        num_prompts: of one step, from the embedded project.
        num_candidates: K.
        max_new_tokens: of the longest answer.
        repeats: of the whole contest.
        naive_prompts: of the naive step, whose cost of a token does not hang on them; None for all.
        micro_batch_tokens: of one forward pass; a large model without room wants fewer.
        seed: of the adapter and of the samples; each repeat has its own.
        engine: what else samples, as settings of ``RunConfig``: vLLM, or servers.
        on_repeat: told after each repeat how many are done, and of how many.

    Returns:
        Rows as ``SpeedRow`` describes them.

    Raises:
        ConfigError: the shape is asked for without a graphics processor, or with vLLM.
        EngineError: vLLM is not installed, or a server does not answer.
    """
    if engine.get("engine") == "vllm" and model == MODEL_8B:
        raise ConfigError(f"vLLM loads a model from its files, and '{MODEL_8B}' has none.")
    rank = 8 if model == "demo" else 16
    lora = LoraSettings(rank=rank, alpha=2 * rank)
    policy = with_adapter(load_contestant(model, device), lora, seed)
    config = SamplingConfig(
        num_candidates=num_candidates, max_new_tokens=max_new_tokens, temperature=1.0, seed=seed
    )
    prompts = project_prompts(num_prompts)
    contest = Contest(policy, prompts, config, naive_prompts or num_prompts, micro_batch_tokens)
    with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as stack:
        settings = RunConfig(model=model, lora=lora, sampling=config).model_copy(update=engine)
        if settings.engine != "transformers":
            contest.engine = open_engine(settings, policy, Path(folder) / "adapters", "bench-speed")
            stack.callback(contest.engine.close)
        _one_repeat(replace(contest, prompts=prompts[:WARM_UP_PROMPTS], seconds=[], tokens=[]))
        for number in range(repeats):
            set_seed(seed + number)
            contest.config = config.model_copy(update={"seed": seed + number})
            _one_repeat(contest)
            if on_repeat is not None:
                on_repeat(number + 1, repeats)
    share = _ceiling_share(contest)
    _measure_memory(contest)
    rows = [*_rows(contest, model, share), *_scoring_memory(policy.device)]
    return [asdict(row) for row in rows]


def _one_repeat(contest: Contest) -> None:
    seconds: Seconds = {}
    tokens: dict[str, int] = {}
    for method in (gem, vllm, naive, grpo, fused_head):
        for name, phase, spent, count in method(contest):
            seconds[name, phase] = spent
            tokens[name] = count
    seconds["gem", "step"] = seconds["gem", "sample"] + seconds["gem", "one_pass"]
    seconds["naive", "step"] = sum(
        seconds["naive", phase] for phase in ("sample", "score", "update")
    )
    contest.seconds.append(seconds)
    contest.tokens.append(tokens)


# --- memory, ceiling, rows ------------------------------------------------------------------------


def _measure_memory(contest: Contest) -> None:
    """Measure each phase's peak; the naive step's, which goes one by one, on a single prompt."""
    device, policy = contest.policy.device, contest.policy
    memory = contest.memory
    draws: list[Draws] = []
    memory["gem", "sample"] = peak_bytes(lambda: draws.append(draw(contest)), device)
    memory["gem", "score"] = peak_bytes(lambda: score_alone(contest, draws[0]), device)
    memory["gem", "update"] = peak_bytes(lambda: update_alone(contest, draws[0]), device)
    memory["gem", "one_pass"] = peak_bytes(lambda: one_pass(contest, draws[0]), device)
    memory["gem", "step"] = max(memory["gem", "sample"], memory["gem", "one_pass"])

    step, prompts = NaiveStep(policy, contest.config), prompt_ids(policy, contest.prompts[:1])
    groups = draws[0].groups[:1]
    with inference_mode(policy.model):
        memory["naive", "sample"] = peak_bytes(lambda: step.sample(prompts), device)
        memory["naive", "score"] = peak_bytes(lambda: step.score(groups), device)
    scores = [[float(number) for number, _ in enumerate(group)] for group in groups]
    memory["naive", "update"] = peak_bytes(lambda: step.update(groups, scores), device)
    policy.model.zero_grad(set_to_none=True)
    memory["naive", "step"] = max(memory["naive", phase] for phase in ("sample", "score", "update"))
    memory["trl_grpo", "step"] = peak_bytes(lambda: list(grpo(contest)), device)
    memory["trl_fused_head", "score"] = peak_bytes(lambda: list(fused_head(contest)), device)


def _ceiling_share(contest: Contest) -> float:
    """Return which share of a large matrix product's rate our scoring pass reaches."""
    draws = draw(contest)
    with FlopCounterMode(
        display=False, custom_mapping=dict.fromkeys(ATTENTION, attention_flops)
    ) as counter:
        score_alone(contest, draws)
    started = contest.now()
    score_alone(contest, draws)
    rate = float(counter.get_total_flops()) / (contest.now() - started)
    return rate / product_rate(contest.policy.device, base_model(contest.policy.model).dtype)


def attention_flops(query: Sequence[int], key: Sequence[int], *_: object, **__: object) -> int:
    """Count attention's two products; torch's own count refuses heads that share their keys.

    Args:
        query: shape (B, H, T, D).
        key: shape (B, H or fewer, S, D).
    """
    batch, heads, length, size = query
    return 4 * batch * heads * length * key[-2] * size


def product_rate(device: torch.device, dtype: torch.dtype) -> float:
    """Return operations per second of the best of a few square matrix products."""
    size = 8192 if device.type == "cuda" else 2048
    square = torch.randn(size, size, device=device).to(dtype)
    square @ square
    spent = []
    for _ in range(5):
        started = clock(device)
        square @ square
        spent.append(clock(device) - started)
    return float(2 * size**3 / min(spent))


def _rows(contest: Contest, model: str, ceiling_share: float) -> Iterator[SpeedRow]:
    for method, phase in contest.seconds[0]:
        ours = phase if phase != "update" or method == "naive" else "one_pass"
        spent = [seconds[method, phase] for seconds in contest.seconds]
        speeds = [tokens[method] / one for tokens, one in zip(contest.tokens, spent, strict=True)]
        ratios = [
            speed * seconds["gem", phase if method == "gem" else ours] / tokens["gem"]
            for speed, seconds, tokens in zip(speeds, contest.seconds, contest.tokens, strict=True)
        ]
        memory = contest.memory.get((method, phase))
        yield SpeedRow(
            method=method,
            phase=phase,
            model=model,
            device=str(contest.policy.device),
            repeats=len(spent),
            tokens=int(statistics.median(tokens[method] for tokens in contest.tokens)),
            seconds=statistics.median(spent),
            tokens_per_s=statistics.median(speeds),
            ratio_to_gem=statistics.median(ratios),
            ratio_low=min(ratios),
            ratio_high=max(ratios),
            peak_memory_bytes=memory,
            memory_ratio_to_gem=memory / contest.memory["gem", phase] if memory else None,
            ceiling_share=ceiling_share if (method, phase) == ("gem", "score") else None,
        )


def _scoring_memory(
    device: torch.device, vocabulary: int = 128_000, num_candidates: int = 5, num_tokens: int = 512
) -> Iterator[SpeedRow]:
    """Measure scoring's peak for a large model's vocabulary on an otherwise small model."""
    config = LlamaConfig(
        vocab_size=vocabulary,
        hidden_size=64,
        intermediate_size=128,
        num_hidden_layers=2,
        num_attention_heads=2,
        max_position_embeddings=1024,
        tie_word_embeddings=True,
    )
    policy = random_policy(config, "vocabulary", device, torch.float32)
    completion = tuple(number % vocabulary for number in range(num_tokens))
    group = [TokenSequence(tuple(range(1, 65)), completion)] * num_candidates
    naive = NaiveStep(policy, SamplingConfig(num_candidates=num_candidates))
    ways: dict[str, Callable[[], object]] = {
        "gem": lambda: score_tokens(policy.model, group),
        "naive": lambda: naive.score([group]),
    }
    peaks = {}
    for method, work in ways.items():
        with inference_mode(policy.model):
            peaks[method] = peak_bytes(work, device)
    for method, peak in peaks.items():
        yield SpeedRow(
            method=method,
            phase="score_memory",
            model=f"V = {vocabulary}, K = {num_candidates}, T = {num_tokens}",
            device=str(device),
            repeats=1,
            tokens=num_tokens * num_candidates,
            peak_memory_bytes=peak,
            memory_ratio_to_gem=peak / peaks["gem"],
        )
