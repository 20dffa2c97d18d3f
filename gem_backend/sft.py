"""Supervised fine-tuning on the chosen answers: the warm start, and the anchor beside SEGA.

It is plain maximum likelihood on the answer's tokens, end token included; the prompt is not trained
on.
"""

from torch import Tensor


def sft_loss(logps_T: Tensor, num_tokens: int) -> Tensor:
    """Return one answer's share of a batch's mean negative log-probability per token, in nats.

    The shares of a batch's answers add up to its loss, however the batch is split.

    Args:
        logps_T: log-probability of each token of the answer, shape (T,), nats.
        num_tokens: answer tokens of the whole batch.
    """
    return -logps_T.sum() / num_tokens
