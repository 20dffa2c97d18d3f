"""Exact token entropy and log-probability from one teacher-forced pass (METHOD section 2).

The backbone runs once over padded batches; the output head then meets only the positions that
predict a completion token, a chunk of tokens at a time, so (T, V) logits never exist for a batch.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple, cast

import torch
from peft import PeftModel
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from gem_backend.forward import (
    LanguageModel,
    TokenSequence,
    as_tensor,
    check_lengths,
    device_of,
    inference_mode,
    is_plain_head,
    output_head,
    own_logits,
)
from gem_backend.memory import CPU_CHUNK_BYTES, GPU_CHUNK_BYTES
from gem_backend.shared_prompts import completion_hidden, plan_sequences

__all__ = [
    "SequenceLogps",
    "TokenSequence",
    "TokenStatistics",
    "logit_statistics",
    "score_tokens",
    "sequence_logps",
    "token_divergence",
    "token_entropy",
    "token_statistics",
]

Head = Callable[[Tensor], Tensor]
"""Maps hidden states (T, D) to raw logits (T, V)."""


class TokenStatistics(NamedTuple):
    """What the policy says at each completion token, in nats, at temperature 1.

    ``entropy_T`` and ``logprob_T`` have shape (T,); ``top_ids_TK`` and ``top_logprobs_TK`` hold the
    K most likely tokens, best first, shape (T, K). Floats are float32 (a float64 model: float64).
    """

    entropy_T: Tensor
    logprob_T: Tensor
    top_ids_TK: Tensor
    top_logprobs_TK: Tensor


class SequenceLogps(NamedTuple):
    """Per-token log-probabilities with gradient, one (T,) tensor a sequence.

    ``statistics`` are those that ``score_tokens`` gives, detached, on the model's device; empty
    when they were not asked for.
    """

    logps: list[Tensor]
    statistics: list[TokenStatistics]

    @property
    def entropy(self) -> list[Tensor]:
        """The entropy of each token, one (T,) tensor a sequence, detached."""
        return [one.entropy_T for one in self.statistics]


# --- pure functions ---------------------------------------------------------------------------


def token_entropy(logits_TV: Tensor, *, chunk_tokens: int | None = None) -> Tensor:
    """Return the entropy of each row's distribution, in nats.

    Args:
        logits_TV: raw logits, shape (T, V), any float dtype; -inf marks impossible tokens, and each
            row needs one finite logit.
        chunk_tokens: rows worked on at once; None chooses by memory. It does not change the result.

    Returns:
        Shape (T,), float32, or float64 for float64 logits; between 0 and ln V.
    """
    step = chunk_tokens or default_chunk_tokens(logits_TV.shape[-1], logits_TV.device)
    chunks = [_entropy_and_normaliser(_widen(chunk))[0] for chunk in torch.split(logits_TV, step)]
    return torch.cat(chunks)


def token_statistics(
    hidden_TD: Tensor,
    head: Head,
    ids_T: Tensor,
    *,
    top_k: int = 5,
    chunk_tokens: int | None = None,
) -> TokenStatistics:
    """Project hidden states in token chunks and return each token's exact statistics.

    Args:
        hidden_TD: hidden states that predict the tokens, shape (T, D).
        head: the model's output projection.
        ids_T: the tokens that came, shape (T,), int64.
        top_k: how many of the most likely tokens to keep; at most V are.
        chunk_tokens: tokens projected at once; None chooses by memory.
    """
    if not len(ids_T):
        return _no_statistics(hidden_TD, top_k)
    step = chunk_tokens or _head_chunk_tokens(hidden_TD, head)
    parts = [
        logit_statistics(head(hidden), ids, top_k=top_k)
        for hidden, ids in zip(torch.split(hidden_TD, step), torch.split(ids_T, step), strict=True)
    ]
    return TokenStatistics(*(torch.cat(field) for field in zip(*parts, strict=True)))


def logit_statistics(logits_TV: Tensor, ids_T: Tensor, *, top_k: int = 5) -> TokenStatistics:
    """Return entropy, log-probability and the best alternatives from logits that are at hand.

    Args:
        logits_TV: raw logits, shape (T, V).
        ids_T: the tokens that came, shape (T,).
        top_k: how many of the most likely tokens to keep; at most V are.
    """
    wide = _widen(logits_TV)
    entropy, log_normaliser = _entropy_and_normaliser(wide)
    logprob = wide.gather(-1, ids_T[:, None])[:, 0] - log_normaliser
    best = wide.topk(min(top_k, wide.shape[-1]), dim=-1)
    return TokenStatistics(entropy, logprob, best.indices, best.values - log_normaliser[:, None])


def default_chunk_tokens(vocabulary: int, device: torch.device) -> int:
    """Return how many tokens' logits (fp32) fit the chunk budget of a device; at least 1."""
    budget = GPU_CHUNK_BYTES if device.type == "cuda" else CPU_CHUNK_BYTES
    return max(1, budget // (4 * vocabulary))


def _widen(logits: Tensor) -> Tensor:
    return logits if logits.dtype == torch.float64 else logits.float()


def _entropy_and_normaliser(logits_TV: Tensor) -> tuple[Tensor, Tensor]:
    """Return H = log s - sum(e (z - m)) / s and log sum exp z = m + log s, both (T,)."""
    peak_T = logits_TV.amax(-1, keepdim=True)
    shifted = logits_TV - peak_T
    weight = shifted.exp()
    total_T = weight.sum(-1)
    # exp(-inf) * -inf is nan where the entropy's limit is 0; in place, for memory and speed
    expected_T = shifted.clamp_min_(torch.finfo(shifted.dtype).min).mul_(weight).sum(-1)
    log_total_T = total_T.log()
    return (log_total_T - expected_T / total_T).clamp_min(0), peak_T[:, 0] + log_total_T


def _no_statistics(hidden_TD: Tensor, top_k: int) -> TokenStatistics:
    empty = torch.zeros(0, device=hidden_TD.device)
    ids = torch.zeros(0, top_k, dtype=torch.long, device=hidden_TD.device)
    return TokenStatistics(empty, empty, ids, empty.reshape(0, 1).expand(0, top_k))


def _head_chunk_tokens(hidden_TD: Tensor, head: Head) -> int:
    """Ask the head for its vocabulary; a head that does not say is projected in small chunks."""
    vocabulary = getattr(head, "out_features", 0) or getattr(head, "num_embeddings", 0) or 2**18
    return default_chunk_tokens(int(vocabulary), hidden_TD.device)


# --- with a model -----------------------------------------------------------------------------


def score_tokens(
    model: LanguageModel,
    sequences: Sequence[TokenSequence],
    *,
    max_tokens_per_batch: int = 8192,
    top_k: int = 5,
) -> list[TokenStatistics]:
    """Score every completion token under the model as it stands, adapter included.

    Args:
        model: a causal language model; its training mode is restored afterwards.
        sequences: prompts with their completions; a prompt holds at least one token.
        max_tokens_per_batch: tokens of one forward pass, padding included.
        top_k: how many of the most likely tokens to keep.

    Returns:
        Statistics in the order of ``sequences``, on the CPU, empty for an empty completion.

    Raises:
        DataError: a prompt is empty, or a sequence is longer than the model can read.
    """
    check_lengths(model, sequences)
    statistics: list[TokenStatistics | None] = [None] * len(sequences)
    with inference_mode(model):
        for batch in plan_sequences(model, sequences, max_tokens_per_batch):
            scored = _score_batch(model, [sequences[i] for i in batch], top_k)
            for index, result in zip(batch, scored, strict=True):
                statistics[index] = TokenStatistics(*(field.cpu() for field in result))
    return cast(list[TokenStatistics], statistics)


def sequence_logps(
    model: LanguageModel,
    sequences: Sequence[TokenSequence],
    *,
    with_entropy: bool = False,
    top_k: int = 5,
) -> SequenceLogps:
    """Return log-probabilities that can be trained on, from one forward pass over all sequences.

    The logits of a chunk are recomputed in the backward pass, so memory holds hidden states, never
    (T, V). Split a large group with ``plan_sequences`` first. Training mode is left as it is. Pass
    the unwrapped model: under DDP the gradients are then yours to reduce.

    Args:
        model: a causal language model with trainable parameters.
        sequences: prompts with their completions; a prompt holds at least one token.
        with_entropy: also return each token's statistics, so that one pass scores and trains.
        top_k: how many of the most likely tokens the statistics keep.

    Raises:
        DataError: a prompt is empty, or a sequence is longer than the model can read.
    """
    check_lengths(model, sequences)
    if not sequences:
        return SequenceLogps([], [])
    ids = [as_tensor(s.completion_ids, device_of(model)) for s in sequences]
    kept = top_k if with_entropy else None
    if is_plain_head(model):
        hidden = torch.cat(completion_hidden(model, sequences))
        parts = _chunked_logps(hidden, output_head(model), torch.cat(ids), kept)
        fields = [torch.split(torch.cat(part), list(map(len, ids))) for part in parts]
        rows = list(zip(*fields, strict=True))
    else:
        rows = [
            checkpoint(_logps_of_logits, own_logits(model, s), i, kept, use_reentrant=False)
            for s, i in zip(sequences, ids, strict=True)
        ]
    statistics = [TokenStatistics(*row[1:]) for row in rows] if with_entropy else []
    return SequenceLogps([row[0] for row in rows], statistics)


def token_divergence(
    model: LanguageModel, sequences: Sequence[TokenSequence], *, max_tokens_per_batch: int = 8192
) -> list[Tensor]:
    """Return KL(policy || base) at each completion token, in nats, over the whole vocabulary.

    The base is the same model with its adapter switched off. A model without an adapter, or with
    its adapter off already, is its own base: zeros.

    Args:
        model: a causal language model; its training mode is restored afterwards.
        sequences: prompts with their completions; a prompt holds at least one token.
        max_tokens_per_batch: tokens of one forward pass, padding included.

    Returns:
        One (T,) tensor a sequence, in order, on the CPU, at least 0.

    Raises:
        DataError: a prompt is empty, or a sequence is longer than the model can read.
    """
    if not isinstance(model, PeftModel) or model.get_model_status().enabled is False:
        return [torch.zeros(len(s.completion_ids)) for s in sequences]
    check_lengths(model, sequences)
    divergence: dict[int, Tensor] = {}
    with inference_mode(model):
        for batch in plan_sequences(model, sequences, max_tokens_per_batch):
            rows = _batch_divergence(model, [sequences[i] for i in batch])
            divergence.update(zip(batch, (row.cpu() for row in rows), strict=True))
    return [divergence[index] for index in range(len(sequences))]


def _score_batch(
    model: LanguageModel, sequences: Sequence[TokenSequence], top_k: int
) -> list[TokenStatistics]:
    ids = [as_tensor(s.completion_ids, device_of(model)) for s in sequences]
    if not is_plain_head(model):
        return [
            logit_statistics(own_logits(model, s), i, top_k=top_k)
            for s, i in zip(sequences, ids, strict=True)
        ]
    hidden = torch.cat(completion_hidden(model, sequences))
    joined = token_statistics(hidden, output_head(model), torch.cat(ids), top_k=top_k)
    counts = [len(i) for i in ids]
    fields = [torch.split(field, counts) for field in joined]
    return [TokenStatistics(*row) for row in zip(*fields, strict=True)]


def _logps_of_logits(logits_TV: Tensor, ids_T: Tensor, top_k: int | None) -> tuple[Tensor, ...]:
    """Return log-probabilities, and behind them the fields of ``TokenStatistics`` if asked for.

    They come last, where a checkpoint's second run no longer comes to.
    """
    wide = _widen(logits_TV)
    logps_T = wide.log_softmax(-1).gather(-1, ids_T[:, None])[:, 0]
    if top_k is None:
        return (logps_T,)
    with torch.no_grad():
        return logps_T, *logit_statistics(wide.detach(), ids_T, top_k=top_k)


def _chunked_logps(
    hidden_TD: Tensor, head: nn.Module, ids_T: Tensor, top_k: int | None
) -> list[tuple[Tensor, ...]]:
    """Return what ``_logps_of_logits`` does, field by field, each in its chunks."""

    def project(hidden: Tensor, ids: Tensor) -> tuple[Tensor, ...]:
        return _logps_of_logits(head(hidden), ids, top_k)

    step = _head_chunk_tokens(hidden_TD, head)
    parts: list[tuple[Tensor, ...]] = [
        checkpoint(project, hidden, ids, use_reentrant=False)
        for hidden, ids in zip(torch.split(hidden_TD, step), torch.split(ids_T, step), strict=True)
    ]
    return list(zip(*parts, strict=True))


def _batch_divergence(model: PeftModel, sequences: Sequence[TokenSequence]) -> list[Tensor]:
    if not is_plain_head(model):
        tuned = [own_logits(model, s) for s in sequences]
        with model.disable_adapter():
            base = [own_logits(model, s) for s in sequences]
        return [_kl(p, q) for p, q in zip(tuned, base, strict=True)]
    tuned_TD = torch.cat(completion_hidden(model, sequences))
    with model.disable_adapter():
        base_TD = torch.cat(completion_hidden(model, sequences))
    head = output_head(model)
    step = _head_chunk_tokens(tuned_TD, head)
    chunks = zip(torch.split(tuned_TD, step), torch.split(base_TD, step), strict=True)
    kl_T = torch.cat([_head_kl(model, head, tuned, base) for tuned, base in chunks])
    return list(torch.split(kl_T, [len(s.completion_ids) for s in sequences]))


def _head_kl(model: PeftModel, head: nn.Module, tuned_TD: Tensor, base_TD: Tensor) -> Tensor:
    """Project both; the head may carry a part of the adapter itself."""
    logits = head(tuned_TD)
    with model.disable_adapter():
        return _kl(logits, head(base_TD))


def _kl(logits_TV: Tensor, base_logits_TV: Tensor) -> Tensor:
    """Return sum P (log P - log Q) of each row, (T,); where P is 0 its term is too."""
    log_p = _widen(logits_TV).log_softmax(-1)
    log_q = _widen(base_logits_TV).log_softmax(-1)
    p = log_p.exp()
    return (p * (log_p - log_q).masked_fill(p == 0, 0)).sum(-1).clamp_min(0)
