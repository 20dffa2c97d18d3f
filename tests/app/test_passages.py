"""Steps and sentences: where they end, and the three figures of each."""

import math

import pytest

from app.views.heatmap import heat, level
from app.views.passages import HIGH_NATS, SENTENCE, STEP, passages
from gem_backend.types import Span
from tests.app.test_heatmap import tiny


def passage_of_each(texts, end):
    spans = [Span(place, place + 1) for place in range(len(texts))]
    return passages(texts, spans, [0.0] * len(texts), end)["of"]


@pytest.mark.parametrize(
    ("texts", "sentences", "steps"),
    [
        (["Take", " 1.5", " mg.", " Then", " wait."], [0, 0, 0, 1, 1], [0, 0, 0, 0, 0]),
        (["A", "\n", "B", ".", " C"], [0, 0, 1, 1, 2], [0, 0, 1, 1, 1]),
        (["one.\n\n", "  ", "two"], [0, 0, 1], [0, 0, 1]),
        (["He said “no.”", " Why", "?"], [0, 1, 1], [0, 0, 0]),
        (["a. b. c", " d"], [0, 1], [0, 0]),  # a token of three sentences begins in the first
        (["\n", "x", ""], [0, 1, 1], [0, 1, 1]),
        (["Wait…", " ok.", "Next"], [0, 1, 1], [0, 0, 0]),  # no white space, no end
        ([], [], []),
    ],
)
def test_passages_end_at_marks_before_white_space_and_at_lines(texts, sentences, steps):
    assert passage_of_each(texts, SENTENCE) == sentences
    assert passage_of_each(texts, STEP) == steps


def test_figures_of_a_passage_are_those_of_its_tokens():
    """Sentence one has the tokens 0, 1, 2 (two of them one unit): (0 + 2 + 1) / 3 = 1, highest 2,
    and 2 of 3 are over ln 2 = 0.69; sentence two has one token of 0.69, which is not over it."""
    found = passages(
        ["é", " a.", " b"],
        [Span(0, 2), Span(2, 3), Span(3, 4)],
        [0.0, 2.0, 1.0, math.log(2)],
        SENTENCE,
    )
    assert found["of"] == [0, 0, 1]
    assert found["mean"] == pytest.approx([1.0, HIGH_NATS])
    assert found["most"] == [2.0, HIGH_NATS]
    assert found["share"] == pytest.approx([2 / 3, 0.0])
    assert found["count"] == [3, 1]


def test_a_card_is_tinted_by_the_mean_of_the_sentence_or_step():
    drawn = heat(tiny(["one.", " two", "\n", "three"], [0.2, 1.0, 2.0, 0.4]))
    assert drawn["passages"]["sentence"]["mean"] == [0.2, 1.5, 0.4]
    assert drawn["passages"]["step"]["mean"] == [1.067, 0.4]
    assert drawn["levels"]["sentence"] == [level(0.2), level(1.5), level(1.5), level(0.4)]
    assert drawn["levels"]["step"] == [level(3.2 / 3)] * 3 + [level(0.4)]
