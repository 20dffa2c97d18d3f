"""Prompts that are read once: the same numbers, the same tokens, for every kind of cache."""

import numpy as np
import pytest
import torch
from transformers import (
    BloomConfig,
    BloomForCausalLM,
    Gemma2Config,
    Gemma2ForCausalLM,
    GPT2Config,
    GPT2LMHeadModel,
    LlamaConfig,
    LlamaForCausalLM,
    MistralConfig,
    MistralForCausalLM,
)

from gem_backend.config import SamplingConfig
from gem_backend.decoding import Start, decode
from gem_backend.entropy import score_tokens
from gem_backend.forward import TokenSequence, predicting_hidden
from gem_backend.generation import InverseCdf, PickingProcessor, Row, generate
from gem_backend.policy import Policy
from gem_backend.shared_prompts import (
    can_share_prompts,
    completion_hidden,
    forward_tokens,
    plan_groups,
    plan_sequences,
    shared_hidden,
    shares_prompts,
)

SMALL = {
    "vocab_size": 64, "hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 2,
    "num_attention_heads": 2, "num_key_value_heads": 2, "head_dim": 8, "initializer_range": 0.5,
    "pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2, "max_position_embeddings": 64,
}  # fmt: skip
MODELS = {
    "llama": (LlamaForCausalLM, LlamaConfig(**SMALL)),
    "learned positions": (
        GPT2LMHeadModel,
        GPT2Config(vocab_size=64, n_embd=16, n_layer=2, n_head=2, n_positions=64),
    ),
    "sliding window": (MistralForCausalLM, MistralConfig(**SMALL, sliding_window=5)),
    "window in every other layer": (
        Gemma2ForCausalLM,
        Gemma2Config(**SMALL, sliding_window=5, query_pre_attn_scalar=8),
    ),
}
LONG, SHORT = (1, 5, 9, 7, 3, 8, 12, 6, 5, 12, 40, 41), (1, 9, 8)
SEQUENCES = [
    TokenSequence(LONG, (7, 8, 9, 10, 11, 12, 13, 2)),
    TokenSequence(SHORT, (33, 34, 35)),
    TokenSequence(LONG, (20,)),
    TokenSequence(LONG, ()),
    TokenSequence(SHORT, tuple(range(20, 50))),
    TokenSequence(LONG, (14, 15, 2)),
]


def make(name):
    cls, config = MODELS[name]
    torch.manual_seed(0)
    model = cls(config).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.1)
    return model


def rows(seed, *prompts, room=14):
    return [Row("", prompt, room + n, n, (seed, n)) for n, prompt in enumerate(prompts)]


@pytest.mark.parametrize("name", MODELS)
def test_a_shared_prompt_gives_what_a_prompt_of_ones_own_does(name):
    model = make(name)
    assert can_share_prompts(model)
    with torch.no_grad():
        apart, together = predicting_hidden(model, SEQUENCES), shared_hidden(model, SEQUENCES)
    for a, b, sequence in zip(apart, together, SEQUENCES, strict=True):
        assert b.shape == (len(sequence.completion_ids), 16)
        torch.testing.assert_close(b, a, rtol=1e-5, atol=1e-5)


def test_shared_scores_are_exact_to_the_sixth_digit():
    model = make("llama")
    sequences = [*SEQUENCES[:1] * 5, *SEQUENCES[2:4]]
    assert shares_prompts(model, sequences)
    together = score_tokens(model, sequences)
    alone = [score_tokens(model, [sequence])[0] for sequence in sequences]
    for a, b in zip(together, alone, strict=True):
        torch.testing.assert_close(a.entropy_T, b.entropy_T, rtol=1e-6, atol=1e-6)
        torch.testing.assert_close(a.logprob_T, b.logprob_T, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("name", MODELS)
def test_the_gradient_runs_through_the_shared_prompt(name):
    model = make(name)
    gradients = []
    for hidden_of in (predicting_hidden, shared_hidden):
        model.zero_grad()
        torch.cat(hidden_of(model, SEQUENCES)).square().sum().backward()
        gradients.append([p.grad for p in model.parameters() if p.grad is not None])
    for a, b in zip(*gradients, strict=True):
        torch.testing.assert_close(b, a, rtol=1e-3, atol=1e-3)


def test_completions_of_one_token_need_no_second_pass():
    model = make("llama")
    sequences = [TokenSequence(LONG, (5,)), TokenSequence(LONG, (6,)), TokenSequence(LONG, ())]
    with torch.no_grad():
        found = shared_hidden(model, sequences)
        expected = predicting_hidden(model, sequences)
    assert [len(one) for one in found] == [1, 1, 0]
    torch.testing.assert_close(torch.cat(found), torch.cat(expected), rtol=1e-5, atol=1e-5)


# --- decoding -------------------------------------------------------------------------------------


def plainly(model, starts, config):
    """One row at a time through transformers' own loop, nothing shared and nothing let go."""
    found = []
    for start in starts:
        draws = np.random.default_rng(start.seed_words).random(start.max_new_tokens)
        uniforms_BT = torch.from_numpy(draws)[None]
        inverse = InverseCdf(config.temperature, config.top_p)

        def pick(logits_BV, rows_B, step, uniforms_BT=uniforms_BT, inverse=inverse):
            return inverse.pick(logits_BV, uniforms_BT[rows_B, step])

        ids = torch.tensor([start.prompt_ids])
        output = model.generate(
            input_ids=ids, attention_mask=torch.ones_like(ids), do_sample=False, eos_token_id=2,
            pad_token_id=0, max_new_tokens=start.max_new_tokens,
            logits_processor=[PickingProcessor(pick, ids.shape[1])],
        )  # fmt: skip
        found.append(tuple(output[0, ids.shape[1] :].tolist()))
    return found


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("top_p", [1.0, 0.8])
def test_our_loop_takes_the_tokens_that_transformers_takes(name, top_p, byte_tokenizer):
    policy = Policy(make(name), byte_tokenizer, "small", torch.device("cpu"))
    policy.model.generation_config.eos_token_id = 2
    byte_tokenizer.eos_token = None
    config = SamplingConfig(temperature=1.3, top_p=top_p)
    starts = rows(3, LONG, SHORT, LONG, LONG, SHORT, (4, 4, 4, 4, 4, 4))
    found = generate(policy, starts, config, 10**6)
    assert [one.ids for one in found] == plainly(policy.model, starts, config)
    assert len({len(one.ids) for one in found}) > 2  # rows were let go on the way


def test_finished_rows_leave_the_batch():
    model, sizes = make("llama"), []
    ends = [2, 3, 5, 9, 9, 9]  # the step at which each row is told to end

    def pick(logits_BV, rows_B, step):
        sizes.append(len(rows_B))
        return torch.tensor([2 if step >= ends[row] else 7 for row in rows_B.tolist()])

    found = decode(model, [Start(LONG, 20)] * 6, pick, [2])
    assert [ids.index(2) for ids in found] == ends
    assert sizes == [6] * 4 + [4] * 2 + [3] * 4


def test_a_model_with_positions_of_its_own_kind_goes_the_plain_way(byte_tokenizer):
    torch.manual_seed(0)
    model = BloomForCausalLM(
        BloomConfig(vocab_size=64, hidden_size=16, n_layer=1, n_head=2, initializer_range=0.5)
    ).eval()
    assert not can_share_prompts(model)
    policy = Policy(model, byte_tokenizer, "bloom", torch.device("cpu"))
    config, starts = SamplingConfig(), rows(1, LONG, SHORT, LONG)
    byte_tokenizer.eos_token = None
    assert [one.ids for one in generate(policy, starts, config, 10**6)] == plainly(
        model, starts, config
    )


# --- which batches --------------------------------------------------------------------------------


def test_sharing_waits_while_the_model_trains_with_chance(adapted_policy):
    model = adapted_policy.model
    assert can_share_prompts(model)
    model.train()
    assert not can_share_prompts(model)


def test_batches_stay_within_the_budget_with_what_sharing_costs():
    model = make("llama")
    sequences = [TokenSequence((g, *LONG), tuple(range(n))) for n in (3, 9, 4) for g in range(4)]
    batches = plan_sequences(model, sequences, 60)
    assert sorted(i for batch in batches for i in batch) == list(range(12))
    for batch in batches:
        chosen = [sequences[i] for i in batch]
        assert len(batch) == 1 or forward_tokens(model, chosen) <= 60
    prompts = [{sequences[i].prompt_ids for i in batch} for batch in batches]
    assert max(map(len, prompts)) == 1  # a prompt's answers are beside each other
    assert max(map(len, batches)) == 3


def test_groups_are_kept_whole():
    model = make("llama")
    groups = [[TokenSequence((g, *LONG), tuple(range(n))) for n in (3, 9, 4)] for g in range(4)]
    assert sorted(map(sorted, plan_groups(model, groups, 100))) == [[0, 1], [2, 3]]
    assert sorted(plan_groups(model, groups, 1)) == [[0], [1], [2], [3]]
    assert plan_groups(model, [], 1) == []


def test_short_prompts_and_single_answers_are_read_in_one_go():
    model = make("llama")
    assert not shares_prompts(model, [TokenSequence((1,), tuple(range(9)))] * 5)
    alone = [TokenSequence((g, *LONG), (1, 2)) for g in range(3)]
    assert not shares_prompts(model, alone)
    with torch.no_grad():
        assert len(completion_hidden(model, alone)) == 3
    assert forward_tokens(model, alone) == 3 * 15
