import pytest

from gem_backend.config import ScoringConfig
from gem_backend.ranking import (
    agreement,
    answer_groups,
    answers_match,
    normalise_answer,
    rank_candidates,
)
from gem_backend.types import Candidate, Provenance, Span, Spans


def candidate(name, cot_entropy, final_entropy):
    return Candidate(
        candidate_id=name,
        prompt="p",
        text="ab",
        answer="b",
        token_ids=(0, 1),
        token_texts=("a", "b"),
        token_entropy=(cot_entropy, final_entropy),
        token_logprob=(-1.0, -1.0),
        top_tokens=(),
        top_probs=(),
        spans=Spans(Span(0, 1), Span(1, 2), True),
        is_finished=True,
        provenance=Provenance("m", None, 0, 1.0, 1.0),
    )


def order(ranked):
    return [(r.candidate.candidate_id, r.rank) for r in ranked]


def test_the_best_score_comes_first_and_equals_share_the_better_rank():
    group = [candidate("a", 0, 1), candidate("b", 1, 1), candidate("c", 2, 1), candidate("d", 1, 1)]
    assert order(rank_candidates(group)) == [("c", 1), ("b", 2), ("d", 2), ("a", 4)]


def test_other_weights_give_another_order():
    group = [candidate("explores", 3, 2), candidate("is sure", 0, 0)]
    assert order(rank_candidates(group))[0] == ("explores", 1)
    assert order(rank_candidates(group, ScoringConfig(lambda_fork=0.1)))[0] == ("is sure", 1)


def test_no_candidates_give_no_ranking():
    assert rank_candidates([]) == []


def test_agreement_counts_the_most_frequent_answer():
    found = agreement(["5", "High risk.", "high  RISK", "", "**High risk**"])
    assert found == (3, 5, "High risk.")
    assert found.share == 0.6


def test_uncommitted_answers_agree_with_nothing():
    assert agreement(["", "", "4"]) == (1, 3, "4")
    answers = ["5", "High risk.", "**5**", "", "low", "high  RISK", "5."]
    assert answer_groups(answers) == [(3, 7, "5"), (2, 7, "High risk."), (1, 7, "low")]
    assert answer_groups(["", " "]) == []
    assert agreement(["", ""]) == (0, 2, "")
    assert agreement([]).share == 0


@pytest.mark.parametrize(
    ("answer", "normal"),
    [
        (" **1,250.0 mg.** ", "1250 mg"),
        ("3.00", "3"),
        ("3.50", "3.50"),
        ("1.10.0", "1.10.0"),
        ("Yes!", "yes"),
        ("1,2,3", "1,2,3"),
        ("\uff23\uff28\uff21\uff12 \uff12", "cha2 2"),
        ("-4.0", "-4"),
    ],
)
def test_normal_form(answer, normal):
    assert normalise_answer(answer) == normal


@pytest.mark.parametrize(
    ("answer", "gold", "is_match"),
    [
        ("4", "4", True),
        ("**4.0**", "4", True),
        ("High risk.", "high  risk", True),
        ("4\n\nThis is a high score.", "4", True),
        ("14", "4", False),
        ("4 points", "4", False),
        ("", "", False),
        ("4", "", False),
        ("1,200", "1200", True),
    ],
)
def test_answers_match_by_their_normal_form(answer, gold, is_match):
    assert answers_match(answer, gold) is is_match
