"""The step as a reader of the paper first writes it: what ours is measured against.

For each prompt K calls of ``generate``, one after the other; for each candidate one pass with the
logits of the whole sequence for its entropy and another one for its gradient. Written from
METHOD's description of the authors' code, not from the code.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from gem_backend.config import SamplingConfig
from gem_backend.forward import TokenSequence, base_model, device_of
from gem_backend.policy import Policy

LAST_PART, TOP_PART = 0.2, 0.1  # of the tokens: what stands for the answer, and the forks


@dataclass(frozen=True, slots=True)
class NaiveStep:
    """The phases of a naive step with one policy, adapter included."""

    policy: Policy
    config: SamplingConfig

    @torch.no_grad()
    def sample(self, prompts: Sequence[tuple[int, ...]]) -> list[list[TokenSequence]]:
        """Sample K answers to each prompt, one at a time."""
        model, tokenizer = base_model(self.policy.model), self.policy.tokenizer
        groups = []
        for prompt in prompts:
            ids = torch.tensor([prompt], device=device_of(model))
            group = []
            for _ in range(self.config.num_candidates):
                output = model.generate(  # type: ignore[operator]  # added by a mixin
                    input_ids=ids,
                    attention_mask=torch.ones_like(ids),
                    do_sample=True,
                    temperature=self.config.temperature,
                    top_p=self.config.top_p,
                    top_k=0,
                    max_new_tokens=self.config.max_new_tokens,
                    eos_token_id=tokenizer.eos_token_id,
                    pad_token_id=tokenizer.eos_token_id or 0,
                )
                group.append(TokenSequence(prompt, tuple(output[0, len(prompt) :].tolist())))
            groups.append(group)
        return groups

    @torch.no_grad()
    def score(self, groups: Sequence[Sequence[TokenSequence]]) -> list[list[float]]:
        """Score each candidate from the logits of its whole sequence."""
        return [[self._score(sequence) for sequence in group] for group in groups]

    def update(
        self, groups: Sequence[Sequence[TokenSequence]], scores: Sequence[Sequence[float]]
    ) -> None:
        """Add the gradient of equation (2), one candidate at a time."""
        for group, values in zip(groups, scores, strict=True):
            baseline = sum(values) / len(values)
            for sequence, value in zip(group, values, strict=True):
                logits, ids = self._logits(sequence)
                logps_T = logits.float().log_softmax(-1)[:-1].gather(-1, ids[1:, None])[:, 0]
                logp = logps_T[len(sequence.prompt_ids) - 1 :].sum()
                share = -(value - baseline) / (len(group) * len(groups))
                (share * logp).backward()  # type: ignore[no-untyped-call]

    def _score(self, sequence: TokenSequence) -> float:
        logits, _ = self._logits(sequence)
        log_probs = logits.float().log_softmax(-1)
        probs = logits.float().softmax(-1)
        entropy_T = -(probs * log_probs).sum(-1)[len(sequence.prompt_ids) - 1 : -1]
        split = len(entropy_T) - math.ceil(LAST_PART * len(entropy_T))
        forks = entropy_T[:split].topk(math.ceil(TOP_PART * split)).values
        fork = float(forks.mean()) if split else 0.0
        return fork - float(entropy_T[split:].mean())

    def _logits(self, sequence: TokenSequence) -> tuple[Tensor, Tensor]:
        model = self.policy.model
        ids = torch.tensor(sequence.prompt_ids + sequence.completion_ids, device=device_of(model))
        logits: Tensor = model(input_ids=ids[None], use_cache=False).logits[0]
        return logits, ids
