"""One gradient step: the warm start's loss, equation (2) over groups, clipping, the optimizer.

A step's prompts are cut into micro-batches of whole groups, so a group's mean is always exact.
"""

import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import cast

import torch
from accelerate import Accelerator
from peft import PeftModel
from torch import Tensor
from torch.optim import AdamW, Optimizer

from gem_backend.config import RunConfig
from gem_backend.entropy import TokenSequence, sequence_logps
from gem_backend.errors import TrainingError
from gem_backend.policy import Policy
from gem_backend.prompting import completion_ids, encode_prompt
from gem_backend.reporter import Reporter
from gem_backend.run_dir import RunDir
from gem_backend.sampling import TransformersSampler
from gem_backend.sega import advantages, sega_loss
from gem_backend.sft import sft_loss
from gem_backend.training_data import TrainingData
from gem_backend.types import Candidate, PreferencePair


@dataclass(frozen=True, slots=True)
class Group:
    """The K candidates of one prompt, and what the loss needs of them."""

    sequences_K: tuple[TokenSequence, ...]
    scores_K: Tensor
    base_logps_K: tuple[Tensor, ...]

    @property
    def num_tokens(self) -> int:
        """Tokens of a forward pass over the group, padding included."""
        longest = max(len(s.prompt_ids) + len(s.completion_ids) for s in self.sequences_K)
        return len(self.sequences_K) * longest


@dataclass(frozen=True, slots=True)
class Trainer:
    """What every step of the loop holds in its hands."""

    run: RunDir
    reporter: Reporter
    config: RunConfig
    data: TrainingData
    accelerator: Accelerator
    policy: Policy
    sampler: TransformersSampler

    @property
    def model(self) -> PeftModel:
        """The policy: the base model under its adapter."""
        return cast(PeftModel, self.policy.model)


def sft_backward(trainer: Trainer, batch: Sequence[PreferencePair], weight: float) -> float:
    """Add the gradient of the weighted anchor loss and return the loss, nats per token."""
    if not weight:
        return 0.0
    sequences = [_sequence(trainer, pair.prompt, pair.chosen) for pair in batch]
    loss = sft_loss(sequence_logps(trainer.model, sequences).logps)
    trainer.accelerator.backward(weight * loss)
    return _finite(loss)


def sega_backward(trainer: Trainer, batch: Sequence[Group]) -> float:
    """Add the gradient of equation (2), averaged over the groups of a step, and return the loss."""
    total = 0.0
    for groups in _micro_batches(batch, trainer.config.micro_batch_tokens):
        sequences = [sequence for group in groups for sequence in group.sequences_K]
        logps = iter(sequence_logps(trainer.model, sequences).logps)
        losses = [
            _group_loss(
                trainer.config, group, list(itertools.islice(logps, len(group.sequences_K)))
            )
            for group in groups
        ]
        loss = torch.stack(losses).sum() / len(batch)
        trainer.accelerator.backward(loss)
        total += _finite(loss)
    return total


def _group_loss(config: RunConfig, group: Group, logps: Sequence[Tensor]) -> Tensor:
    """Equation (2) for one group, and the optional KL term."""
    reduce = torch.sum if config.sega.normalisation == "sequence" else torch.mean
    logps_K = torch.stack([reduce(logps_T) for logps_T in logps])
    advantages_K = advantages(group.scores_K, config.sega.reward_mapping, config.sega.scale_by_std)
    loss = sega_loss(logps_K, advantages_K)
    if config.sega.kl_weight:
        loss = loss + config.sega.kl_weight * _kl_term(logps, group.base_logps_K)
    return loss


def _kl_term(logps: Sequence[Tensor], base_logps: Sequence[Tensor]) -> Tensor:
    """An unbiased, never negative estimate of KL(policy || base) per token, nats, with gradient.

    Source: Schulman, "Approximating KL divergence" (2020), the k3 estimator.
    """
    gap = torch.cat([base.to(now) - now for now, base in zip(logps, base_logps, strict=True)])
    return (gap.exp() - gap - 1).mean()


def update(trainer: Trainer, optimizer: Optimizer) -> dict[str, float]:
    """Clip, step, clear; return the figures of the step."""
    parameters = [p for p in trainer.model.parameters() if p.requires_grad]
    norm = trainer.accelerator.clip_grad_norm_(parameters, trainer.config.max_grad_norm)
    optimizer.step()
    optimizer.zero_grad(set_to_none=True)
    return {"grad_norm": float(norm), "lr": optimizer.param_groups[0]["lr"]}


def _finite(loss: Tensor) -> float:
    value = float(loss.detach())
    if not math.isfinite(value):
        raise TrainingError(
            "The loss is no longer a number. Start again with a lower learning rate."
        )
    return value


def _sequence(trainer: Trainer, prompt: str, completion: str) -> TokenSequence:
    """Token ids of a prompt with an answer that ends, cut to the run's longest length."""
    tokenizer, config = trainer.policy.tokenizer, trainer.config
    prompt_ids = encode_prompt(tokenizer, prompt, config.prompt)
    room = config.max_length - len(prompt_ids)
    if room < 1:
        raise TrainingError(
            f"A prompt has {len(prompt_ids)} tokens, and 'max_length' allows {config.max_length} "
            "with its answer; raise it or leave that prompt out."
        )
    answer = completion_ids(tokenizer, completion, add_eos=True)
    return TokenSequence(tuple(prompt_ids), tuple(answer[:room]))


def candidate_sequence(trainer: Trainer, candidate: Candidate) -> TokenSequence:
    """The ids a candidate was sampled with; its text is never tokenised again."""
    ids = encode_prompt(trainer.policy.tokenizer, candidate.prompt, trainer.config.prompt)
    return TokenSequence(tuple(ids), candidate.token_ids)


def _micro_batches(groups: Sequence[Group], max_tokens: int) -> Iterator[list[Group]]:
    """Whole groups under a token budget; a group larger than the budget goes alone."""
    batch: list[Group] = []
    for group in groups:
        if batch and sum(g.num_tokens for g in batch) + group.num_tokens > max_tokens:
            yield batch
            batch = []
        batch.append(group)
    if batch:
        yield batch


def make_optimizer(trainer: Trainer, learning_rate: float) -> Optimizer:
    """Return AdamW over the adapter, without weight decay."""
    parameters = [p for p in trainer.model.parameters() if p.requires_grad]
    return AdamW(parameters, lr=learning_rate, weight_decay=0.0)
