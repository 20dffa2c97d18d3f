from dataclasses import replace

import pytest
import torch

from gem_backend.config import PromptConfig, RunConfig, SamplingConfig
from gem_backend.evaluate import evaluate, pair_outcomes, verdict
from gem_backend.prompting import completion_ids, encode_prompt
from gem_backend.ranking import answers_match
from gem_backend.sampling import PolicySampler
from gem_backend.types import Estimate, PreferencePair

CONFIG = RunConfig(sampling=SamplingConfig(max_new_tokens=8))
PAIRS = [
    PreferencePair("Why?", "Because of age.", "No.", gold_answer="4"),
    PreferencePair("Why?", "No.", "Because of age."),
    PreferencePair("How?", "Same", "Same"),
    PreferencePair("When?", "Now", "Then", verdict="both_bad", gold_answer="never"),
]


def log_prob(policy, prompt, completion):
    start = encode_prompt(policy.tokenizer, prompt, PromptConfig())
    ids = completion_ids(policy.tokenizer, completion, add_eos=True)
    with torch.no_grad():
        logits = policy.model(input_ids=torch.tensor([start + ids])).logits[0].double()
    rows = logits[len(start) - 1 : -1].log_softmax(-1)
    return rows[range(len(ids)), ids].sum().item(), len(ids)


def test_margins_equal_the_naive_log_probabilities_end_token_included(tiny_policy):
    outcomes = pair_outcomes(tiny_policy, PAIRS[:1], PromptConfig(), 8192)
    chosen, chosen_length = log_prob(tiny_policy, "Why?", "Because of age.")
    rejected, rejected_length = log_prob(tiny_policy, "Why?", "No.")
    assert (chosen_length, rejected_length) == (16, 4)
    assert outcomes.sum_margins == pytest.approx((chosen - rejected,), abs=1e-3)
    assert outcomes.token_margins == pytest.approx((chosen / 16 - rejected / 4,), abs=1e-4)


def test_a_tie_counts_as_wrong_and_a_pair_turned_round_as_its_opposite(tiny_policy):
    outcomes = pair_outcomes(tiny_policy, PAIRS[:3], PromptConfig(), 8192)
    assert outcomes.is_preferred[0] != outcomes.is_preferred[1]
    assert outcomes.sum_margins[2] == 0
    assert outcomes.is_preferred[2] is outcomes.is_preferred_per_token[2] is False


def test_an_evaluation_counts_what_it_says(tiny_policy):
    evaluation, details = evaluate(tiny_policy, PolicySampler(tiny_policy), PAIRS, CONFIG)
    assert evaluation.preference_accuracy.n == len(details.is_preferred) == 3
    assert evaluation.preference_accuracy.value == pytest.approx(1 / 3)
    assert evaluation.preference_accuracy_per_token.n == 3
    assert [c.prompt for c in details.answers] == ["Why?", "When?", "How?"]  # gold ones first
    assert evaluation.final_answer_accuracy.n == len(details.is_answer_right) == 2
    assert evaluation.final_answer_accuracy.value == 0
    assert evaluation.uncommitted == 3
    entropies = [h for c in details.answers for h in c.token_entropy]
    assert evaluation.mean_entropy == pytest.approx(sum(entropies) / len(entropies))
    assert evaluation.mean_length == len(entropies) / 3
    assert evaluation.kl == 0


def test_a_right_answer_is_found_right(tiny_policy):
    """The answers that the model does give are made the gold ones."""
    config = CONFIG.model_copy(update={"prompt": PromptConfig(answer_marker="\ufffd")})
    sampler = PolicySampler(tiny_policy, config.prompt)
    prompts = [f"Case {i}?" for i in range(20)]
    answers = [c.answer for c in sampler.greedy(prompts, 8)]
    expected = [answers_match(answer, answer) for answer in answers]
    assert any(expected)
    pairs = [
        PreferencePair(prompt, "a", "b", gold_answer=answer or "none")
        for prompt, answer in zip(prompts, answers, strict=True)
    ]
    evaluation, details = evaluate(tiny_policy, sampler, pairs, config)
    assert list(details.is_answer_right) == expected
    assert evaluation.final_answer_accuracy.value == sum(expected) / 20


def test_without_gold_answers_there_is_no_final_answer_accuracy(tiny_policy):
    pairs = [replace(pair, gold_answer=None) for pair in PAIRS]
    evaluation, details = evaluate(tiny_policy, PolicySampler(tiny_policy), pairs, CONFIG)
    assert evaluation.final_answer_accuracy is None
    assert details.is_answer_right == ()


def test_the_number_of_prompts_answered_is_limited(tiny_policy):
    config = CONFIG.model_copy(update={"evaluation_prompts": 1})
    _, details = evaluate(tiny_policy, PolicySampler(tiny_policy), PAIRS, config)
    assert [c.prompt for c in details.answers] == ["Why?"]


def test_divergence_from_the_base_is_measured_with_the_adapter_and_zero_without(adapted_policy):
    sampler = PolicySampler(adapted_policy)
    tuned, _ = evaluate(adapted_policy, sampler, PAIRS, CONFIG)
    with adapted_policy.model.disable_adapter():
        base, _ = evaluate(adapted_policy, sampler, PAIRS, CONFIG)
        again, _ = evaluate(adapted_policy, sampler, PAIRS, CONFIG)
    assert tuned.kl > 0.01
    assert base.kl == 0
    assert base == again  # measuring did not switch the adapter on
    assert tuned.mean_entropy != base.mean_entropy


UP, DOWN, NONE = (
    Estimate(0.3, 0.1, 0.5, 40),
    Estimate(-0.3, -0.5, -0.1, 40),
    Estimate(0.1, -0.1, 0.3, 9),
)


@pytest.mark.parametrize(
    ("preference", "answers", "expected"),
    [
        (UP, None, "better"),
        (UP, NONE, "better"),
        (UP, UP, "better"),
        (UP, DOWN, "worse"),
        (NONE, None, "no_change"),
        (NONE, UP, "no_change"),
        (NONE, DOWN, "worse"),
        (DOWN, UP, "worse"),
        (Estimate(0.0, -1.0, 1.0, 0), None, "no_change"),
        (Estimate(0.2, 0.0, 0.4, 9), None, "no_change"),
    ],
)
def test_the_verdict_follows_the_intervals(preference, answers, expected):
    assert verdict(preference, answers) == expected
