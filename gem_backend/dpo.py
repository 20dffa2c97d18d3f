"""The DPO loss on a group's best and worst candidate: the paper's ablation "filtering + DPO".

Not the baseline DPO on the expert's pairs, which goes through TRL (``baselines``).
"""

from torch import Tensor
from torch.nn.functional import logsigmoid


def dpo_loss(margin: Tensor, reference_margin: Tensor, beta: float) -> Tensor:
    """Return -log sigmoid(beta (margin - reference_margin)), elementwise.

    Args:
        margin: log pi(better) - log pi(worse), nats, with gradient, any shape.
        reference_margin: the same under the reference policy, without gradient.
        beta: how strongly the policy is held to the reference, > 0.

    Source: Rafailov et al. 2023, arXiv:2305.18290, eq. (7).
    """
    return -logsigmoid(beta * (margin - reference_margin))
