"""Other ways to go on from a token: the prefix is kept id by id, the rest is the model's."""

import pytest
import torch

from gem_backend.branching import branch
from gem_backend.config import PromptConfig, SamplingConfig
from gem_backend.engine_requests import BranchRequest
from gem_backend.errors import DataError
from gem_backend.prompting import encode_prompt
from gem_backend.sampling import PolicySampler, reread
from gem_backend.types import Branch

PROMPT = "Age 70?"
SETTINGS = SamplingConfig(num_candidates=4, max_new_tokens=12, seed=5)


@pytest.fixture
def parent(tiny_policy):
    return PolicySampler(tiny_policy).sample([PROMPT], SETTINGS)[0][0]


def asked(parent, token, **changes):
    wish = {"sampling": SETTINGS, "prompt_config": PromptConfig()} | changes
    return BranchRequest(
        parent.prompt, parent.token_ids, Branch(parent.candidate_id, token), **wish
    )


def naive_entropy(policy, ids):
    """One row a token, float64, from the whole sequence in one plain forward pass."""
    start = encode_prompt(policy.tokenizer, PROMPT, PromptConfig())
    with torch.no_grad():
        logits = policy.model(input_ids=torch.tensor([[*start, *ids]])).logits[0].double()
    logp = logits.log_softmax(-1)[len(start) - 1 : -1]
    return -(logp.exp() * logp).sum(-1)


def test_siblings_have_the_parents_tokens_and_go_on_by_themselves(tiny_policy, parent):
    siblings = branch(tiny_policy, asked(parent, 5))
    assert [one.token_ids[:5] for one in siblings] == [parent.token_ids[:5]] * 4
    assert len({one.token_ids for one in siblings}) > 1
    assert all(5 < len(one.token_ids) <= 5 + 12 for one in siblings)
    assert {one.branch for one in siblings} == {Branch(parent.candidate_id, 5)}
    assert len({one.candidate_id for one in siblings} | {parent.candidate_id}) == 5


def test_their_statistics_are_those_of_the_whole_answer(tiny_policy, parent):
    for one in branch(tiny_policy, asked(parent, 3)):
        expected = naive_entropy(tiny_policy, one.token_ids)
        torch.testing.assert_close(
            torch.tensor(one.token_entropy, dtype=torch.float64), expected, atol=1e-5, rtol=0
        )
        assert one.text == "".join(one.token_texts)


@pytest.mark.parametrize("place", range(5))
def test_a_chosen_alternative_comes_first(tiny_policy, parent, place):
    """The five most likely tokens at the point are those that the parent's record names."""
    siblings = branch(tiny_policy, asked(parent, 4, alternative=place))
    first = {one.token_ids[4] for one in siblings}
    assert len(first) == 1
    assert parent.top_tokens[5 * 4 + place] == tiny_policy.tokenizer.decode(list(first))


def test_the_same_seed_gives_the_same_siblings_and_another_point_others(tiny_policy, parent):
    once = branch(tiny_policy, asked(parent, 5))
    assert once == branch(tiny_policy, asked(parent, 5))
    other = SETTINGS.model_copy(update={"seed": 6})
    assert once != branch(tiny_policy, asked(parent, 5, sampling=other))
    assert {one.candidate_id for one in once}.isdisjoint(
        one.candidate_id for one in branch(tiny_policy, asked(parent, 6))
    )


def test_from_the_first_token_it_is_an_answer_like_any(tiny_policy, parent):
    """Nothing is kept, so the first tokens follow the model's own distribution at the prompt."""
    many = SETTINGS.model_copy(update={"num_candidates": 40, "max_new_tokens": 1})
    firsts = {one.token_ids[0] for one in branch(tiny_policy, asked(parent, 0, sampling=many))}
    assert len(firsts) > 3


def test_an_alternative_that_ends_the_answer_gives_one_short_candidate(demo_policy):
    """At the last token of a finished answer the end is among the likely ones."""
    settings = SamplingConfig(num_candidates=3, max_new_tokens=128, seed=1)
    group = PolicySampler(demo_policy).sample(["Age 70, has diabetes."], settings)[0]
    parent = next(one for one in group if one.is_finished)
    last = len(parent.token_ids) - 1
    (short,) = branch(demo_policy, asked(parent, last, alternative=0))
    assert short.is_finished
    assert short.token_ids == parent.token_ids


@pytest.mark.parametrize("token", [-1, 12, 400])
def test_a_point_outside_of_the_answer_is_refused(tiny_policy, parent, token):
    with pytest.raises(DataError, match="not part of the answer"):
        branch(tiny_policy, asked(parent, token))


@pytest.mark.parametrize("place", [-1, 5])
def test_an_alternative_that_is_none_is_refused(tiny_policy, parent, place):
    with pytest.raises(DataError, match="no such alternative"):
        branch(tiny_policy, asked(parent, 2, alternative=place))


def test_the_same_tokens_read_again_by_the_same_policy_have_the_same_figures(tiny_policy, parent):
    again = reread(tiny_policy, parent, PromptConfig())
    assert again.token_ids == parent.token_ids
    assert again.token_texts == parent.token_texts
    assert again.is_finished == parent.is_finished
    assert again.token_entropy == pytest.approx(parent.token_entropy, abs=1e-5)  # float32
    assert again.provenance.engine == "given"


def test_tokens_are_counted_while_they_come(tiny_policy, parent, monkeypatch):
    monkeypatch.setattr("gem_backend.generation.TOKENS_EVERY_S", 0.0)
    seen = []
    branch(tiny_policy, asked(parent, 5), on_tokens=lambda counts: seen.append(tuple(counts)))
    assert seen[0] == (1, 1, 1, 1)
    assert all(max(counts) <= 12 for counts in seen)
    assert [sum(counts) for counts in seen] == sorted(sum(counts) for counts in seen)
