import math

import pytest
import torch
from torch import nn
from transformers import (
    CohereConfig,
    CohereForCausalLM,
    Gemma2Config,
    Gemma2ForCausalLM,
    GPT2Config,
    GPT2LMHeadModel,
    GraniteConfig,
    GraniteForCausalLM,
    Llama4ForCausalLM,
    Llama4TextConfig,
)

from gem_backend.entropy import (
    TokenSequence,
    score_tokens,
    sequence_logps,
    token_divergence,
    token_entropy,
    token_statistics,
)
from gem_backend.errors import DataError
from gem_backend.forward import is_plain_head, plan_batches

SEQUENCES = [
    TokenSequence((256, 72, 105), (10, 20, 30, 40, 257)),
    TokenSequence((256,), (5,)),
    TokenSequence((256, 1, 2, 3, 4, 5, 6, 7), (9, 9, 9)),
    TokenSequence((256, 50), ()),
    TokenSequence(tuple(range(40)), tuple(range(100, 130))),
]


def naive(model, sequence):
    """Softmax, log and sum over the whole vocabulary in float64, one sequence, no padding."""
    ids = torch.tensor([sequence.prompt_ids + sequence.completion_ids])
    with torch.no_grad():
        logits = model(input_ids=ids).logits[0].double()
    kept = logits[len(sequence.prompt_ids) - 1 : ids.shape[1] - 1]
    p = kept.softmax(-1)
    entropy = -(p * p.log()).nan_to_num(0).sum(-1)
    logprob = p.log().gather(-1, torch.tensor(sequence.completion_ids).long()[:, None])[:, 0]
    return entropy, logprob


def test_uniform_logits_have_entropy_ln_v():
    assert token_entropy(torch.full((3, 50), 7.0)).tolist() == pytest.approx([math.log(50)] * 3)


def test_one_certain_token_has_entropy_zero():
    logits = torch.full((1, 9), -torch.inf)
    logits[0, 4] = 123.0
    assert token_entropy(logits).item() == 0


def test_impossible_tokens_add_nothing():
    logits = torch.tensor([[0.0, 0.0, -torch.inf]])
    assert token_entropy(logits).item() == pytest.approx(math.log(2))


def test_a_two_token_distribution_matches_the_sum_by_hand():
    """Logits ln 3 and 0: P = 3/4, 1/4, H = -(3/4 ln 3/4 + 1/4 ln 1/4) = 0.562335 nats."""
    assert token_entropy(torch.tensor([[math.log(3), 0.0]])).item() == pytest.approx(0.562335)


@pytest.mark.parametrize("offset", [-3e4, 0.0, 3e4])
def test_entropy_does_not_depend_on_the_height_of_the_logits(offset):
    logits = torch.randn(4, 30, dtype=torch.float64)
    assert torch.allclose(token_entropy(logits + offset), token_entropy(logits), atol=1e-9)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
@pytest.mark.parametrize("scale", [0.1, 3.0, 30.0])
def test_entropy_equals_the_naive_formula(dtype, scale):
    logits = (torch.randn(5, 200) * scale).to(dtype)
    p = logits.double().softmax(-1)
    expected = torch.special.entr(p).sum(-1)
    found = token_entropy(logits)
    assert found.dtype == (torch.float64 if dtype == torch.float64 else torch.float32)
    assert torch.allclose(found.double(), expected, atol=1e-4)


@pytest.mark.parametrize("chunk_tokens", [1, 3, 7, 100])
def test_chunks_do_not_change_the_statistics(chunk_tokens):
    hidden, head, ids = torch.randn(7, 8), nn.Linear(8, 40), torch.randint(40, (7,))
    whole = token_statistics(hidden, head, ids)
    parts = token_statistics(hidden, head, ids, chunk_tokens=chunk_tokens)
    assert torch.equal(whole.top_ids_TK, parts.top_ids_TK)
    for a, b in zip(whole, parts, strict=True):
        assert torch.allclose(a, b, atol=1e-6)
    logits = head(hidden)
    assert torch.equal(token_entropy(logits), token_entropy(logits, chunk_tokens=chunk_tokens))


def test_the_head_never_sees_more_than_a_chunk():
    seen = []

    def head(hidden):
        seen.append(len(hidden))
        return hidden @ torch.ones(4, 6)

    token_statistics(torch.randn(10, 4), head, torch.zeros(10, dtype=torch.long), chunk_tokens=3)
    assert seen == [3, 3, 3, 1]


def test_best_alternatives_come_first_with_their_probabilities():
    logits = torch.tensor([[0.1, 0.6, 0.3]]).log()
    statistics = token_statistics(logits, nn.Identity(), torch.tensor([2]), top_k=5)
    assert statistics.top_ids_TK.tolist() == [[1, 2, 0]]
    assert statistics.top_logprobs_TK.exp()[0].tolist() == pytest.approx([0.6, 0.3, 0.1])
    assert statistics.logprob_T.exp().item() == pytest.approx(0.3)


def test_batches_stay_within_the_budget_and_hold_everything_once():
    lengths = [5, 90, 30, 30, 7, 7, 7, 200]
    batches = plan_batches(lengths, 100)
    assert sorted(i for batch in batches for i in batch) == list(range(8))
    sizes = [len(b) * max(lengths[i] for i in b) for b in batches]
    assert all(size <= 100 for size in sizes[1:])
    assert batches[0] == [7]  # alone, because it is longer than the budget


@pytest.mark.parametrize("max_tokens", [1, 60, 10_000])
@pytest.mark.parametrize("policy", ["tiny_policy", "adapted_policy"])
def test_scores_equal_the_naive_formula_however_they_are_batched(request, policy, max_tokens):
    model = request.getfixturevalue(policy).model
    found = score_tokens(model, SEQUENCES, max_tokens_per_batch=max_tokens)
    assert len(found) == len(SEQUENCES)
    for statistics, sequence in zip(found, SEQUENCES, strict=True):
        entropy, logprob = naive(model, sequence)
        assert torch.allclose(statistics.entropy_T.double(), entropy, atol=1e-4)
        assert torch.allclose(statistics.logprob_T.double(), logprob, atol=1e-4)
        assert statistics.top_ids_TK.shape == (len(sequence.completion_ids), 5)


def test_the_embedded_model_scores_as_the_naive_formula(demo_policy):
    prompt, completion = (1, 300, 400), (500, 600, 20, 2)
    (found,) = score_tokens(demo_policy.model, [TokenSequence(prompt, completion)])
    entropy, logprob = naive(demo_policy.model, TokenSequence(prompt, completion))
    assert torch.allclose(found.entropy_T.double(), entropy, atol=1e-4)
    assert torch.allclose(found.logprob_T.double(), logprob, atol=1e-4)


def test_an_adapter_changes_the_scores_and_switching_it_off_restores_them(adapted_policy):
    model = adapted_policy.model
    tuned = score_tokens(model, SEQUENCES)[0].logprob_T
    with model.disable_adapter():
        base = score_tokens(model, SEQUENCES)[0].logprob_T
    inner = score_tokens(model.merge_and_unload(), SEQUENCES)[0].logprob_T
    assert not torch.allclose(tuned, base, atol=1e-2)
    assert torch.allclose(tuned, inner, atol=1e-4)


SMALL = {
    "vocab_size": 64,
    "hidden_size": 16,
    "intermediate_size": 32,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "num_key_value_heads": 2,
    "head_dim": 8,
    "pad_token_id": 0,
    "bos_token_id": 1,
    "eos_token_id": 2,
    "initializer_range": 0.5,
}


def odd_models():
    return {
        "gpt2": (
            GPT2LMHeadModel,
            GPT2Config(vocab_size=64, n_positions=64, n_embd=16, n_layer=1, n_head=2),
            True,
        ),
        "soft-capped": (
            Gemma2ForCausalLM,
            Gemma2Config(**SMALL, final_logit_softcapping=2.0),
            False,
        ),
        "scaled up": (CohereForCausalLM, CohereConfig(**SMALL, logit_scale=3.0), False),
        "scaled down": (GraniteForCausalLM, GraniteConfig(**SMALL, logits_scaling=4.0), False),
        "its own backbone": (
            Llama4ForCausalLM,
            Llama4TextConfig(**SMALL, intermediate_size_mlp=32, num_local_experts=2),
            False,
        ),
    }


@pytest.mark.parametrize("name", list(odd_models()))
def test_models_that_change_their_logits_are_scored_by_their_own_forward(name):
    cls, config, is_plain = odd_models()[name]
    torch.manual_seed(0)
    model = cls(config).eval()
    assert is_plain_head(model) is is_plain
    sequences = [TokenSequence((1, 5, 6), (7, 8, 9, 2)), TokenSequence((1,), (33, 2))]
    trained = sequence_logps(model, sequences, with_entropy=True)
    for i, statistics in enumerate(score_tokens(model, sequences)):
        entropy, logprob = naive(model, sequences[i])
        assert torch.allclose(statistics.entropy_T.double(), entropy, atol=1e-4)
        assert torch.allclose(statistics.logprob_T.double(), logprob, atol=1e-4)
        assert torch.allclose(trained.logps[i].double(), logprob, atol=1e-4)
        assert torch.allclose(trained.entropy[i].double(), entropy, atol=1e-4)


def test_trainable_logps_equal_the_scores_and_their_gradient_is_the_naive_one(adapted_policy):
    model = adapted_policy.model
    weights = torch.randn(39)
    trained = sequence_logps(model, SEQUENCES, with_entropy=True)
    (torch.cat(trained.logps) * weights).sum().backward()
    found = {n: p.grad.clone() for n, p in model.named_parameters() if p.requires_grad}
    model.zero_grad()

    total, start = torch.zeros(()), 0
    for sequence in SEQUENCES:
        ids = torch.tensor([sequence.prompt_ids + sequence.completion_ids])
        logps = model(input_ids=ids).logits[0].log_softmax(-1)
        rows = range(len(sequence.prompt_ids) - 1, ids.shape[1] - 1)
        for row, token in zip(rows, sequence.completion_ids, strict=True):
            total = total + weights[start] * logps[row, token]
            start += 1
    total.backward()
    assert start == 39
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            assert torch.allclose(found[name], parameter.grad, atol=1e-3, rtol=1e-3), name
    for logps, entropy, s in zip(
        trained.logps, trained.entropy, score_tokens(model, SEQUENCES), strict=True
    ):
        assert torch.allclose(logps.detach(), s.logprob_T, atol=1e-5)
        assert torch.allclose(entropy, s.entropy_T, atol=1e-5)
        assert not entropy.requires_grad


def test_entropy_is_left_out_unless_asked_for(tiny_policy):
    assert sequence_logps(tiny_policy.model, SEQUENCES).entropy == []
    assert sequence_logps(tiny_policy.model, []).logps == []


def test_divergence_equals_the_naive_formula_and_is_zero_without_the_adapter(adapted_policy):
    model, sequence = adapted_policy.model, SEQUENCES[0]
    found = token_divergence(model, SEQUENCES, max_tokens_per_batch=50)
    ids = torch.tensor([sequence.prompt_ids + sequence.completion_ids])
    with torch.no_grad():
        p = model(input_ids=ids).logits[0, 2:-1].double().log_softmax(-1)
        with model.disable_adapter():
            q = model(input_ids=ids).logits[0, 2:-1].double().log_softmax(-1)
            off = token_divergence(model, SEQUENCES)
    assert torch.allclose(found[0].double(), (p.exp() * (p - q)).sum(-1), atol=1e-4)
    assert found[0].min() > 0
    assert [len(kl) for kl in found] == [len(s.completion_ids) for s in SEQUENCES]
    assert not torch.cat(off).any()


def test_scoring_restores_the_training_mode_and_keeps_no_gradient(tiny_policy):
    tiny_policy.model.train()
    (statistics,) = score_tokens(tiny_policy.model, SEQUENCES[:1])
    assert tiny_policy.model.training
    assert not statistics.logprob_T.requires_grad


def test_an_empty_prompt_and_a_too_long_one_are_refused(tiny_policy):
    with pytest.raises(DataError, match="empty"):
        score_tokens(tiny_policy.model, [TokenSequence((), (1,))])
    with pytest.raises(DataError, match="257 tokens; this model reads at most 256"):
        score_tokens(tiny_policy.model, [TokenSequence((1,), (1,) * 256)])
