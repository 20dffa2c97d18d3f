"""The adapter canary: does the engine that samples see the adapter that is trained?

An adapter can bind to nothing without a word, and a run would then learn from answers of the base
model. So before a run that samples elsewhere begins, both are asked for log-probabilities of the
same tokens under an adapter that clearly changes them. [ours]
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import cast

import torch
from peft import PeftModel, get_peft_model_state_dict, set_peft_model_state_dict

from gem_backend.entropy import score_tokens
from gem_backend.errors import EngineError
from gem_backend.forward import TokenSequence
from gem_backend.generation import Row
from gem_backend.policy import Policy
from gem_backend.token_engine import TokenEngine

NUM_TOKENS = 24  # of each answer
LEAST_CHANGE = 0.5  # ours: nats a token, in the mean, that the adapter changes
MOST_GAP = {torch.float32: 0.01, torch.bfloat16: 0.1}  # ours: nats a token, in the mean
# ours: standard deviations of the B matrices, tried in turn
_STRENGTHS = (0.02, 0.05, 0.1, 0.2, 0.5, 1.0)


@dataclass(frozen=True, slots=True)
class CanaryFigures:
    """Means over ``n`` tokens of absolute differences, nats.

    ``gap``: the engine's log-probabilities and ours, under the same adapter. ``change``: ours under
    the adapter and without it.
    """

    gap: float
    change: float
    n: int


def check_canary(
    policy: Policy, engine: TokenEngine, prompts: Sequence[Sequence[int]]
) -> CanaryFigures:
    """Compare the engine with the policy under a strong adapter; the policy's own is put back.

    Args:
        policy: with an adapter.
        engine: samples for it.
        prompts: token ids of at least one prompt.

    Raises:
        EngineError: they do not agree, or the engine cannot be asked.
    """
    rows = [Row("", tuple(ids), NUM_TOKENS, 0) for ids in prompts]
    for strength in _STRENGTHS:
        with _strong_adapter(policy, strength):
            figures = _compare(policy, engine, rows)
        if figures.change >= LEAST_CHANGE:
            break
    most = MOST_GAP.get(next(policy.model.parameters()).dtype, max(MOST_GAP.values()))
    if figures.change < LEAST_CHANGE or figures.gap > most:
        raise EngineError(
            "The engine that samples does not apply the adapter as the trainer does: the "
            f"log-probabilities of {figures.n} tokens differ by {figures.gap:.3f} nats in the "
            f"mean, {most:g} are allowed, and the adapter changes them by {figures.change:.3f}. "
            "Sample with --engine transformers instead."
        )
    return figures


@contextmanager
def _strong_adapter(policy: Policy, strength: float) -> Iterator[None]:
    """Give the adapter weights that change what the model says, and put its own back."""
    model = cast(PeftModel, policy.model)
    own = {name: weight.clone() for name, weight in get_peft_model_state_dict(model).items()}
    chance = torch.Generator().manual_seed(0)
    strong = {
        name: torch.randn(weight.shape, generator=chance).to(weight) * strength
        if "lora_B" in name
        else weight
        for name, weight in own.items()
    }
    set_peft_model_state_dict(model, strong)
    try:
        yield
    finally:
        set_peft_model_state_dict(model, own)


def _compare(policy: Policy, engine: TokenEngine, rows: Sequence[Row]) -> CanaryFigures:
    model = cast(PeftModel, policy.model)
    drawn = engine.draw(policy, rows, None, has_logprobs=True)
    asked = [TokenSequence(row.prompt_ids, one.ids) for row, one in zip(rows, drawn, strict=True)]
    ours = _logprobs(model, asked)
    with model.disable_adapter():
        base = _logprobs(model, asked)
    theirs = torch.tensor([value for one in drawn for value in one.logprobs], dtype=torch.float64)
    gap, change = ((other - ours).abs().mean() for other in (theirs, base))
    return CanaryFigures(float(gap), float(change), len(ours))


def _logprobs(model: PeftModel, asked: Sequence[TokenSequence]) -> torch.Tensor:
    scored = score_tokens(model, asked, top_k=1)
    return torch.cat([one.logprob_T.double().cpu() for one in scored])
