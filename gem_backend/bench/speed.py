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

Times and memory are measured apart on a CPU, where watching memory slows the work.
"""

import argparse
import json
import statistics
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import cast

import torch
from accelerate.utils import set_seed
from peft import LoraConfig, PeftModel, get_peft_model
from torch.utils.flop_counter import FlopCounterMode
from transformers import AutoTokenizer, LlamaConfig, LlamaForCausalLM
from trl.trainer.utils import add_fused_lm_head

from gem_backend.bench.grpo_step import LEARNING_RATE, grpo_step
from gem_backend.bench.memory import peak_bytes
from gem_backend.bench.naive_step import NaiveStep
from gem_backend.config import PromptConfig, SamplingConfig, ScoringConfig, SegaConfig
from gem_backend.demo import MODEL_DIR, PROJECT_FILE
from gem_backend.entropy import TokenStatistics, score_tokens, sequence_logps
from gem_backend.errors import ConfigError
from gem_backend.forward import TokenSequence, as_tensor, base_model, inference_mode
from gem_backend.one_pass import one_pass_backward
from gem_backend.policy import Device, Policy, load_policy, resolve_device, resolve_dtype
from gem_backend.prompting import encode_prompt, render_prompt
from gem_backend.sampling import Draws, TransformersSampler
from gem_backend.scoring import gem_score
from gem_backend.shared_prompts import plan_sequences

MODEL_8B = "llama-3-8b-shape"
MICRO_BATCH_TOKENS = 8192  # as in RunConfig
WARM_UP_PROMPTS = 2
GRPO_LOGIT_BYTES = 2**30  # of TRL's logits in one pass, fp32; decides how many answers it holds
Seconds = dict[tuple[str, str], float]


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


@dataclass
class _Contest:
    """Who competes with what, and what was measured so far."""

    policy: Policy
    prompts: list[str]
    config: SamplingConfig
    seconds: list[Seconds] = field(default_factory=list)
    tokens: list[dict[str, int]] = field(default_factory=list)
    memory: dict[tuple[str, str], int] = field(default_factory=dict)

    def now(self) -> float:
        """Read the clock when the device has done all it was told."""
        if self.policy.device.type == "cuda":
            torch.cuda.synchronize(self.policy.device)
        return time.perf_counter()

    @property
    def longest(self) -> int:
        """Tokens of the longest prompt with room for its answer."""
        return max(map(len, _ids(self.policy, self.prompts))) + self.config.max_new_tokens


def bench_speed(  # noqa: PLR0913 - each is a choice of the command line
    model: str = "demo",
    device: Device = "auto",
    *,
    num_prompts: int = 64,
    num_candidates: int = 5,
    max_new_tokens: int = 128,
    repeats: int = 3,
    seed: int = 0,
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
        seed: of the adapter and of the samples; each repeat has its own.
        on_repeat: told after each repeat how many are done, and of how many.

    Returns:
        Rows as ``SpeedRow`` describes them.
    """
    set_seed(seed)
    policy = _with_adapter(_load(model, device), rank=8 if model == "demo" else 16)
    config = SamplingConfig(
        num_candidates=num_candidates, max_new_tokens=max_new_tokens, temperature=1.0, seed=seed
    )
    contest = _Contest(policy, _prompts(num_prompts), config)
    _one_repeat(replace(contest, prompts=contest.prompts[:WARM_UP_PROMPTS], seconds=[], tokens=[]))
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


# --- the methods ----------------------------------------------------------------------------------


def _one_repeat(contest: _Contest) -> None:
    seconds: Seconds = {}
    tokens: dict[str, int] = {}
    for method in (_gem, _naive, _grpo, _fused_head):
        for name, phase, spent, count in method(contest):
            seconds[name, phase] = spent
            tokens[name] = count
    seconds["gem", "step"] = seconds["gem", "sample"] + seconds["gem", "one_pass"]
    seconds["naive", "step"] = sum(
        seconds["naive", phase] for phase in ("sample", "score", "update")
    )
    contest.seconds.append(seconds)
    contest.tokens.append(tokens)


Timed = Iterator[tuple[str, str, float, int]]
"""Method, phase, seconds, tokens."""


def _gem(contest: _Contest) -> Timed:
    started = contest.now()
    draws = _draw(contest)
    sampled = contest.now()
    count = _count(draws.groups)
    yield "gem", "sample", sampled - started, count
    started = contest.now()
    _score_alone(contest, draws)
    yield "gem", "score", contest.now() - started, count
    started = contest.now()
    _update_alone(contest, draws)
    yield "gem", "update", contest.now() - started, count
    started = contest.now()
    _one_pass(contest, draws)
    yield "gem", "one_pass", contest.now() - started, count


def _naive(contest: _Contest) -> Timed:
    step = NaiveStep(contest.policy, contest.config)
    prompts = _ids(contest.policy, contest.prompts)
    started = contest.now()
    groups = step.sample(prompts)
    sampled = contest.now()
    with inference_mode(contest.policy.model):
        scores = step.score(groups)
    scored = contest.now()
    step.update(groups, scores)
    _move(contest.policy)
    ended = contest.now()
    for phase, spent in (
        ("sample", sampled - started),
        ("score", scored - sampled),
        ("update", ended - scored),
    ):
        yield "naive", phase, spent, _count(groups)


def _grpo(contest: _Contest) -> Timed:
    tokenizer = contest.policy.tokenizer
    texts = [render_prompt(tokenizer, prompt, PromptConfig()) for prompt in contest.prompts]
    rows = _grpo_rows_at_once(contest)
    times = grpo_step(contest.policy, texts, contest.config, rows, contest.now)
    yield "trl_grpo", "sample", times.sample, times.tokens
    yield "trl_grpo", "update", times.step - times.sample, times.tokens
    yield "trl_grpo", "step", times.step, times.tokens


def _fused_head(contest: _Contest) -> Timed:
    """TRL's fused head over our own batches, in place of our chunks."""
    groups = _draw(contest).groups
    sequences = [sequence for group in groups for sequence in group]
    base = base_model(contest.policy.model)
    add_fused_lm_head(base, outputs=("log_probs", "entropy"))
    try:
        started = contest.now()
        with inference_mode(contest.policy.model):
            for batch in plan_sequences(contest.policy.model, sequences, MICRO_BATCH_TOKENS):
                _fused_pass(contest.policy, [sequences[i] for i in batch])
        spent = contest.now() - started
    finally:
        del base.forward  # the class's own is behind it
    yield "trl_fused_head", "score", spent, _count(groups)


def _fused_pass(policy: Policy, sequences: Sequence[TokenSequence]) -> None:
    rows = [as_tensor(s.prompt_ids + s.completion_ids, policy.device) for s in sequences]
    ids = torch.nn.utils.rnn.pad_sequence(rows, batch_first=True)
    labels = torch.full_like(ids, -100)
    for row, s in enumerate(sequences):
        labels[row, len(s.prompt_ids) : s.length] = ids[row, len(s.prompt_ids) : s.length]
    lengths = as_tensor([s.length for s in sequences], policy.device)
    mask = (torch.arange(ids.shape[1], device=policy.device) < lengths[:, None]).long()
    base_model(policy.model)(
        input_ids=ids, attention_mask=mask, labels=labels, fused_lm_head=True, use_cache=False
    )


def _draw(contest: _Contest) -> Draws:
    return TransformersSampler(contest.policy).draw(contest.prompts, contest.config)


def _score_alone(contest: _Contest, draws: Draws) -> list[float]:
    groups = draws.groups
    scored = iter(
        score_tokens(
            contest.policy.model,
            [sequence for group in groups for sequence in group],
            max_tokens_per_batch=MICRO_BATCH_TOKENS,
        )
    )
    return [
        _gem_value(draws, index, number, next(scored))
        for index, group in enumerate(groups)
        for number in range(len(group))
    ]


def _update_alone(contest: _Contest, draws: Draws) -> None:
    """The gradient's passes; any advantages cost the same."""
    model = contest.policy.model
    sequences = [sequence for group in draws.groups for sequence in group]
    for batch in plan_sequences(model, sequences, MICRO_BATCH_TOKENS):
        logps = sequence_logps(model, [sequences[i] for i in batch]).logps
        loss = torch.stack([one.sum() for one in logps]).mean()
        loss.backward()  # type: ignore[no-untyped-call]
    _move(contest.policy)


def _one_pass(contest: _Contest, draws: Draws) -> None:
    one_pass_backward(
        contest.policy.model,
        draws.groups,
        lambda group, number, found: _gem_value(draws, group, number, found),
        SegaConfig(),
        MICRO_BATCH_TOKENS,
    )
    _move(contest.policy)


def _gem_value(draws: Draws, group: int, number: int, found: TokenStatistics) -> float:
    """Equation (1), with the record of the candidate that a run keeps."""
    one = draws.candidate(group, number, found)
    return gem_score(one.token_entropy, one.spans, ScoringConfig()).value


def _move(policy: Policy) -> None:
    """Clip and take one step of the optimizer, a new one."""
    parameters = [p for p in policy.model.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(parameters, lr=LEARNING_RATE, weight_decay=0.0)
    torch.nn.utils.clip_grad_norm_(parameters, 1.0)
    optimizer.step()
    optimizer.zero_grad(set_to_none=True)


def _grpo_rows_at_once(contest: _Contest) -> int:
    """As many as divide the step and keep our token budget and a bound on TRL's whole logits.

    The budget is also about where TRL is fastest on a CPU.
    """
    num_rows = len(contest.prompts) * contest.config.num_candidates
    vocabulary = contest.policy.model.config.get_text_config().vocab_size
    fitting = min(MICRO_BATCH_TOKENS, GRPO_LOGIT_BYTES // (4 * vocabulary)) // contest.longest
    return next(n for n in range(max(1, min(fitting, num_rows)), 0, -1) if num_rows % n == 0)


# --- what goes in ---------------------------------------------------------------------------------


def _load(model: str, device: Device) -> Policy:
    if model != MODEL_8B:
        return load_policy(model, device=device)
    where = resolve_device(device)
    if where.type != "cuda":
        raise ConfigError(f"The model '{MODEL_8B}' needs a graphics processor.")
    config = LlamaConfig(
        vocab_size=128_256,
        hidden_size=4096,
        intermediate_size=14_336,
        num_hidden_layers=32,
        num_attention_heads=32,
        num_key_value_heads=8,
        max_position_embeddings=8192,
        rope_parameters={"rope_type": "default", "rope_theta": 500_000.0},
    )
    return _random(config, MODEL_8B, where, resolve_dtype("auto", where))


def _random(config: LlamaConfig, name: str, device: torch.device, dtype: torch.dtype) -> Policy:
    """Make a model on its device; the embedded tokenizer stands in, its ids are all below V."""
    usual = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    try:
        with device:
            model = LlamaForCausalLM(config)
    finally:
        torch.set_default_dtype(usual)
    tokenizer = AutoTokenizer.from_pretrained(str(MODEL_DIR), local_files_only=True)
    model.eval()  # type: ignore[no-untyped-call]
    return Policy(model, tokenizer, name, device)


def _with_adapter(policy: Policy, rank: int) -> Policy:
    lora = LoraConfig(
        r=rank, lora_alpha=2 * rank, target_modules="all-linear", task_type="CAUSAL_LM"
    )
    model = cast(PeftModel, get_peft_model(policy.model, lora))
    return replace(policy, model=model.eval())


def _prompts(count: int) -> list[str]:
    lines = PROJECT_FILE.read_text("utf-8").splitlines()
    prompts = list(dict.fromkeys(str(json.loads(line)["prompt"]) for line in lines))
    if count > len(prompts):
        raise ConfigError(f"The embedded project has {len(prompts)} prompts, not {count}.")
    return prompts[:count]


def _ids(policy: Policy, prompts: Sequence[str]) -> list[tuple[int, ...]]:
    return [tuple(encode_prompt(policy.tokenizer, one, PromptConfig())) for one in prompts]


def _count(groups: Sequence[Sequence[TokenSequence]]) -> int:
    return sum(len(sequence.completion_ids) for group in groups for sequence in group)


# --- memory, ceiling, rows ------------------------------------------------------------------------


def _measure_memory(contest: _Contest) -> None:
    """Measure each phase's peak; the naive step's, which goes one by one, on a single prompt."""
    device, policy = contest.policy.device, contest.policy
    memory = contest.memory
    draws: list[Draws] = []
    memory["gem", "sample"] = peak_bytes(lambda: draws.append(_draw(contest)), device)
    memory["gem", "score"] = peak_bytes(lambda: _score_alone(contest, draws[0]), device)
    memory["gem", "update"] = peak_bytes(lambda: _update_alone(contest, draws[0]), device)
    memory["gem", "one_pass"] = peak_bytes(lambda: _one_pass(contest, draws[0]), device)
    memory["gem", "step"] = max(memory["gem", "sample"], memory["gem", "one_pass"])

    step, prompts = NaiveStep(policy, contest.config), _ids(policy, contest.prompts[:1])
    groups = draws[0].groups[:1]
    with inference_mode(policy.model):
        memory["naive", "sample"] = peak_bytes(lambda: step.sample(prompts), device)
        memory["naive", "score"] = peak_bytes(lambda: step.score(groups), device)
    scores = [[float(number) for number, _ in enumerate(group)] for group in groups]
    memory["naive", "update"] = peak_bytes(lambda: step.update(groups, scores), device)
    policy.model.zero_grad(set_to_none=True)
    memory["naive", "step"] = max(memory["naive", phase] for phase in ("sample", "score", "update"))
    memory["trl_grpo", "step"] = peak_bytes(lambda: list(_grpo(contest)), device)
    memory["trl_fused_head", "score"] = peak_bytes(lambda: list(_fused_head(contest)), device)


def _ceiling_share(contest: _Contest) -> float:
    """Return which share of a large matrix product's rate our scoring pass reaches."""
    draws = _draw(contest)
    with FlopCounterMode(display=False) as counter:
        _score_alone(contest, draws)
    started = contest.now()
    _score_alone(contest, draws)
    rate = float(counter.get_total_flops()) / (contest.now() - started)
    return rate / _ceiling(contest)


def _ceiling(contest: _Contest) -> float:
    """Return operations per second of the best of a few square products in the model's dtype."""
    device = contest.policy.device
    size = 8192 if device.type == "cuda" else 2048
    square = torch.randn(size, size, device=device).to(base_model(contest.policy.model).dtype)
    square @ square
    spent = []
    for _ in range(5):
        started = contest.now()
        square @ square
        spent.append(contest.now() - started)
    return float(2 * size**3 / min(spent))


def _rows(contest: _Contest, model: str, ceiling_share: float) -> Iterator[SpeedRow]:
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
    policy = _random(config, "vocabulary", device, torch.float32)
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


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and write the rows as JSON lines to standard output."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default="demo")
    parser.add_argument("--device", choices=["auto", "cpu", "cuda"], default="auto")
    parser.add_argument("--prompts", type=int, default=64)
    parser.add_argument("--candidates", type=int, default=5)
    parser.add_argument("--max-new-tokens", type=int, default=128)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=0, help="of torch; 0 leaves its own choice")
    chosen = parser.parse_args(arguments)
    if chosen.threads:
        torch.set_num_threads(chosen.threads)
    rows = bench_speed(
        chosen.model,
        chosen.device,
        num_prompts=chosen.prompts,
        num_candidates=chosen.candidates,
        max_new_tokens=chosen.max_new_tokens,
        repeats=chosen.repeats,
        seed=chosen.seed,
    )
    for row in rows:
        sys.stdout.write(json.dumps(row) + "\n")


if __name__ == "__main__":
    main()
