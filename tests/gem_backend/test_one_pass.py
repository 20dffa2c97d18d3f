"""One pass that scores and trains: its gradient is the batch's, however a group is cut."""

import math

import pytest
import torch
from peft import LoraConfig, get_peft_model
from transformers import GPT2Config, GPT2LMHeadModel

from gem_backend.config import PromptConfig, SamplingConfig, ScoringConfig, SegaConfig
from gem_backend.entropy import score_tokens, sequence_logps
from gem_backend.errors import ConfigError
from gem_backend.forward import TokenSequence, base_model
from gem_backend.one_pass import one_pass_backward
from gem_backend.sampling import PolicySampler
from gem_backend.scoring import gem_score
from gem_backend.sega import advantages, sega_loss

PROMPTS = ((256, 1, 2), tuple(range(30, 60)))
LENGTHS = (3, 25, 9, 14)
GROUPS = [
    [TokenSequence(prompt, tuple(range(5, 5 + length))) for length in LENGTHS] for prompt in PROMPTS
]
WHOLE, TWO_ROWS, ONE_ROW = 10**6, 60, 1  # tokens of one forward pass


@pytest.fixture
def model():
    """Float64 throughout (a Llama's norms are not), so that what differs is an error."""
    torch.manual_seed(0)
    config = GPT2Config(vocab_size=258, n_embd=16, n_layer=2, n_head=2, n_positions=64)
    settings = LoraConfig(
        r=2, target_modules=["c_attn", "c_fc"], task_type="CAUSAL_LM", fan_in_fan_out=True
    )
    model = get_peft_model(GPT2LMHeadModel(config), settings).double().eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.normal_(std=0.3)
    return model


def score(_group, number, statistics):
    """Anything that depends on the entropies and differs between candidates."""
    return float(statistics.entropy_T.mean()) * (1 + number) - float(statistics.entropy_T.max())


def gradient(model):
    parameters = [p for p in model.parameters() if p.requires_grad]
    return torch.cat([p.grad.flatten() for p in parameters])


def by_the_batch(model, settings, score=score):
    """Scores first, then equation (2) as the paper writes it, all groups in one graph."""
    model.zero_grad()
    losses = []
    for index, group in enumerate(GROUPS):
        scored = [score(index, k, one) for k, one in enumerate(score_tokens(model, group))]
        scores_K = torch.tensor(scored, dtype=torch.float64)
        logps = [
            one.sum() if settings.normalisation == "sequence" else one.mean()
            for one in sequence_logps(model, group).logps
        ]
        advantages_K = advantages(
            scores_K,
            settings.reward_mapping,
            settings.scale_by_std,
            temperature=settings.reward_temperature,
        )
        losses.append(sega_loss(torch.stack(logps), advantages_K))
    torch.stack(losses).mean().backward()
    return gradient(model), [loss.item() for loss in losses]


@pytest.mark.parametrize("max_tokens", [WHOLE, TWO_ROWS, ONE_ROW])
@pytest.mark.parametrize("mapping", ["identity", "softmax"])
@pytest.mark.parametrize("scale_by_std", [False, True])
@pytest.mark.parametrize("temperature", [1.0, 0.3])
def test_the_gradient_is_the_batchs(model, max_tokens, mapping, scale_by_std, temperature):
    settings = SegaConfig(
        reward_mapping=mapping,
        scale_by_std=scale_by_std,
        normalisation="token" if temperature < 1 else "sequence",
        reward_temperature=temperature,
    )
    expected, losses = by_the_batch(model, settings)
    model.zero_grad()
    found = one_pass_backward(model, GROUPS, score, settings, max_tokens)
    assert expected.abs().max() > 1e-3
    torch.testing.assert_close(gradient(model), expected, rtol=1e-12, atol=1e-12)
    assert [one.loss for one in found] == pytest.approx(losses, rel=1e-9)


@pytest.mark.parametrize("order", [1, -1])
def test_softmax_rewards_survive_scores_that_overflow_an_exponential(model, order):
    def steep(_group, number, _statistics):
        return order * 900.0 * number

    settings = SegaConfig(reward_mapping="softmax")
    expected, _ = by_the_batch(model, settings, steep)
    model.zero_grad()
    one_pass_backward(model, GROUPS, steep, settings, ONE_ROW)
    torch.testing.assert_close(gradient(model), expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("max_tokens", [WHOLE, ONE_ROW])
@pytest.mark.parametrize("mapping", ["identity", "softmax"])
def test_equal_scores_leave_no_gradient_at_all(model, max_tokens, mapping):
    settings = SegaConfig(reward_mapping=mapping)
    one_pass_backward(model, GROUPS, lambda *_: 0.3, settings, max_tokens)
    assert not gradient(model).any()


def test_gradients_are_added_to_those_that_are_there(model):
    one_pass_backward(model, GROUPS, score, SegaConfig(), ONE_ROW)
    once = gradient(model)
    one_pass_backward(model, GROUPS, score, SegaConfig(), ONE_ROW)
    torch.testing.assert_close(gradient(model), 2 * once, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize(
    ("max_tokens", "passes"),
    [(WHOLE, 1 + 2), (ONE_ROW, 4 + 4)],  # the long prompt is read once and then its answers
)
def test_each_sequence_goes_through_the_model_once(model, max_tokens, passes):
    score_tokens(model, GROUPS[1])  # trials of the architecture come first
    shapes = []
    decoder = base_model(model).get_decoder()
    hook = decoder.register_forward_pre_hook(
        lambda _module, _args, kwargs: shapes.append(tuple(kwargs["input_ids"].shape)),
        with_kwargs=True,
    )
    for group in GROUPS:
        one_pass_backward(model, [group], score, SegaConfig(), max_tokens)
    hook.remove()
    assert len(shapes) == passes


def test_statistics_are_those_of_scoring(model):
    found = one_pass_backward(model, GROUPS, score, SegaConfig(), TWO_ROWS)
    for one, group in zip(found, GROUPS, strict=True):
        scored = score_tokens(model, group)
        for passed, alone in zip(one.statistics_K, scored, strict=True):
            for a, b in zip(passed, alone, strict=True):
                torch.testing.assert_close(a, b, rtol=1e-9, atol=1e-9)
                assert not a.requires_grad
        expected = [score(0, k, s) for k, s in enumerate(scored)]
        assert one.scores_K.tolist() == pytest.approx(expected)


def test_no_groups_are_no_work(model):
    assert one_pass_backward(model, [], score, SegaConfig(), WHOLE) == []


def test_the_kl_term_needs_two_passes(model):
    with pytest.raises(ConfigError, match="KL"):
        one_pass_backward(model, GROUPS, score, SegaConfig(kl_weight=0.1), WHOLE)
    with pytest.raises(ConfigError, match="negative"):
        one_pass_backward(model, GROUPS, score, SegaConfig(negative_weight=0.5), WHOLE)


def test_draws_become_the_candidates_that_sampling_gives(adapted_policy):
    """What the loop does: draw, then score and train in one pass, keeping the records."""
    sampler = PolicySampler(adapted_policy, PromptConfig())
    prompts = ["Age 70?", "Why?"]
    config = SamplingConfig(num_candidates=3, max_new_tokens=12, seed=5)
    sampled = sampler.sample(prompts, config)
    draws = sampler.draw(prompts, config)
    kept = {}

    def gem(group, number, statistics):
        one = kept[group, number] = draws.candidate(group, number, statistics)
        return gem_score(one.token_entropy, one.spans, ScoringConfig()).value

    passes = one_pass_backward(adapted_policy.model, draws.groups, gem, SegaConfig(), WHOLE)
    assert len(kept) == 6
    for (group, number), candidate in kept.items():
        expected = sampled[group][number]
        assert candidate.candidate_id == expected.candidate_id
        assert candidate.token_entropy == pytest.approx(expected.token_entropy, abs=1e-4)
        assert candidate.top_tokens == expected.top_tokens
    assert all(math.isfinite(one.loss) for one in passes)
