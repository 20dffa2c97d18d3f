import collections
import math

import pytest
import torch
from transformers import GenerationConfig

from gem_backend.config import PromptConfig, SamplingConfig, ScoringConfig
from gem_backend.entropy import TokenSequence, score_tokens
from gem_backend.errors import DataError
from gem_backend.generation import InverseCdf
from gem_backend.prompting import encode_prompt
from gem_backend.sampling import PolicySampler, score_completion
from gem_backend.scoring import gem_score, score_json
from gem_backend.spans import locate_spans

PROMPTS = ["Age 70?", "A much longer question about the same patient?", "Why?"]
SHORT = SamplingConfig(num_candidates=3, max_new_tokens=12, seed=5)


@pytest.fixture
def sampler(tiny_policy):
    return PolicySampler(tiny_policy)


def ids_of(groups):
    return [[c.token_ids for c in group] for group in groups]


def draws(logits, uniforms, **settings):
    """The tokens that uniform numbers pick from one distribution."""
    settings = {"temperature": 1.0, "top_p": 1.0} | settings
    numbers = torch.tensor(uniforms, dtype=torch.float64)
    return InverseCdf(**settings).pick(logits.expand(len(uniforms), -1), numbers).tolist()


def test_uniform_numbers_pick_tokens_by_their_share_of_the_distribution():
    logits = torch.tensor([0.2, 0.0, 0.5, 0.3, 0.0]).log()
    assert draws(logits, [0.0, 0.199, 0.201, 0.699, 0.701, 1 - 2**-53]) == [0, 0, 2, 2, 3, 3]


def test_temperature_sharpens_and_top_p_cuts():
    logits = torch.tensor([0.2, 0.8]).log()
    assert draws(logits, [0.1]) == [0]
    assert draws(logits, [0.1], temperature=0.5) == [1]  # 0.04 : 0.64, so the first keeps 1/17
    assert draws(logits, [0.0, 0.1], top_p=0.7) == [1, 1]


@pytest.mark.slow
def test_many_draws_follow_the_models_distribution(sampler, tiny_policy):
    """2,000 first tokens against the exact probabilities: total variation under sampling noise."""
    prompt = encode_prompt(tiny_policy.tokenizer, "Why?", PromptConfig())
    with torch.no_grad():
        logits = tiny_policy.model(input_ids=torch.tensor([prompt])).logits[0, -1]
    expected = (logits.double() / 0.9).softmax(-1)
    config = SamplingConfig(num_candidates=50, max_new_tokens=1, temperature=0.9)
    groups = sampler.sample(["Why?"] * 40, config)
    counts = collections.Counter(c.token_ids[0] for group in groups for c in group)
    assert sum(counts.values()) == 2000
    z = [
        (counts[i] - 2000 * p) / math.sqrt(2000 * p * (1 - p))
        for i, p in enumerate(expected.tolist())
        if p > 0.005
    ]
    assert len(z) > 10
    assert sum(value * value for value in z) / len(z) < 2.5
    assert len({group[0].token_ids for group in groups}) > 5  # the same prompt is not the same draw


def test_the_same_seed_gives_the_same_candidates_and_another_seed_others(sampler):
    first = sampler.sample(PROMPTS, SHORT)
    assert first == sampler.sample(PROMPTS, SHORT)
    assert ids_of(first) != ids_of(sampler.sample(PROMPTS, SHORT.model_copy(update={"seed": 6})))
    assert [[c.prompt for c in group] for group in first] == [[p] * 3 for p in PROMPTS]


def test_a_candidate_does_not_depend_on_its_neighbours(sampler, tiny_policy):
    together = sampler.sample(PROMPTS, SHORT)
    alone = [sampler.sample([prompt], SHORT)[0] for prompt in reversed(PROMPTS)][::-1]
    small = PolicySampler(tiny_policy, max_batch_tokens=1).sample(PROMPTS, SHORT)
    more = sampler.sample(PROMPTS, SHORT.model_copy(update={"num_candidates": 5}))
    assert ids_of(together) == ids_of(alone) == ids_of(small)
    assert ids_of(together) == [group[:3] for group in ids_of(more)]


def test_identities_are_unique_and_stable(sampler):
    groups = sampler.sample([*PROMPTS, PROMPTS[0]], SHORT)
    ids = [c.candidate_id for group in groups for c in group]
    assert len(set(ids)) == len(ids)
    assert ids == [c.candidate_id for g in sampler.sample([*PROMPTS, PROMPTS[0]], SHORT) for c in g]


def test_sampling_leaves_torchs_generator_and_the_model_alone(sampler, tiny_policy):
    tiny_policy.model.train()
    own = tiny_policy.model.generation_config
    state = torch.random.get_rng_state()
    sampler.sample(PROMPTS, SHORT)
    assert torch.equal(state, torch.random.get_rng_state())
    assert tiny_policy.model.training
    assert tiny_policy.model.generation_config is own


def test_settings_in_the_model_folder_do_not_leak_in(sampler, tiny_policy):
    plain = ids_of(sampler.sample(PROMPTS, SHORT)), sampler.greedy(PROMPTS, 12)
    tiny_policy.model.generation_config = GenerationConfig(
        do_sample=True, top_k=1, temperature=5.0, repetition_penalty=9.0, min_new_tokens=5,
        eos_token_id=257,
    )  # fmt: skip
    assert (ids_of(sampler.sample(PROMPTS, SHORT)), sampler.greedy(PROMPTS, 12)) == plain


def test_statistics_are_those_of_the_raw_logits_over_the_sampled_ids(sampler, tiny_policy):
    config = SHORT.model_copy(update={"temperature": 0.5, "top_p": 0.6})
    for candidate in sampler.sample(PROMPTS, config)[1]:
        prompt = encode_prompt(tiny_policy.tokenizer, candidate.prompt, PromptConfig())
        sequence = TokenSequence(tuple(prompt), candidate.token_ids)
        (alone,) = score_tokens(tiny_policy.model, [sequence])
        assert candidate.token_entropy == pytest.approx(alone.entropy_T.tolist(), abs=1e-4)
        assert candidate.token_logprob == pytest.approx(alone.logprob_T.tolist(), abs=1e-4)
        count = len(candidate.token_ids)
        assert len(candidate.top_tokens) == len(candidate.top_probs) == 5 * count
        for t in range(count):
            five = candidate.top_probs[5 * t : 5 * t + 5]
            assert list(five) == sorted(five, reverse=True)
            assert sum(five) <= 1 + 1e-6


def test_records_say_what_made_them_and_hold_together(sampler, tiny_policy):
    config = SHORT.model_copy(update={"max_new_tokens": 40, "num_candidates": 16})
    candidates = [c for group in sampler.sample(PROMPTS, config) for c in group]
    for c in candidates:
        assert "".join(c.token_texts) == c.text
        assert c.spans == locate_spans(c.token_texts, "Final Answer:")
        assert c.is_finished == (c.token_ids[-1] == 257)
        assert 257 not in c.token_ids[:-1]
        assert len(c.token_ids) == 40 or c.is_finished
        p = c.provenance
        assert (p.model, p.adapter, p.seed, p.temperature, p.top_p) == ("tiny", None, 5, 0.9, 1.0)
        assert "transformers" in p.versions
    assert {c.is_finished for c in candidates} == {True, False}


def test_every_end_token_of_the_model_ends_an_answer(sampler, tiny_policy):
    long = SHORT.model_copy(update={"max_new_tokens": 30, "num_candidates": 8})
    common = collections.Counter(
        i for g in sampler.sample(PROMPTS, long) for c in g for i in c.token_ids
    ).most_common(1)[0][0]
    tiny_policy.model.generation_config.eos_token_id = [257, common]
    candidates = [c for group in sampler.sample(PROMPTS, long) for c in group]
    assert any(c.token_ids[-1] == common for c in candidates)
    assert all(common not in c.token_ids[:-1] for c in candidates)


def test_greedy_takes_the_most_likely_token_each_time(sampler, tiny_policy):
    (found,) = sampler.greedy(["Why?"], 6)
    ids = encode_prompt(tiny_policy.tokenizer, "Why?", PromptConfig())
    with torch.no_grad():
        for token in found.token_ids:
            assert tiny_policy.model(input_ids=torch.tensor([ids])).logits[0, -1].argmax() == token
            ids.append(token)
    assert found.provenance.temperature == 0
    assert [c.prompt for c in sampler.greedy(PROMPTS, 2)] == PROMPTS


def test_the_adapter_is_on_when_it_is_on(adapted_policy, tiny_policy):
    tuned = PolicySampler(adapted_policy).sample(PROMPTS, SHORT)
    with adapted_policy.model.disable_adapter():
        base = PolicySampler(adapted_policy).sample(PROMPTS, SHORT)
    assert ids_of(tuned) != ids_of(base)
    assert tuned[0][0].provenance.adapter == "test"


def test_progress_is_told_and_can_end_the_work(tiny_policy):
    seen = []
    sampler = PolicySampler(tiny_policy, max_batch_tokens=130)
    sampler.sample(PROMPTS, SHORT, lambda done, total: seen.append((done, total)))
    assert seen[-1] == (9, 9)
    assert len(seen) > 1 and seen == sorted(seen)

    def stop(done, total):
        raise InterruptedError

    with pytest.raises(InterruptedError):
        sampler.sample(PROMPTS, SHORT, stop)


def test_the_answer_is_cut_to_the_room_that_the_prompt_leaves(sampler):
    config = SHORT.model_copy(update={"max_new_tokens": 500})
    for candidate in sampler.sample(["x" * 250], config)[0]:
        assert len(candidate.token_ids) <= 256 - 252  # start token and line feed
    with pytest.raises(DataError, match="256"):
        sampler.sample(["x" * 300], config)


def test_no_prompts_give_no_candidates(sampler):
    assert sampler.sample([], SHORT) == []
    assert sampler.greedy([], 5) == []


def test_a_given_completion_is_scored_as_it_is_given(tiny_policy):
    c = score_completion(tiny_policy, "2 and 2", " make 4. Final Answer: 4")
    assert c.text == " make 4. Final Answer: 4"
    assert c.answer == "4" and c.spans.is_committed and not c.is_finished
    prompt = (256, *tiny_policy.tokenizer.encode("2 and 2", add_special_tokens=False))
    (alone,) = score_tokens(tiny_policy.model, [TokenSequence(prompt, c.token_ids)])
    assert c.token_logprob == tuple(alone.logprob_T.tolist())
    put = score_completion(tiny_policy, "2 and 2", "4", PromptConfig(answer_marker="4"))
    assert not put.spans.is_committed
    with pytest.raises(DataError, match="answer is empty"):
        score_completion(tiny_policy, "2", "")


def test_score_json_has_the_documented_keys(tiny_policy):
    scoring = ScoringConfig(lambda_fork=0.5, top_m=0.2)
    c = score_completion(tiny_policy, "Q", "ab Final Answer: 4")
    found = score_json(c, scoring)
    assert list(found) == [
        "tokens", "final_entropy", "fork_entropy", "gem_score", "lambda_fork", "top_m",
        "is_committed",
    ]  # fmt: skip
    assert list(found["tokens"][0]) == ["id", "text", "entropy", "logprob", "span"]
    names = [token["span"] for token in found["tokens"]]
    assert names == ["cot"] * 3 + ["marker"] * 13 + ["final"] * 2
    assert found["gem_score"] == gem_score(c.token_entropy, c.spans, scoring).value
    assert (found["lambda_fork"], found["top_m"], found["is_committed"]) == (0.5, 0.2, True)


def test_the_embedded_model_commits_to_answers(demo_policy):
    prompt = "Say anything."
    (group,) = PolicySampler(demo_policy).sample([prompt], SHORT)
    assert all("".join(c.token_texts) == c.text for c in group)
