"""Features of candidates, by hand."""

import pytest

from gem_backend.features import candidate_features, group_features
from gem_backend.types import Candidate, Provenance, Span, Spans


def candidate(answer="3, treat", entropy=(1.0, 3.0, 0.5, 0.25), logprob=(-1.0, -2.0, -3.0, -2.0)):
    return Candidate(
        candidate_id="c",
        prompt="p",
        text="a b c d",
        answer=answer,
        token_ids=(1, 2, 3, 4),
        token_texts=("a", " b", " c", " d"),
        token_entropy=entropy,
        token_logprob=logprob,
        top_tokens=(),
        top_probs=(),
        spans=Spans(Span(0, 2), Span(2, 4), bool(answer)),
        is_finished=True,
        provenance=Provenance("m", None, 0, 1.0, 1.0),
    )


def test_features_are_those_of_the_definition():
    """Final tokens 0.5 and 0.25: mean 0.375. One fork of two reasoning tokens (ceil 0.1 * 2): 3.0.
    Log-probabilities sum to -8 over 4 tokens; the base's to -12: -2 - -3 = 1."""
    found = candidate_features(candidate(), ["3, Treat.", "2, wait"], [-3.0, -3.0, -3.0, -3.0])
    assert found == {
        "final_confidence": -0.375,
        "fork_entropy": 3.0,
        "mean_logprob": -2.0,
        "implicit_reward": 1.0,
        "answer_agreement": 0.5,
        "expert_likeness": 0.0,
    }


def test_the_base_model_has_no_implicit_reward_and_a_lone_answer_no_agreement():
    found = candidate_features(candidate())
    assert found["implicit_reward"] == 0.0
    assert found["answer_agreement"] == 0.0


@pytest.mark.parametrize("answers", [("1", "1", "2", "")])
def test_agreement_leaves_the_candidate_itself_out(answers):
    found = group_features([candidate(answer) for answer in answers])
    assert [row["answer_agreement"] for row in found] == pytest.approx([1 / 3, 1 / 3, 0, 0])


def test_likeness_is_passed_on_to_each_candidate():
    rows = group_features([candidate(), candidate()], likeness_K=[0.25, -1.5])
    assert [row["expert_likeness"] for row in rows] == [0.25, -1.5]
