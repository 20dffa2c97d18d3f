"""One gradient step: the warm start's loss, equation (2) over groups, clipping, the optimizer.

Both losses are plain sums over answers, because advantages and token counts are known before the
pass. So a step is cut into micro-batches wherever the token budget asks for it, also within a
group, and into a share for each process of a run; its gradient stays the same.
"""

import contextlib
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from peft import PeftModel
from torch import Tensor
from torch.optim import AdamW, Optimizer

from gem_backend.config import RunConfig
from gem_backend.dpo import dpo_loss
from gem_backend.entropy import sequence_logps
from gem_backend.errors import TrainingError
from gem_backend.forward import TokenSequence, is_checkpointed, is_plain_head
from gem_backend.order import shuffled_batches
from gem_backend.prompting import completion_ids, encode_prompt
from gem_backend.sega import advantages, sega_loss
from gem_backend.sft import sft_loss
from gem_backend.shared_prompts import plan_sequences
from gem_backend.trainer import Trainer
from gem_backend.types import Candidate, PreferencePair

NO_ADVANTAGE = 1e-6  # ours: below it a candidate's share of the gradient is not worth its pass


@dataclass(frozen=True, slots=True)
class Group:
    """The K candidates of one prompt, and what the loss needs of them.

    ``base_logps_K`` are token log-probabilities under the base model, ``sampled_logps_K`` those of
    whole candidates under the policy that sampled the round; nats.
    """

    sequences_K: tuple[TokenSequence, ...]
    scores_K: Tensor
    base_logps_K: tuple[Tensor, ...]
    sampled_logps_K: tuple[float, ...] = ()


@contextlib.contextmanager
def updating(model: PeftModel) -> Iterator[None]:
    """Switch the adapter's own dropout on for a phase of updates, and off behind it.

    The same for layers that are computed once more on the way back, where the run wants that.

    Everything else is in evaluation mode at all times. The frozen base keeps its dropout, if it has
    any, off during updates too: so without adapter dropout the log-probabilities that are trained
    on are those of the policy that was sampled and will be measured.
    """
    is_plain_head(model)  # its probe, the first time, sets modes of its own
    model.eval()
    for name, module in model.named_modules():
        if name.endswith("lora_dropout"):
            module.train()
        if is_checkpointed(module):
            module.training = True  # of the layer alone, which takes that for its switch
    try:
        yield
    finally:
        model.eval()


def sft_backward(trainer: Trainer, batch: Sequence[PreferencePair], weight: float) -> float:
    """Add the gradient of the weighted anchor loss and return the loss, nats per token."""
    if not weight:
        return 0.0
    sequences = [answer_sequence(trainer, pair.prompt, pair.chosen) for pair in batch]
    num_tokens = sum(len(sequence.completion_ids) for sequence in sequences)

    def share(_index: int, logps_T: Tensor) -> Tensor:
        return weight * sft_loss(logps_T, num_tokens)

    return _accumulate(trainer, sequences, share) / weight


def sft_pass(
    trainer: Trainer, optimizer: Optimizer, pairs: Sequence[PreferencePair], order: str
) -> Iterator[dict[str, float]]:
    """Train once on each pair's chosen answer; yield the figures of every step.

    Args:
        trainer: model, settings, and whether to stop.
        optimizer: of the adapter.
        pairs: to learn from.
        order: decides in which order; any text.
    """
    with updating(trainer.model):
        for batch in shuffled_batches(pairs, trainer.config.sft.batch_size, order):
            trainer.stop_if_asked()
            loss = sft_backward(trainer, batch, weight=1.0)
            yield {"loss": loss, **update(trainer, optimizer)}


def round_backward(trainer: Trainer, batch: Sequence[Group]) -> tuple[float, int]:
    """Add the gradient of one step of a round; return the loss and the tokens trained on."""
    if trainer.config.sega.update == "dpo":
        return dpo_backward(trainer, batch)
    return sega_backward(trainer, batch)


def group_advantages(config: RunConfig, scores_K: Tensor) -> Tensor:
    """Return a group's advantages under a run's settings, shape (K,)."""
    sega = config.sega
    return advantages(
        scores_K,
        sega.reward_mapping,
        sega.scale_by_std,
        temperature=sega.reward_temperature,
        negative_weight=sega.negative_weight,
    )


def sega_backward(trainer: Trainer, batch: Sequence[Group]) -> tuple[float, int]:
    """Add the gradient of equation (2), averaged over the groups of a step.

    Returns:
        The loss, and the tokens that went through the pass: a candidate without an advantage has no
        gradient and is left out, unless the KL term wants it.
    """
    is_kl_wanted = trainer.config.sega.kl_weight > 0
    shares = [
        _Share(
            sequence,
            advantage,
            base_logps_T,
            1 / (len(batch) * len(group.sequences_K)),
            1 / (len(batch) * sum(map(len, group.base_logps_K))),
        )
        for group in batch
        for sequence, advantage, base_logps_T in zip(
            group.sequences_K,
            group_advantages(trainer.config, group.scores_K),
            group.base_logps_K,
            strict=True,
        )
        if is_kl_wanted or abs(advantage) > NO_ADVANTAGE
    ]
    loss = _accumulate(
        trainer,
        [share.sequence for share in shares],
        lambda index, logps_T: _candidate_loss(trainer.config, shares[index], logps_T),
    )
    return loss, sum(len(share.sequence.completion_ids) for share in shares)


def dpo_backward(trainer: Trainer, batch: Sequence[Group]) -> tuple[float, int]:
    """Add the gradient of DPO on the best and the worst of each group, averaged over the groups.

    The reference is the policy that sampled the round; a group whose scores are all equal is left
    out. Returns the loss and the tokens trained on.
    """
    contrasts = []
    for group in batch:
        best, worst = int(group.scores_K.argmax()), int(group.scores_K.argmin())
        if group.scores_K[best] > group.scores_K[worst]:
            margin = group.sampled_logps_K[best] - group.sampled_logps_K[worst]
            contrasts.append(Contrast(group.sequences_K[best], group.sequences_K[worst], margin))
    return contrast_backward(trainer, contrasts, 1 / len(batch))


class Contrast(NamedTuple):
    """A better and a worse answer to a prompt, and how far the reference policy has them apart.

    ``reference_margin`` is log pi_ref(better) - log pi_ref(worse), nats, of whole answers.
    """

    better: TokenSequence
    worse: TokenSequence
    reference_margin: float


def contrast_backward(
    trainer: Trainer, contrasts: Sequence[Contrast], weight: float
) -> tuple[float, int]:
    """Add the gradient of ``weight`` times DPO's loss of each contrast.

    Returns:
        The weighted loss, and the tokens trained on.
    """
    longest = max((max(c.better.length, c.worse.length) for c in contrasts), default=1)
    at_once = max(1, trainer.config.micro_batch_tokens // (2 * longest))
    beta = trainer.config.baseline.beta
    total = 0.0
    own = trainer.share(contrasts)
    for start in range(0, len(own), at_once):
        part = own[start : start + at_once]
        both = [sequence for contrast in part for sequence in (contrast.better, contrast.worse)]
        sums = [logps_T.sum() for logps_T in sequence_logps(trainer.model, both).logps]
        margins = torch.stack(sums[::2]) - torch.stack(sums[1::2])
        references = torch.tensor([contrast.reference_margin for contrast in part]).to(margins)
        loss = weight * dpo_loss(margins, references, beta).sum()
        trainer.accelerator.backward(loss)
        total += float(loss.detach())
    tokens = sum(len(c.better.completion_ids) + len(c.worse.completion_ids) for c in contrasts)
    return _finite(trainer.total(total)), tokens


@dataclass(frozen=True, slots=True)
class _Share:
    """One candidate's part of a step; ``weight`` makes means over groups and candidates of a sum,
    ``token_weight`` means over groups and their tokens.
    """

    sequence: TokenSequence
    advantage: Tensor
    base_logps_T: Tensor
    weight: float
    token_weight: float


def _candidate_loss(config: RunConfig, share: _Share, logps_T: Tensor) -> Tensor:
    """Equation (2) for one candidate, and the optional KL term."""
    logp = logps_T.sum() if config.sega.normalisation == "sequence" else logps_T.mean()
    loss = share.weight * sega_loss(logp[None], share.advantage[None])
    if config.sega.kl_weight:
        loss = loss + config.sega.kl_weight * share.token_weight * _kl_term(
            logps_T, share.base_logps_T
        )
    return loss


def _kl_term(logps_T: Tensor, base_logps_T: Tensor) -> Tensor:
    """Sum over tokens of the never negative k3 estimate of KL(policy || base), nats, with gradient.

    Source: Schulman, "Approximating KL divergence" (2020). It is unbiased for tokens drawn from the
    policy itself; ours are drawn at the run's sampling temperature.
    """
    gap_T = base_logps_T.to(logps_T) - logps_T
    return (gap_T.exp() - gap_T - 1).sum()


def _accumulate(
    trainer: Trainer,
    sequences: Sequence[TokenSequence],
    loss_of: Callable[[int, Tensor], Tensor],
) -> float:
    """Add the gradient of a loss that is a sum over sequences, under the token budget.

    Args:
        trainer: model and budget.
        sequences: all of the step.
        loss_of: a sequence's share, from its index and its token log-probabilities, shape (T,).

    Returns:
        The loss.
    """
    total = 0.0
    own = trainer.share(range(len(sequences)))
    budget = trainer.config.micro_batch_tokens
    for places in plan_sequences(trainer.model, [sequences[i] for i in own], budget):
        indices = [own[place] for place in places]
        logps = sequence_logps(trainer.model, [sequences[i] for i in indices]).logps
        loss = torch.stack([loss_of(i, one) for i, one in zip(indices, logps, strict=True)]).sum()
        trainer.accelerator.backward(loss)
        total += float(loss.detach())
    return _finite(trainer.total(total))


def update(trainer: Trainer, optimizer: Optimizer) -> dict[str, float]:
    """Add the processes' gradients up, clip, step, clear; return the figures of the step."""
    parameters = [p for p in trainer.model.parameters() if p.requires_grad]
    trainer.total_gradients(parameters)
    norm = trainer.accelerator.clip_grad_norm_(parameters, trainer.config.max_grad_norm)
    optimizer.step()
    optimizer.zero_grad(set_to_none=True)
    return {"grad_norm": float(norm), "lr": optimizer.param_groups[0]["lr"]}


def _finite(loss: float) -> float:
    if not math.isfinite(loss):
        raise TrainingError(
            "The loss is no longer a number. Start again with a lower learning rate."
        )
    return loss


def answer_sequence(trainer: Trainer, prompt: str, completion: str) -> TokenSequence:
    """Token ids of a prompt with an answer that ends; whole, as long ones were left out before."""
    tokenizer = trainer.policy.tokenizer
    prompt_ids = encode_prompt(tokenizer, prompt, trainer.config.prompt)
    answer_ids = completion_ids(tokenizer, completion, add_eos=True)
    return TokenSequence(tuple(prompt_ids), tuple(answer_ids))


def candidate_sequence(trainer: Trainer, candidate: Candidate) -> TokenSequence:
    """The ids a candidate was sampled with; its text is never tokenised again."""
    ids = encode_prompt(trainer.policy.tokenizer, candidate.prompt, trainer.config.prompt)
    return TokenSequence(tuple(ids), candidate.token_ids)


def make_optimizer(trainer: Trainer, learning_rate: float) -> Optimizer:
    """Return AdamW over the adapter, without weight decay."""
    parameters = [p for p in trainer.model.parameters() if p.requires_grad]
    return AdamW(parameters, lr=learning_rate, weight_decay=0.0)
