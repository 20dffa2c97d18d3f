"""The calibrated ranking: exactly equation (1) without labels, honest intervals with them."""

import itertools
import math

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.optimize import brentq
from scipy.special import expit

from gem_backend.calibration import (
    fit,
    fit_calibration,
    probability_beats,
    probability_better,
    skills,
)
from gem_backend.config import CalibrationConfig, ScoringConfig
from gem_backend.errors import DataError
from gem_backend.scoring import rescore
from gem_backend.types import ExpertOrder, Skill

FEATURES = (
    "final_confidence",
    "fork_entropy",
    "mean_logprob",
    "implicit_reward",
    "answer_agreement",
)
CONFIG, SCORING = CalibrationConfig(features=FEATURES), ScoringConfig()
SCORINGS = [
    SCORING,
    ScoringConfig(lambda_fork=0),
    ScoringConfig(lambda_fork=0.37),
    ScoringConfig(use_terminal_entropy=False),
    ScoringConfig(use_branching_entropy=False),
    ScoringConfig(use_terminal_entropy=False, use_branching_entropy=False),
]


@pytest.fixture
def rng():
    return np.random.default_rng(511)


def random_items(rng, n):
    """Features of plausible sizes, so that the standardisation has work to do."""
    x = rng.normal(size=(n, 5)) * [0.3, 0.5, 0.2, 0.05, 0.2] + [-0.6, 1.5, -0.7, 0.0, 0.5]
    return [dict(zip(FEATURES, row, strict=True)) for row in x.tolist()]


def score(item, scoring=SCORING):
    return rescore(-item["final_confidence"], item["fork_entropy"], scoring)


def standardised(items):
    x = np.array([[item[feature] for feature in FEATURES] for item in items])
    return (x - x.mean(axis=0)) / x.std(axis=0)


def pairs(rng, skill, nu=0.0):
    """Davidson's outcome of (0, 1), (2, 3), ... under the given skills."""
    orders = []
    for i in range(0, len(skill) - 1, 2):
        half = (skill[i] - skill[i + 1]) / 2
        weights = np.array([math.exp(half), math.exp(-half), nu])
        outcome = rng.choice(3, p=weights / weights.sum())
        order = [((i,), (i + 1,)), ((i + 1,), (i,)), ((i, i + 1),)][outcome]
        orders.append(ExpertOrder(order))
    return orders


def simulated(rng, num_pairs, shift, residual_scale=0.5, nu=0.0):
    """Items whose skills are the score, a shift of the weights, and a residual; their orders."""
    items = random_items(rng, 2 * num_pairs)
    skill = np.array([score(item) for item in items]) + standardised(items) @ shift
    skill += residual_scale * rng.normal(size=len(items))
    return items, pairs(rng, skill, nu)


# --- no evidence ------------------------------------------------------------------------------


@pytest.mark.parametrize("scoring", SCORINGS)
def test_without_labels_the_skills_are_the_scores_to_the_bit(rng, scoring):
    """So also the order and its ties: copies, and scores one rounding apart, stay as they are."""
    items = random_items(rng, 40)
    close = math.nextafter(items[0]["final_confidence"], 1.0)
    items += [dict(items[3]), items[0] | {"final_confidence": close}]
    found = fit(items, [], CONFIG, scoring)
    scores = [score(item, scoring) for item in items]
    assert [skill.mean for skill in found.item_skills] == scores
    assert [skill.mean for skill in skills(found.calibration, items, scoring)] == scores


def test_without_labels_the_calibration_is_the_prior(rng):
    """Raw weights 1, lambda, 0, 0, 0 times the deviations; 1.96 prior deviations either side."""
    items = random_items(rng, 30)
    found = fit_calibration(
        items, [], CalibrationConfig(features=FEATURES, weight_scale=2), SCORINGS[2]
    )
    x = np.array([list(item.values()) for item in items])
    expected = np.array([1, 0.37, 0, 0, 0]) * x.std(axis=0)
    for weight, prior in zip(found.weights, expected, strict=True):
        interval = (prior, prior - 2 * 1.959964, prior + 2 * 1.959964, 0)
        assert weight.weight == pytest.approx(interval, abs=1e-6)
        assert weight.prior == weight.weight.value
    assert found.covariance == tuple(map(tuple, (4 * np.eye(5)).tolist()))
    assert (found.num_comparisons, found.num_raters, found.tie_weight) == (0, 0, 0)
    assert found.agreement_before is found.agreement_after is None


def test_a_feature_left_out_keeps_the_weight_of_equation_one(rng):
    config = CalibrationConfig(features=("mean_logprob",))
    items = random_items(rng, 20)
    found = fit(items, [], config, SCORING)
    assert [skill.mean for skill in found.item_skills] == [score(item) for item in items]
    wise = fit_calibration(items, pairs(rng, [5.0, 0.0] * 10), config, SCORING)
    odds = probability_beats(wise, items[0], items[0] | {"final_confidence": -9.0})
    assert odds > 0.99


@pytest.mark.parametrize("value", [0.0, 0.1, -1e6])
def test_a_constant_feature_contributes_nothing(rng, value):
    """0.1 too, whose mean over many items is not 0.1 in floating point."""
    items, orders = simulated(rng, 30, np.ones(5))
    flat = [item | {"implicit_reward": value} for item in items]
    weight = fit_calibration(flat, orders, CONFIG, SCORING).weights[3]
    assert weight.scale == 1
    assert weight.weight[:3] == pytest.approx((0, -1.959964, 1.959964), abs=1e-5)


def test_no_items_give_the_prior():
    assert fit([], [], CONFIG, SCORING).item_skills == []


# --- with evidence ----------------------------------------------------------------------------


def test_fit_by_hand_of_one_feature():
    """Confidences 0.7 and -0.7 (deviation 0.7, so the prior weight is 0.7); 8 wins, 1 loss: the
    mode solves 2 (8 - 9 p) = w - 0.7 with p = sigmoid(2 w); H = 1 + 36 p (1 - p), and the mean is
    the mode less H' / (2 H^2) with H' = 72 p (1 - p) (1 - 2 p).
    """
    items = [{"final_confidence": c, "fork_entropy": 1.0} for c in (0.7, -0.7)]
    config = CalibrationConfig(features=("final_confidence",), residual_scale=0)
    orders = [ExpertOrder(((0,), (1,)))] * 8 + [ExpertOrder(((1,), (0,)))]
    found = fit(items, orders, config, SCORING)
    mode = brentq(lambda w: 2 * (8 - 9 * expit(2 * w)) - (w - 0.7), 0, 5, xtol=1e-13)
    p = expit(2 * mode)
    mean = mode - 36 * p * (1 - p) * (1 - 2 * p) / (1 + 36 * p * (1 - p)) ** 2
    (weight,) = found.calibration.weights
    half = 1.959964 * (1 + 36 * expit(2 * mean) * expit(-2 * mean)) ** -0.5
    assert weight.weight == pytest.approx((mean, mean - half, mean + half, 9), abs=1e-6)
    assert (weight.prior, weight.mean, weight.scale) == pytest.approx((0.7, 0.0, 0.7))
    first, second = found.item_skills
    assert first.mean - second.mean == pytest.approx(2 * mean)
    assert found.calibration.agreement_before[0] == pytest.approx(8 / 9)
    assert found.calibration.agreement_after is None  # a single prompt


def test_counts_are_those_of_the_implied_pairs(rng):
    """((0, 1), (2, 3)) implies six pairs, four of them strict; the other order one of each."""
    items = random_items(rng, 4)
    orders = [ExpertOrder(((0, 1), (2, 3)), 1, "ada"), ExpertOrder(((0,), (2,)), 3, "ben")]
    found = fit_calibration(items, orders, CONFIG, SCORING)
    assert (found.num_comparisons, found.num_raters) == (7, 2)
    assert {weight.weight.n for weight in found.weights} == {7}
    assert found.agreement_before.n == 5
    assert found.tie_weight > 0


def test_equal_scores_count_as_wrong():
    item = dict.fromkeys(FEATURES, 0.5)
    found = fit_calibration([item, dict(item)], [ExpertOrder(((0,), (1,)))], CONFIG, SCORING)
    assert found.agreement_before[0] == 0


def test_judged_items_carry_their_own_evidence(rng):
    """Equal features, so a new item like them has one skill, yet the winner's own is above it."""
    items = random_items(rng, 6)
    items[1] = dict(items[0])
    found = fit(items, [ExpertOrder(((0,), (1,)))] * 4, CONFIG, SCORING)
    new = skills(found.calibration, items, SCORING)
    winner, loser, *others = found.item_skills
    assert winner.mean - new[0].mean == pytest.approx(new[1].mean - loser.mean)
    assert winner.mean > new[0].mean + 0.1
    assert winner.sd < new[0].sd
    assert others == new[2:]


def test_units_of_the_features_do_not_matter(rng):
    """A feature in other units; the fork entropy in other units with lambda the other way."""
    items, orders = simulated(rng, 40, np.array([0, -1, 1, 0.5, 0]))
    units = {"mean_logprob": 1000.0, "implicit_reward": 1e-6, "fork_entropy": 8.0}
    other = [{f: value * units.get(f, 1.0) for f, value in item.items()} for item in items]
    one = fit(items, orders, CONFIG, SCORING).item_skills
    two = fit(other, orders, CONFIG, ScoringConfig(lambda_fork=1 / 8)).item_skills
    assert [s.mean for s in two] == pytest.approx([s.mean for s in one], abs=1e-8)
    assert np.argsort([s.mean for s in two]).tolist() == np.argsort([s.mean for s in one]).tolist()


def test_labels_turn_the_sign_of_a_term_that_marks_wrong_answers(rng):
    """Fork entropy has the prior weight 0.5 per deviation; its truth here is -1."""
    items, orders = simulated(rng, 100, np.array([0, -1.5, 0, 0, 0]))
    found = fit_calibration(items, orders, CONFIG, SCORING)
    fork = found.weights[1]
    assert fork.prior > 0.4
    assert fork.weight.high < 0
    assert found.agreement_before.value < 0.5 < found.agreement_after.low


@pytest.mark.slow
def test_agreement_after_is_never_of_the_labels_it_was_fitted_on(rng):
    """Random labels: weights that saw them would agree with clearly more than half."""
    after = []
    for _ in range(12):
        items = random_items(rng, 40)
        found = fit_calibration(items, pairs(rng, np.zeros(40)), CONFIG, SCORING)
        after.append(found.agreement_after.value)
        assert found.agreement_after.n == 20
    assert np.mean(after) == pytest.approx(0.5, abs=0.09)  # 240 pairs: 0.03 is one deviation


def test_orders_that_share_an_answer_are_kept_out_together(rng):
    items, _ = simulated(rng, 30, np.ones(5))
    orders = [
        ExpertOrder(((3 * k + a,), (3 * k + b,))) for k in range(20) for a, b in ((0, 1), (2, 1))
    ]
    named = fit_calibration(items, orders, CONFIG, SCORING, groups=[k // 2 for k in range(40)])
    assert fit_calibration(items, orders, CONFIG, SCORING) == named
    one = fit_calibration(items, orders, CONFIG, SCORING, groups=[7] * 40)
    assert one.agreement_after is None
    assert one.weights == named.weights


@pytest.mark.slow
def test_more_labels_agree_more(rng):
    """Means of so many worlds have deviations of about 0.04, 0.03 and 0.02."""
    shift = np.array([0.0, -4.0, 4.0, 2.0, -4.0])
    means = []
    for num_pairs, repeats in ((6, 20), (24, 8), (80, 3)):
        runs = [simulated(rng, num_pairs, shift) for _ in range(repeats)]
        after = [fit_calibration(*run, CONFIG, SCORING).agreement_after.value for run in runs]
        means.append(np.mean(after))
    assert means[0] + 0.04 < means[1]
    assert means[1] + 0.02 < means[2]


# --- is it calibrated? ------------------------------------------------------------------------


@pytest.fixture(scope="module")
def prior_simulations():
    """200 worlds drawn from the prior, each fitted on 40 pairs with ties."""
    rng = np.random.default_rng(31)
    worlds = []
    for _ in range(200):
        shift = CONFIG.weight_scale * rng.normal(size=5)
        items = random_items(rng, 100)
        skill = np.array([score(item) for item in items]) + standardised(items) @ shift
        skill += CONFIG.residual_scale * rng.normal(size=100)
        orders = pairs(rng, skill[:80], nu=0.5)
        found = fit(items, orders, CONFIG, SCORING, groups=[0] * 40)  # no folds: quick
        worlds.append((shift, items, skill, found))
    return worlds


@pytest.mark.slow
def test_intervals_of_the_weights_cover_the_truth(prior_simulations):
    """Bayesian coverage of 1000 intervals; one deviation of the share is about 0.007."""
    covered = []
    for shift, _, _, found in prior_simulations:
        for weight, truth in zip(found.calibration.weights, shift, strict=True):
            covered.append(weight.weight.low <= weight.prior + truth <= weight.weight.high)
    assert 0.91 < np.mean(covered) < 0.985


@pytest.mark.slow
def test_deviations_of_the_skills_are_right(prior_simulations):
    """Squared errors over variances, after taking the free origin out; 1 within 0.1."""
    new, judged = [], []
    for _, _, skill, found in prior_simulations:
        means = np.array([s.mean for s in found.item_skills])
        error = (skill - means) - (skill - means).mean()
        sd = np.array([s.sd for s in found.item_skills])
        judged += ((error / sd)[:80] ** 2).tolist()
        new += ((error / sd)[80:] ** 2).tolist()
    assert np.mean(judged) == pytest.approx(1, abs=0.1)
    assert np.mean(new) == pytest.approx(1, abs=0.1)


@pytest.mark.parametrize("is_joint", [True, False])
def test_probabilities_of_new_pairs_come_true(prior_simulations, is_joint):
    """In each fifth of the forecasts the wins are as many as forecast, within 3.5 deviations."""
    rng = np.random.default_rng(8)
    forecast, won = [], []
    for _, items, skill, found in prior_simulations:
        for i in range(80, 100, 2):
            own = found.item_skills
            joint = probability_beats(found.calibration, items[i], items[i + 1], SCORING)
            forecast.append(joint if is_joint else probability_better(own[i], own[i + 1]))
            won.append(rng.random() < expit(skill[i] - skill[i + 1]))
    forecast, won = np.array(forecast), np.array(won)
    for fifth in range(5):
        inside = np.floor(forecast * 5) == fifth
        expected = forecast[inside]
        deviation = math.sqrt(np.sum(expected * (1 - expected)))
        assert inside.sum() > 100
        assert abs(won[inside].sum() - expected.sum()) < 3.5 * deviation


# --- probabilities ----------------------------------------------------------------------------


@pytest.mark.parametrize("mean", [0.0, 0.4, -3.0, 12.0])
@pytest.mark.parametrize("sd", [0.0, 0.3, 1.0, 8.0, 60.0])
def test_probability_better_is_the_integral(mean, sd):
    """E[sigmoid(x)] with x normal; sd 0 is the plain sigmoid."""
    found = probability_better(Skill(mean + 1, 0.6 * sd), Skill(1, 0.8 * sd))

    def integrand(t):
        return expit(mean + sd * t) * math.exp(-t * t / 2) / math.sqrt(2 * math.pi)

    cuts = [-12.0, float(np.clip(-mean / sd, -11, 11)) if sd else 0.0, 12.0]
    pieces = [
        quad(integrand, *ends, epsabs=1e-12, limit=500)[0] for ends in itertools.pairwise(cuts)
    ]
    assert found == pytest.approx(sum(pieces), abs=1e-6)


def test_probabilities_of_the_two_sides_add_up(rng):
    items, orders = simulated(rng, 20, np.ones(5))
    found = fit(items, orders, CONFIG, SCORING)
    a, b = found.item_skills[:2]
    assert probability_better(a, b) + probability_better(b, a) == pytest.approx(1, abs=1e-12)
    beats = [probability_beats(found.calibration, *pair) for pair in (items[:2], items[1::-1])]
    assert sum(beats) == pytest.approx(1, abs=1e-12)


def test_variance_of_a_difference_by_hand(rng):
    """Two deviations apart in confidence alone: variance 2^2 * 1 + 2 * 0.5^2 under the prior."""
    items = random_items(rng, 20)
    found = fit_calibration(items, [], CONFIG, SCORING)
    gap = 2 * found.weights[0].scale
    better = items[0] | {"final_confidence": items[0]["final_confidence"] + gap}
    by_hand = probability_better(Skill(gap, math.sqrt(4.5)), Skill(0, 0))
    assert probability_beats(found, better, items[0]) == pytest.approx(by_hand, abs=1e-12)


def test_shared_weights_make_alike_answers_alike(rng):
    """Far from the mean both skills are unsure, but their difference is not."""
    items = random_items(rng, 20)
    found = fit_calibration(items, [], CONFIG, SCORING)
    far = items[0] | {"mean_logprob": 5.0}
    near = far | {"final_confidence": far["final_confidence"] - 3}
    apart = probability_better(*skills(found, [far, near], SCORING))
    assert probability_beats(found, far, near) > apart > 0.5


# --- errors -----------------------------------------------------------------------------------


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("feature", ["fork_entropy", "answer_agreement"])
def test_a_feature_that_is_not_finite_is_refused(rng, feature, value):
    items = random_items(rng, 4)
    good = fit_calibration(items, [], CONFIG, SCORING)
    items[2][feature] = value
    with pytest.raises(DataError, match="not a finite number"):
        fit_calibration(items, [], CONFIG, SCORING)
    with pytest.raises(DataError, match="not a finite number"):
        skills(good, items, SCORING)


def test_a_missing_feature_is_named(rng):
    items = random_items(rng, 4)
    del items[1]["mean_logprob"]
    with pytest.raises(DataError, match="without its mean_logprob"):
        fit_calibration(items, [], CONFIG, SCORING)


@pytest.mark.parametrize(
    ("order", "message"),
    [
        (((0,),), "two or more"),
        (((0,), (0,)), "two or more"),
        (((0,), (), (1,)), "two or more"),
        (((0,), (9,)), "not there"),
        (((0,), (-1,)), "not there"),
    ],
)
def test_an_order_that_does_not_fit_is_refused(rng, order, message):
    with pytest.raises(DataError, match=message):
        fit_calibration(random_items(rng, 4), [ExpertOrder(order)], CONFIG, SCORING)


def test_groups_must_name_every_order(rng):
    with pytest.raises(DataError, match="number of its prompt"):
        fit_calibration(random_items(rng, 4), [ExpertOrder(((0,), (1,)))], CONFIG, SCORING, [])


def test_the_same_data_give_the_same_calibration(rng):
    items, orders = simulated(rng, 12, np.ones(5), nu=0.5)
    orders = [ExpertOrder(o.order, 1 + k % 3, f"r{k % 2}") for k, o in enumerate(orders)]
    assert fit(items, orders, CONFIG, SCORING) == fit(items, orders, CONFIG, SCORING)
