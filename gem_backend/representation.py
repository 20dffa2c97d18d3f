"""What the base model makes of answers, in one pass: log-probabilities and representations."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from peft import PeftModel
from torch import Tensor

from gem_backend.entropy import logit_statistics, token_statistics
from gem_backend.forward import (
    TokenSequence,
    as_tensor,
    check_lengths,
    device_of,
    inference_mode,
    is_plain_head,
    output_head,
    own_logits,
)
from gem_backend.shared_prompts import completion_hidden, plan_sequences


class BaseView(NamedTuple):
    """An answer as the base model sees it.

    ``logprob_T`` in nats; ``representation_D`` is the mean of the last hidden states that predict
    the answer's tokens.
    """

    logprob_T: Tensor
    representation_D: NDArray[np.float64]


def base_views(
    model: PeftModel, sequences: Sequence[TokenSequence], max_tokens_per_batch: int = 8192
) -> list[BaseView]:
    """Look at answers with the adapter switched off.

    Args:
        model: the policy.
        sequences: prompts with their answers, at least one token each.
        max_tokens_per_batch: tokens of one forward pass, padding included.

    Returns:
        In the order of ``sequences``, on the CPU.

    Raises:
        DataError: a prompt is empty, or a sequence is longer than the model can read.
    """
    check_lengths(model, sequences)
    views: dict[int, BaseView] = {}
    with inference_mode(model), model.disable_adapter():
        for batch in plan_sequences(model, sequences, max_tokens_per_batch):
            views.update(zip(batch, _views(model, [sequences[i] for i in batch]), strict=True))
    return [views[index] for index in range(len(sequences))]


def _views(model: PeftModel, sequences: Sequence[TokenSequence]) -> list[BaseView]:
    hidden = completion_hidden(model, sequences)
    ids = [as_tensor(s.completion_ids, device_of(model)) for s in sequences]
    if is_plain_head(model):
        joined = token_statistics(
            torch.cat(hidden), output_head(model), torch.cat(ids), top_k=1
        ).logprob_T
        logps = list(torch.split(joined, [len(i) for i in ids]))
    else:
        logps = [
            logit_statistics(own_logits(model, s), i, top_k=1).logprob_T
            for s, i in zip(sequences, ids, strict=True)
        ]
    return [
        BaseView(logp.cpu(), one.double().mean(0).cpu().numpy())
        for logp, one in zip(logps, hidden, strict=True)
    ]
