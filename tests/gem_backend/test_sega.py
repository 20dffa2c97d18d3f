import math

import pytest
import torch

from gem_backend.sega import advantages, is_zero_gradient, sega_loss

SCORES = torch.tensor([1.0, 2.0, 6.0])


def test_advantages_by_hand():
    """Mean 3, so -2, -1, 3; population variance 14/3."""
    assert advantages(SCORES).tolist() == [-2.0, -1.0, 3.0]
    scaled = advantages(SCORES, scale_by_std=True)
    assert scaled.tolist() == pytest.approx([x / (14 / 3) ** 0.5 for x in (-2, -1, 3)])


def test_softmax_advantages_by_hand():
    """softmax(0, ln 3) = 1/4, 3/4; mean 1/2."""
    found = advantages(torch.tensor([0.0, math.log(3)]), "softmax")
    assert found.tolist() == pytest.approx([-0.25, 0.25])


@pytest.mark.parametrize("mapping", ["identity", "softmax"])
@pytest.mark.parametrize("scale_by_std", [False, True])
@pytest.mark.parametrize("size", [2, 5, 16])
def test_advantages_sum_to_zero_and_keep_the_order(mapping, scale_by_std, size):
    scores = torch.randn(size)
    found = advantages(scores, mapping, scale_by_std)
    assert abs(found.sum().item()) < 1e-5
    assert torch.equal(found.argsort(), scores.argsort())


@pytest.mark.parametrize("scale_by_std", [False, True])
def test_adding_a_constant_to_all_scores_changes_nothing(scale_by_std):
    for mapping in ("identity", "softmax"):
        shifted = advantages(SCORES + 8, mapping, scale_by_std)
        assert torch.allclose(shifted, advantages(SCORES, mapping, scale_by_std), atol=1e-5)


@pytest.mark.parametrize("mapping", ["identity", "softmax"])
@pytest.mark.parametrize("scores", [[0.7], [0.1, 0.1, 0.1], [-3.3] * 7])
def test_one_candidate_or_equal_scores_teach_nothing(mapping, scores):
    scores = torch.tensor(scores)
    for scale_by_std in (False, True):
        assert not advantages(scores, mapping, scale_by_std).any()
    assert is_zero_gradient(scores)
    assert not is_zero_gradient(SCORES)


def test_advantages_carry_no_gradient():
    assert not advantages(SCORES.clone().requires_grad_()).requires_grad


def test_loss_and_its_gradient_by_hand():
    """loss = -(1/3)(-2 * -1 + -1 * -2 + 3 * -3) = 5/3; d loss / d logp_i = -A_i / 3."""
    logps = torch.tensor([-1.0, -2.0, -3.0], requires_grad=True)
    weights = advantages(SCORES).requires_grad_()
    loss = sega_loss(logps, weights)
    loss.backward()
    assert loss.item() == pytest.approx(5 / 3)
    assert logps.grad.tolist() == pytest.approx([2 / 3, 1 / 3, -1.0])
    assert weights.grad is None


def test_gradient_on_a_softmax_policy_by_hand():
    """One token, two candidates a and b of a two-token vocabulary, logits (z, 0), p = sigmoid(z).

    With scores 1 and 0, A = (1/2, -1/2); loss = -(1/2)(log p - log(1 - p)) / 2 = -z / 4, so the
    gradient is -1/4 whatever z is.
    """
    z = torch.tensor(0.83, requires_grad=True)
    logps = torch.stack([z, z * 0]).log_softmax(0)
    sega_loss(logps, advantages(torch.tensor([1.0, 0.0]))).backward()
    assert z.grad.item() == pytest.approx(-0.25)


@pytest.mark.parametrize("size", [2, 3, 8])
def test_equals_leave_one_out_times_k_minus_one_over_k(size):
    """RLOO's baseline is the mean of the others: r_i - (sum - r_i)/(K-1) = (r_i - mean) K/(K-1)."""
    scores = torch.randn(size, dtype=torch.float64)
    logps = torch.randn(size, dtype=torch.float64)
    rloo = scores - (scores.sum() - scores) / (size - 1)
    expected = -(rloo * logps).mean() * (size - 1) / size
    assert sega_loss(logps, advantages(scores)).item() == pytest.approx(expected.item())


def test_a_step_raises_the_best_and_lowers_the_worst():
    logits = torch.zeros(3, requires_grad=True)
    sega_loss(logits.log_softmax(0), advantages(SCORES)).backward()
    with torch.no_grad():
        probs = (logits - logits.grad).softmax(0)
    assert probs[2] > 1 / 3 > probs[0]


def test_a_softmax_near_zero_temperature_gives_the_best_all():
    """Rewards 0, 0, 1; mean 1/3."""
    found = advantages(SCORES, "softmax", temperature=1e-3)
    assert found.tolist() == pytest.approx([-1 / 3, -1 / 3, 2 / 3])


def test_the_temperature_divides_the_scores():
    """softmax(ln 3 / 0.5 = ln 9, 0) = 9/10, 1/10; mean 1/2."""
    found = advantages(torch.tensor([math.log(3), 0.0]), "softmax", temperature=0.5)
    assert found.tolist() == pytest.approx([0.4, -0.4])


@pytest.mark.parametrize("weight", [0.0, 0.2, 1.0])
def test_the_negative_weight_touches_negative_advantages_only(weight):
    """-2, -1, 3 become -2w, -w, 3."""
    found = advantages(SCORES, negative_weight=weight)
    assert found.tolist() == pytest.approx([-2 * weight, -weight, 3.0])
