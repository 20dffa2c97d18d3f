"""What labels say, in words: the sentences in golden pieces, and hostile names escaped."""

from dataclasses import replace

import pytest

from app.records import CalibrationView
from app.text import calibration as say
from app.views.calibration import calibration_card, run_calibration
from gem_backend.types import Calibration, Estimate, FeatureWeight
from tests.app.fakes_runs import HOSTILE

CLEAR = FeatureWeight("mean_logprob", 0.0, Estimate(0.84, 0.31, 1.37, 32), -1.2, 0.4)
AGAINST = FeatureWeight("fork_entropy", 1.0, Estimate(-0.62, -1.01, -0.23, 32), 0.9, 0.2)
UNCLEAR = FeatureWeight("final_confidence", 0.3, Estimate(0.04, -0.52, 0.6, 32), -0.1, 0.1)
FOUND = Calibration(
    weights=(CLEAR, AGAINST, UNCLEAR),
    covariance=((0.07, 0.0, 0.0), (0.0, 0.04, 0.0), (0.0, 0.0, 0.08)),
    residual_scale=0.5,
    tie_weight=0.0,
    num_comparisons=32,
    num_raters=1,
    agreement_before=Estimate(0.53125, 0.364, 0.691, 32),
    agreement_after=Estimate(0.75, 0.579, 0.867, 32),
)


def card(calibration=FOUND, is_adapter=False, **changes):
    view = CalibrationView(calibration, 32)
    return calibration_card(replace(view, **changes), "Base model", is_adapter)


def test_each_weight_is_a_sentence_with_interval_and_n():
    assert [say.weight_sentence(one) for one in FOUND.weights] == [
        "Your labels favour answers that the model finds natural: weight 0.8 "
        "(95 % interval 0.3 to 1.4, n = 32 comparisons).",
        "Your labels speak against answers whose reasoning weighs alternatives: weight "
        "\N{MINUS SIGN}0.6 (95 % interval \N{MINUS SIGN}1.0 to \N{MINUS SIGN}0.2, "
        "n = 32 comparisons).",
        "Your labels do not say clearly whether answers in which the model is sure of the result "
        "are better: weight 0.0 (95 % interval \N{MINUS SIGN}0.5 to 0.6, n = 32 comparisons).",
    ]
    assert card().count("n&nbsp;=&nbsp;32 comparisons") == 3


def test_agreement_goes_from_the_entropy_order_to_the_calibrated_one():
    shown = card()
    assert (
        '<th scope="row">By entropy (paper)</th><td class=gem-num><b>53 %</b></td>'
        "<td class=gem-num>36 to 69 %</td><td class=gem-num>32</td>"
    ) in shown
    assert (
        '<th scope="row">Calibrated, on preferences kept out of learning</th>'
        "<td class=gem-num><b>75 %</b></td><td class=gem-num>58 to 87 %</td>"
    ) in shown
    assert say.ABOVE_CHANCE in shown


@pytest.mark.parametrize(
    ("after", "sentence"),
    [
        (Estimate(0.6, 0.5, 0.7, 40), say.CHANCE),
        (Estimate(0.5, 0.3, 0.7, 16), say.CHANCE),
        (Estimate(0.8, 0.6, 0.9, 40), say.ABOVE_CHANCE),
        (Estimate(0.2, 0.1, 0.4, 40), say.BELOW_CHANCE),
        (None, say.ONE_QUESTION),
    ],
)
def test_what_cannot_be_told_from_guessing_is_said(after, sentence):
    shown = card(replace(FOUND, agreement_after=after))
    assert sentence in shown
    assert sum(one in shown for one in (say.CHANCE, say.ABOVE_CHANCE, say.BELOW_CHANCE)) <= 1


def test_ties_alone_agree_with_no_order():
    shown = card(replace(FOUND, agreement_before=None, agreement_after=None))
    assert "<table" not in shown
    assert "favour" in shown


def test_raters_and_what_was_left_out_are_counted():
    shown = card(replace(FOUND, num_raters=3), num_left_out=2)
    assert "Learned from 32 comparisons of 3 raters. 2 comparisons could not be read" in shown
    assert "raters" not in card()


def test_empty_states_say_what_to_do():
    assert say.NO_LABELS in card(None, num_labels=0)
    assert "There is 1 comparison to learn from." in card(None, num_labels=1)
    assert "There are 32 comparisons to learn from." in card(None)


def test_prior_is_one_sentence_without_weights():
    shown = card(replace(FOUND, num_comparisons=0, agreement_before=None, agreement_after=None))
    assert say.PRIOR in shown
    assert "favour" not in shown


def test_changed_labels_and_an_adapters_own_labels_are_said():
    assert say.STALE in card(is_stale=True)
    assert say.STALE not in card()
    assert say.ADAPTER_KNOWS in card(is_adapter=True)
    assert say.ADAPTER_KNOWS not in card()


def test_models_name_is_escaped():
    shown = calibration_card(CalibrationView(FOUND, 32), HOSTILE, True)
    assert "<img" not in shown and "&lt;img" in shown


def test_a_runs_card_says_whose_weights_they_are():
    shown = run_calibration(FOUND)
    assert say.RUN_TITLE in shown and say.RUN_INTRO in shown
    assert "favour" in shown
    assert run_calibration(None) == ""


def test_feature_without_words_of_its_own_is_still_named():
    odd = replace(CLEAR, feature="new_feature")
    assert "answers new_feature: weight 0.8" in say.weight_sentence(odd)
