"""Supervised fine-tuning on the chosen answers: the warm start, and the anchor beside SEGA.

It is plain maximum likelihood on the answer's tokens, end token included; the prompt is not trained
on.
"""

from collections.abc import Sequence

import torch
from torch import Tensor


def sft_loss(logps_B: Sequence[Tensor]) -> Tensor:
    """Return the mean negative log-probability per token, in nats.

    Args:
        logps_B: for each answer its token log-probabilities, shape (T,), nats.
    """
    return -torch.cat(list(logps_B)).mean()
