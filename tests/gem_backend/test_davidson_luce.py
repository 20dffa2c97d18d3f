"""The likelihood of orders and its posterior, against closed forms."""

from itertools import permutations

import numpy as np
import pytest
from scipy.optimize import brentq
from scipy.special import expit

from gem_backend import davidson_luce
from gem_backend.config import CalibrationConfig
from gem_backend.davidson_luce import posterior
from gem_backend.errors import DataError
from gem_backend.order_design import TIE_SCALE, order_design
from gem_backend.types import ExpertOrder

FLAT = CalibrationConfig(features=("mean_logprob",), weight_scale=1e3, residual_scale=0)
UNIT = CalibrationConfig(features=("mean_logprob",), weight_scale=1, residual_scale=0)
RESIDUAL = CalibrationConfig(features=("mean_logprob",), residual_scale=0.7)
ONE = np.array([[1.0], [-1.0]])
FIRST, SECOND = ExpertOrder(((0,), (1,))), ExpertOrder(((1,), (0,)))
TIED = ExpertOrder(((0, 1),))


def log_probabilities(groupings, skills, tie_weights=()):
    """The log probability of each order under given skills; tie weights for sizes 2, 3, ..."""
    orders = [ExpertOrder(grouping, k) for k, grouping in enumerate(groupings)]
    skills = np.array(skills)
    z = np.zeros((len(skills), 1))
    design = order_design(orders, skills, z, FLAT)
    theta = np.zeros(design.skill_AP.shape[1])
    theta[len(theta) - len(tie_weights) :] = np.log(tie_weights) / TIE_SCALE
    none = np.zeros(0)
    alone = [design._replace(strength_A=(design.strength_A == k) * 1.0) for k in range(len(orders))]
    return [theta @ theta / 2 - davidson_luce._value(theta, none, one) for one in alone]


def lean(mode, precision, n, p, slope):
    """The mean to first order of one parameter x with n trials of p = sigmoid(slope x + ...).

    H = precision + n slope^2 p (1 - p), and the mean is mode - H'(mode) / (2 H(mode)^2).
    """
    curvature = precision + n * slope**2 * p * (1 - p)
    return mode - n * slope**3 * p * (1 - p) * (1 - 2 * p) / (2 * curvature**2)


def strict(*items):
    return tuple((item,) for item in items)


def test_orders_without_ties_are_plackett_luce():
    """P(b > a > c) = e^b / (e^a + e^b + e^c) * e^a / (e^a + e^c), and so for all six orders."""
    skills = [0.3, 1.1, -0.8]
    orders = list(permutations(range(3)))
    worth = np.exp(skills)
    by_hand = [worth[i] / worth.sum() * worth[j] / (worth[j] + worth[k]) for i, j, k in orders]
    found = np.exp(log_probabilities([strict(*order) for order in orders], skills))
    assert found == pytest.approx(by_hand, rel=1e-12)
    assert found.sum() == pytest.approx(1)


def test_pairs_with_ties_are_davidsons():
    """With worths a, b: win a / T, loss b / T, tie nu sqrt(ab) / T, T their sum."""
    a, b, nu = np.exp(0.4), np.exp(-0.9), 0.6
    weights = np.array([a, b, nu * np.sqrt(a * b)])
    found = np.exp(log_probabilities([strict(0, 1), strict(1, 0), ((0, 1),)], [0.4, -0.9], [nu]))
    assert found == pytest.approx(weights / weights.sum(), rel=1e-12)


def test_all_thirteen_weak_orders_of_three_have_probability_one():
    """Six strict orders, three with a tie above, three with a tie below, one tie of all."""
    above = [((0, 1), (2,)), ((0, 2), (1,)), ((1, 2), (0,))]
    below = [(low, high) for high, low in above]
    groupings = (
        [strict(*order) for order in permutations(range(3))] + above + below + [((0, 1, 2),)]
    )
    found = np.exp(log_probabilities(groupings, [0.3, 1.1, -0.8], [0.5, 1.7]))
    assert found.sum() == pytest.approx(1, rel=1e-12)
    worth = np.exp([0.3, 1.1, -0.8])
    pairs = [0.5 * np.sqrt(worth[i] * worth[j]) for i, j in ((0, 1), (0, 2), (1, 2))]
    triple = 1.7 * np.cbrt(worth.prod())
    assert found[-1] == pytest.approx(triple / (worth.sum() + sum(pairs) + triple))


def test_a_tie_size_that_never_occurs_is_impossible():
    """With only a tie of three in the data, {0}, {1}, {2} and {0, 1, 2} compete: 1 / 4 each."""
    found = np.exp(log_probabilities([((0, 1, 2),), strict(0, 1, 2)], [0.0, 0.0, 0.0], [1.0]))
    assert found == pytest.approx([1 / 4, 1 / 4 * 1 / 2])


@pytest.mark.parametrize(("wins", "losses"), [(9, 3), (5, 5), (2, 11)])
def test_flat_prior_gives_the_bradley_terry_estimate(wins, losses):
    """Skills w and -w: sigmoid(2 w) = wins / n at the mode, so w = log(wins / losses) / 2."""
    n = wins + losses
    mode = np.log(wins / losses) / 2
    found = posterior([FIRST] * wins + [SECOND] * losses, np.zeros(2), ONE, FLAT)
    assert found.shift_F[0] == pytest.approx(lean(mode, 1e-6, n, wins / n, 2), abs=1e-5)
    p = expit(2 * found.shift_F[0])
    assert found.covariance_FF[0, 0] == pytest.approx(1 / (4 * n * p * (1 - p)), rel=1e-4)


def one_feature(wins, losses, offset=0.7):
    orders = [FIRST] * wins + [SECOND] * losses
    return posterior(orders, np.array([offset, -offset]), ONE, UNIT)


def test_mode_with_a_prior_is_the_root():
    """Offsets 0.7 and -0.7; 8 wins, 1 loss: 2 (8 - 9 sigmoid(2 (0.7 + d))) = d."""
    root = brentq(lambda d: 2 * (8 - 9 * expit(2 * (0.7 + d))) - d, -5, 5, xtol=1e-13)
    p = expit(2 * (0.7 + root))
    found = one_feature(8, 1)
    assert found.shift_F[0] == pytest.approx(lean(root, 1, 9, p, 2), abs=1e-9)
    p = expit(2 * (0.7 + found.shift_F[0]))
    assert found.covariance_FF[0, 0] == pytest.approx(1 / (1 + 36 * p * (1 - p)), rel=1e-8)


@pytest.mark.parametrize(("wins", "losses"), [(8, 1), (3, 0), (20, 9)])
def test_mean_and_deviation_are_those_of_the_exact_posterior(wins, losses):
    """Sums over a fine grid of prior times likelihood; the mode is off by 0.03 to 0.15."""
    d = np.linspace(-8, 8, 16001)
    log_p = np.log(expit(2 * (0.7 + d))) * wins + np.log(expit(-2 * (0.7 + d))) * losses - d**2 / 2
    density = np.exp(log_p - log_p.max())
    mean = density @ d / density.sum()
    sd = np.sqrt(density @ (d - mean) ** 2 / density.sum())
    found = one_feature(wins, losses)
    mode = d[log_p.argmax()]
    assert abs(found.shift_F[0] - mean) < 0.35 * abs(mode - mean)
    assert np.sqrt(found.covariance_FF[0, 0]) == pytest.approx(sd, rel=0.07)


def test_residuals_take_what_the_features_cannot_explain():
    """Equal features, five wins: the difference x of the residuals has the prior N(0, 2 * 0.49),
    so x / 0.98 = 5 sigmoid(-x) at the mode; each residual is half of it. Their sum keeps its prior.
    """
    found = posterior([FIRST] * 5, np.zeros(2), np.zeros((2, 1)), RESIDUAL)
    root = brentq(lambda x: x / 0.98 - 5 * expit(-x), 0, 5, xtol=1e-13)
    mean = lean(root, 1 / 0.98, 5, expit(root), 1)
    assert [item.residual for item in found.judged] == pytest.approx([mean / 2, -mean / 2])
    variance = 1 / (1 / 0.98 + 5 * expit(mean) * expit(-mean))
    assert [item.sd for item in found.judged] == pytest.approx([np.sqrt(variance + 0.98) / 2] * 2)


def test_tie_weight_is_davidsons_nu():
    """Equal skills, t ties of n: t - n nu / (2 + nu) = log(nu) / TIE_SCALE^2; without the prior
    nu = 2 t / (n - t).
    """
    ties, n, precision = 30, 100, TIE_SCALE**-2
    orders = [TIED] * ties + [FIRST] * 40 + [SECOND] * 30
    found = posterior(orders, np.zeros(2), np.zeros((2, 1)), UNIT).tie_weights
    root = brentq(lambda x: ties - n * expit(x - np.log(2)) - x * precision, -5, 5, xtol=1e-13)
    mean = lean(root, precision, n, expit(root - np.log(2)), 1)
    assert found == {2: pytest.approx(np.exp(mean))}
    assert found[2] == pytest.approx(2 * ties / (n - ties), abs=0.02)


def mixed_orders(rng, num_prompts=12, size=4):
    """Prompts of four answers, ordered by three raters, with ties of two and three."""
    cuts = [(1, 1, 1, 1), (2, 1, 1), (1, 3), (1, 1, 2), (1, 2, 1)]
    orders = []
    for prompt in range(num_prompts):
        items = iter((rng.permutation(size) + prompt * size).tolist())
        order = tuple(tuple(next(items) for _ in range(n)) for n in cuts[prompt % len(cuts)])
        orders.append(ExpertOrder(order, 1 + prompt % 3, f"rater {prompt % 3}"))
    return orders


@pytest.fixture
def mixed_design(rng):
    config = CalibrationConfig()
    offset, z = rng.normal(size=48), rng.normal(size=(48, 5))
    return order_design(mixed_orders(rng), offset, z, config)


@pytest.fixture
def rng():
    return np.random.default_rng(20240607)


def test_derivatives_match_finite_differences(mixed_design, rng):
    """Central differences of the value, and of the gradient, at a random point."""
    num_theta = mixed_design.skill_AP.shape[1]
    point = rng.normal(size=num_theta + 3) * 0.7

    def value(x):
        return davidson_luce._value(x[:num_theta], x[num_theta:], mixed_design)

    slope = davidson_luce._derivatives(point[:num_theta], point[num_theta:], mixed_design)
    steps = 1e-5 * np.eye(num_theta + 3)
    gradient = [(value(point + step) - value(point - step)) / 2e-5 for step in steps]
    assert np.concatenate(slope[:2]) == pytest.approx(np.array(gradient), abs=1e-7)

    def by_theta(x):
        return davidson_luce._derivatives(x[:num_theta], x[num_theta:], mixed_design).by_theta_P

    bends = np.array([(by_theta(point + step) - by_theta(point - step)) / 2e-5 for step in steps])
    assert slope.hessian_PP.toarray() == pytest.approx(bends[:num_theta], abs=1e-7)
    assert slope.cross_PR == pytest.approx(bends[num_theta:].T, abs=1e-7)


def test_marginal_of_keenness_has_the_gradient_it_says(mixed_design, rng):
    start = np.zeros(mixed_design.skill_AP.shape[1])
    keen = rng.normal(size=3)

    def value(x):
        return davidson_luce._marginal(x, start, mixed_design)[0]

    steps = 1e-4 * np.eye(3)
    differences = [(value(keen + step) - value(keen - step)) / 2e-4 for step in steps]
    gradient = davidson_luce._marginal(keen, start, mixed_design)[1]
    assert gradient == pytest.approx(np.array(differences), abs=1e-4)


def test_fit_is_where_the_gradients_vanish(mixed_design):
    keen = davidson_luce._fit(mixed_design).keen_R
    mode = davidson_luce._mode(np.zeros(mixed_design.skill_AP.shape[1]), keen, mixed_design)
    assert np.abs(davidson_luce._derivatives(mode, keen, mixed_design).by_theta_P).max() < 1e-7
    assert np.abs(davidson_luce._marginal(keen, mode, mixed_design)[1]).max() < 2e-3


def test_mean_leans_by_the_gradient_of_the_log_determinant(mixed_design, rng):
    """Against central differences of log det H / 2 at a random point."""
    num_theta = mixed_design.skill_AP.shape[1]
    point, keen = rng.normal(size=num_theta), rng.normal(size=3) * 0.3

    def hessian(theta):
        return davidson_luce._derivatives(theta, keen, mixed_design).hessian_PP.toarray()

    steps = 1e-4 * np.eye(num_theta)
    volumes = [[np.linalg.slogdet(hessian(point + s))[1] / 2 for s in (d, -d)] for d in steps]
    gradient = np.array([(above - below) / 2e-4 for above, below in volumes])
    moved = davidson_luce._mean(point, keen, mixed_design)
    assert moved - point == pytest.approx(-np.linalg.solve(hessian(point), gradient), abs=1e-7)


def test_strength_counts_like_copies(rng):
    orders = [ExpertOrder(order.order, 3) for order in mixed_orders(rng)]
    copies = [ExpertOrder(order.order) for order in orders for _ in range(3)]
    offset, z = rng.normal(size=48), rng.normal(size=(48, 5))
    once, thrice = (posterior(o, offset, z, CalibrationConfig()) for o in (orders, copies))
    assert once.shift_F == pytest.approx(thrice.shift_F, abs=1e-8)
    assert once.covariance_FF == pytest.approx(thrice.covariance_FF, abs=1e-8)
    assert once.tie_weights == pytest.approx(thrice.tie_weights)


def pairs_of(rng, skill, keenness, num_pairs, rater):
    for _ in range(num_pairs):
        i, j = rng.choice(len(skill), 2, replace=False).tolist()
        if rng.random() > expit(keenness * (skill[i] - skill[j])):
            i, j = j, i
        yield ExpertOrder(((i,), (j,)), rater=rater)


def test_keenness_finds_the_rater_who_guesses(rng):
    z = rng.normal(size=(60, 5))
    skill = z @ [1.0, -0.5, 0.8, 0.0, 0.3] + 0.5 * rng.normal(size=60)
    raters = {"ada": 1.0, "ben": 1.0, "coin": 0.0}
    orders = [o for rater, k in raters.items() for o in pairs_of(rng, skill, k, 120, rater)]
    keenness = posterior(orders, np.zeros(60), z, CalibrationConfig()).keenness
    assert list(keenness) == ["ada", "ben", "coin"]
    assert keenness["coin"] < 0.5 * min(keenness["ada"], keenness["ben"])
    assert np.prod(list(keenness.values())) == pytest.approx(1)


def test_equal_raters_are_found_equal_where_every_answer_is_judged_once(rng):
    """Residuals and keenness are hard to tell apart there; a joint mode would run away."""
    skill = rng.normal(size=240) * 1.2
    orders = []
    for i in range(0, 240, 2):
        win = rng.random() < expit(skill[i] - skill[i + 1])
        orders.append(ExpertOrder(((i,), (i + 1,)) if win else ((i + 1,), (i,)), 1, f"r{i % 3}"))
    config = CalibrationConfig(features=("mean_logprob",))
    found = posterior(orders, np.zeros(240), skill[:, None], config)
    assert all(0.6 < keenness < 1.7 for keenness in found.keenness.values())


def test_unsure_keenness_widens_the_weights(rng):
    orders = mixed_orders(rng)
    design = order_design(
        orders, rng.normal(size=48), rng.normal(size=(48, 5)), CalibrationConfig()
    )
    fitted = davidson_luce._fit(design)
    known = fitted._replace(keen_covariance_RR=np.zeros((3, 3)))
    both = (davidson_luce._covariance(one, design) for one in (fitted, known))
    unsure, sure = (np.diag(covariance)[:5] for covariance in both)
    assert (unsure > sure).all()


def test_absurd_orders_do_not_break_the_search(rng):
    """Raters who all contradict a score of fifty deviations, each with the greatest strength."""
    offset = 50 * rng.normal(size=48)
    orders = [ExpertOrder(o.order[::-1], 3, o.rater) for o in mixed_orders(rng)]
    found = posterior(orders, offset, offset[:, None] / 50, UNIT)
    assert np.isfinite(found.shift_F).all()
    assert found.covariance_FF[0, 0] > 0


def test_keenness_is_for_several_raters_and_can_be_switched_off(rng):
    z, offset = rng.normal(size=(48, 5)), np.zeros(48)
    orders = mixed_orders(rng)
    alone = [ExpertOrder(order.order, order.strength, "ada") for order in orders]
    off = posterior(orders, offset, z, CalibrationConfig(rater_scale=0))
    one = posterior(alone, offset, z, CalibrationConfig())
    assert off.keenness == one.keenness == {}
    assert off.shift_F.tolist() == one.shift_F.tolist()
    assert len(posterior(orders, offset, z, CalibrationConfig()).keenness) == 3


def test_too_many_ties_are_refused():
    order = ExpertOrder((tuple(range(20)), tuple(range(20, 40))))
    with pytest.raises(DataError, match="too many ties"):
        posterior([order], np.zeros(40), np.zeros((40, 1)), UNIT)
