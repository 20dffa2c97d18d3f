"""The DPO loss, by hand."""

import math

import pytest
import torch

from gem_backend.dpo import dpo_loss


def test_it_starts_at_ln_2():
    margin = torch.tensor([3.0, -1.0], dtype=torch.float64)
    assert dpo_loss(margin, margin, 0.1).tolist() == pytest.approx([math.log(2)] * 2)


def test_value_and_gradient_by_hand():
    """beta (4 - 1) = 3 beta = ln 3: sigmoid 3/4, loss ln(4/3), gradient -beta (1 - 3/4)."""
    beta = math.log(3) / 3
    margin = torch.tensor(4.0, dtype=torch.float64, requires_grad=True)
    loss = dpo_loss(margin, torch.tensor(1.0, dtype=torch.float64), beta)
    loss.backward()
    assert loss.item() == pytest.approx(math.log(4 / 3))
    assert margin.grad.item() == pytest.approx(-beta / 4)
