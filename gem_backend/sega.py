"""SEGA, equation (2): push the policy towards the candidates that score above their group.

Not PPO and not GRPO: no clipping, no ratio, no reference model; the baseline is the group's mean.
"""

from typing import Literal

import torch
from torch import Tensor

RewardMapping = Literal["identity", "softmax"]


def rewards(
    scores_K: Tensor, reward_mapping: RewardMapping = "identity", temperature: float = 1.0
) -> Tensor:
    """Map a group's scores to rewards, shape (K,): as they are, or softmax over the K.

    Args:
        scores_K: one group's scores, shape (K,).
        reward_mapping: "identity" or "softmax".
        temperature: divides the scores before the softmax; near 0 the best takes all. [ours]
    """
    return (scores_K / temperature).softmax(-1) if reward_mapping == "softmax" else scores_K


def advantages(
    scores_K: Tensor,
    reward_mapping: RewardMapping = "identity",
    scale_by_std: bool = False,
    *,
    temperature: float = 1.0,
    negative_weight: float = 1.0,
) -> Tensor:
    """Return each candidate's reward less the group's mean; they sum to 0.

    Args:
        scores_K: one group's scores (``gem_score``, nats), shape (K,), K >= 1.
        reward_mapping: "identity" or "softmax" over the group.
        scale_by_std: divide by the group's standard deviation (population form); a group whose
            rewards are all equal keeps its zeros.
        temperature: of the softmax.
        negative_weight: from 0 to 1; what is left of the advantages below 0, which push answers
            away without a floor. 1 is the paper's; less, and they no longer sum to 0. [ours]

    Returns:
        Shape (K,), detached, dtype of ``scores_K`` (at least float32). K = 1 gives zero.

    Source: Zhao et al. 2025, arXiv:2511.13007, eq. (2). The division is the authors' code's.
    """
    scores_K = scores_K.detach()
    if scores_K.dtype != torch.float64:
        scores_K = scores_K.float()
    if bool((scores_K == scores_K[0]).all()):
        return torch.zeros_like(scores_K)  # exactly, where the mean would leave rounding
    rewards_K = rewards(scores_K, reward_mapping, temperature)
    advantages_K = rewards_K - rewards_K.mean()
    std = advantages_K.square().mean().sqrt()
    if scale_by_std and std > 0:
        advantages_K = advantages_K / std
    return torch.where(advantages_K < 0, negative_weight * advantages_K, advantages_K)


def sega_loss(logps_K: Tensor, advantages_K: Tensor) -> Tensor:
    """Return the loss whose gradient is equation (2): the mean over K of -A_i log pi(a_i).

    Args:
        logps_K: log-probability of each candidate, nats, shape (K,), with gradient: the sum over
            its tokens (paper), or the mean (``normalisation="token"``).
        advantages_K: from ``advantages``, shape (K,).

    Returns:
        A scalar. Its value is no measure of progress; only its gradient has a meaning.

    Source: Zhao et al. 2025, arXiv:2511.13007, eq. (2).
    """
    return -(advantages_K.detach().to(logps_K) * logps_K).mean()


def is_zero_gradient(scores_K: Tensor) -> bool:
    """Whether a group teaches nothing: one candidate, or all scores equal."""
    return not bool(advantages(scores_K).any())
