"""The steps that compete: each yields the seconds of its phases."""

from collections.abc import Iterator, Sequence

import torch
from trl.trainer.utils import add_fused_lm_head

from gem_backend.bench.contest import Contest, count_tokens, prompt_ids
from gem_backend.bench.grpo_step import LEARNING_RATE, grpo_step
from gem_backend.bench.naive_step import NaiveStep
from gem_backend.config import PromptConfig, ScoringConfig, SegaConfig
from gem_backend.entropy import TokenStatistics, score_tokens, sequence_logps
from gem_backend.forward import TokenSequence, as_tensor, base_model, inference_mode
from gem_backend.one_pass import one_pass_backward
from gem_backend.policy import Policy
from gem_backend.prompting import render_prompt
from gem_backend.sampling import Draws, PolicySampler
from gem_backend.scoring import gem_score
from gem_backend.shared_prompts import plan_sequences
from gem_backend.token_engine import token_source

GRPO_LOGIT_BYTES = 2**30  # of TRL's logits in one pass, fp32; decides how many answers it holds

Timed = Iterator[tuple[str, str, float, int]]
"""Method, phase, seconds, tokens."""


def gem(contest: Contest) -> Timed:
    """Ours, the phases apart and in one pass."""
    started = contest.now()
    draws = draw(contest)
    sampled = contest.now()
    count = count_tokens(draws.groups)
    yield "gem", "sample", sampled - started, count
    started = contest.now()
    score_alone(contest, draws)
    yield "gem", "score", contest.now() - started, count
    started = contest.now()
    update_alone(contest, draws)
    yield "gem", "update", contest.now() - started, count
    started = contest.now()
    one_pass(contest, draws)
    yield "gem", "one_pass", contest.now() - started, count


def naive(contest: Contest) -> Timed:
    """The step of ``naive_step``."""
    step = NaiveStep(contest.policy, contest.config)
    prompts = prompt_ids(contest.policy, contest.prompts[: contest.naive_prompts])
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
        yield "naive", phase, spent, count_tokens(groups)


def grpo(contest: Contest) -> Timed:
    """TRL's, which has no scoring pass."""
    tokenizer = contest.policy.tokenizer
    texts = [render_prompt(tokenizer, prompt, PromptConfig()) for prompt in contest.prompts]
    rows = _grpo_rows_at_once(contest)
    times = grpo_step(contest.policy, texts, contest.config, rows, contest.now)
    yield "trl_grpo", "sample", times.sample, times.tokens
    yield "trl_grpo", "update", times.step - times.sample, times.tokens
    yield "trl_grpo", "step", times.step, times.tokens


def vllm(contest: Contest) -> Timed:
    """Sampling by the contest's engine, where it has one; the adapter is handed over each time."""
    if contest.engine is None:
        return
    sampler = PolicySampler(contest.policy, source=token_source(contest.engine, "vllm"))
    started = contest.now()
    draws = sampler.draw(contest.prompts, contest.config)
    yield "vllm", "sample", contest.now() - started, count_tokens(draws.groups)


def fused_head(contest: Contest) -> Timed:
    """TRL's fused head over our own batches, in place of our chunks."""
    groups = draw(contest).groups
    sequences = [sequence for group in groups for sequence in group]
    base = base_model(contest.policy.model)
    add_fused_lm_head(base, outputs=("log_probs", "entropy"))
    try:
        started = contest.now()
        with inference_mode(contest.policy.model):
            for batch in plan_sequences(
                contest.policy.model, sequences, contest.micro_batch_tokens
            ):
                _fused_pass(contest.policy, [sequences[i] for i in batch])
        spent = contest.now() - started
    finally:
        del base.forward  # the class's own is behind it
    yield "trl_fused_head", "score", spent, count_tokens(groups)


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


def draw(contest: Contest) -> Draws:
    """Sample ids for every prompt."""
    return PolicySampler(contest.policy).draw(contest.prompts, contest.config)


def score_alone(contest: Contest, draws: Draws) -> list[float]:
    """Entropies and equation (1), in a pass of their own."""
    groups = draws.groups
    scored = iter(
        score_tokens(
            contest.policy.model,
            [sequence for group in groups for sequence in group],
            max_tokens_per_batch=contest.micro_batch_tokens,
        )
    )
    return [
        _gem_value(draws, index, number, next(scored))
        for index, group in enumerate(groups)
        for number in range(len(group))
    ]


def update_alone(contest: Contest, draws: Draws) -> None:
    """The gradient's passes; any advantages cost the same."""
    model = contest.policy.model
    sequences = [sequence for group in draws.groups for sequence in group]
    for batch in plan_sequences(model, sequences, contest.micro_batch_tokens):
        logps = sequence_logps(model, [sequences[i] for i in batch]).logps
        loss = torch.stack([one.sum() for one in logps]).mean()
        loss.backward()  # type: ignore[no-untyped-call]
    _move(contest.policy)


def one_pass(contest: Contest, draws: Draws) -> None:
    """Score and update in one forward pass."""
    one_pass_backward(
        contest.policy.model,
        draws.groups,
        lambda group, number, found: _gem_value(draws, group, number, found),
        SegaConfig(),
        contest.micro_batch_tokens,
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


def _grpo_rows_at_once(contest: Contest) -> int:
    """As many as divide the step and keep our token budget and a bound on TRL's whole logits.

    The budget is also about where TRL is fastest on a CPU.
    """
    num_rows = len(contest.prompts) * contest.config.num_candidates
    vocabulary = contest.policy.model.config.get_text_config().vocab_size
    fitting = (
        min(contest.micro_batch_tokens, GRPO_LOGIT_BYTES // (4 * vocabulary)) // contest.longest
    )
    return next(n for n in range(max(1, min(fitting, num_rows)), 0, -1) if num_rows % n == 0)
