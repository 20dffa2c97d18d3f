import numpy as np
import pytest
import torch

from gem_backend.config import ScoringConfig
from gem_backend.errors import SpanError
from gem_backend.scoring import fork_tokens, gem_score, rescore
from gem_backend.types import Span, Spans

ENTROPY = [0.5, 2.0, 1.0, 2.0, 9.0, 0.2, 0.4]
SPANS = Spans(Span(0, 4), Span(5, 7), True)


def test_score_follows_equation_one_by_hand():
    """cot 0.5 2 1 2, top 50 % = 2 and 2, mean 2; final mean 0.3; S = -0.3 + 1.5 * 2 = 2.7."""
    score = gem_score(ENTROPY, SPANS, ScoringConfig(lambda_fork=1.5, top_m=0.5))
    assert score.final_entropy == pytest.approx(0.3)
    assert score.fork_entropy == pytest.approx(2.0)
    assert score.fork_tokens == (1, 3)
    assert score.value == pytest.approx(2.7)


def test_switches_remove_one_term_and_keep_its_figure():
    terminal = gem_score(ENTROPY, SPANS, ScoringConfig(use_branching_entropy=False))
    branching = gem_score(ENTROPY, SPANS, ScoringConfig(use_terminal_entropy=False))
    assert terminal.value == pytest.approx(-0.3)
    assert branching.value == pytest.approx(2.0)
    assert terminal.fork_entropy == branching.fork_entropy == pytest.approx(2.0)


@pytest.mark.parametrize(
    "values",
    [
        tuple(ENTROPY),
        np.array(ENTROPY, dtype=np.float32),
        torch.tensor(ENTROPY),
        torch.tensor(ENTROPY, requires_grad=True),
        torch.tensor(ENTROPY, dtype=torch.bfloat16),
    ],
)
def test_any_kind_of_array_gives_the_same_score(values):
    assert gem_score(values, SPANS).value == pytest.approx(
        gem_score(ENTROPY, SPANS).value, abs=0.01
    )


def test_of_equal_entropies_the_earlier_token_is_the_fork():
    assert fork_tokens([1.0] * 10, Span(2, 8), 0.5) == (2, 3, 4)


@pytest.mark.parametrize(
    ("length", "top_m", "count"), [(100, 0.07, 7), (10, 0.1, 1), (11, 0.1, 2), (3, 1.0, 3)]
)
def test_the_number_of_forks_is_the_ceiling_of_the_fraction(length, top_m, count):
    assert len(fork_tokens(np.arange(float(length)), Span(0, length), top_m)) == count


def test_without_reasoning_the_fork_term_is_zero():
    score = gem_score([0.5, 0.7], Spans(Span(0, 0), Span(0, 2), True))
    assert score == (pytest.approx(-0.6), pytest.approx(0.6), 0.0, ())


def test_an_empty_answer_is_an_error_and_not_zero():
    with pytest.raises(SpanError, match="no answer"):
        gem_score([1.0, 2.0], Spans(Span(0, 2), Span(2, 2), False))


def test_a_span_outside_the_tokens_is_an_error():
    with pytest.raises(SpanError, match="2 tokens"):
        gem_score([1.0, 2.0], Spans(Span(0, 1), Span(1, 3), True))


def test_stored_terms_rescore_to_the_same_value_without_the_model():
    config = ScoringConfig(lambda_fork=0.3)
    score = gem_score(ENTROPY, SPANS, config)
    assert rescore(score.final_entropy, score.fork_entropy, config) == score.value
