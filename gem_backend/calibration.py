"""The ranking fused with what experts said: a few labels decide what each feature counts (ours).

Skill of answer i, in logits: s_i = w . z_i + u_i, with z the standardised features, the prior
w ~ N(m, weight_scale^2) around equation (1)'s own weights, and u_i ~ N(0, residual_scale^2) for
what the features do not explain. Experts' orders enter through ``davidson_luce``. Without any, the
order is that of ``gem_score``, exactly: means are that score, plus what the evidence moves.

Axis letters: I item, F feature, O order.
"""

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy import sparse, special, stats
from scipy.sparse import csgraph

from gem_backend.config import CalibrationConfig, ScoringConfig
from gem_backend.davidson_luce import Posterior, posterior
from gem_backend.errors import DataError
from gem_backend.order_design import order_members
from gem_backend.scoring import PAPER_SCORING, rescore
from gem_backend.statistics import CONFIDENCE, wilson
from gem_backend.types import Calibration, Estimate, ExpertOrder, Feature, FeatureWeight, Skill

Floats: TypeAlias = NDArray[np.float64]
Item: TypeAlias = Mapping[Feature, float]

NUM_FOLDS = 5  # ours
ROUNDING = 1e-9  # ours: a feature whose deviation is below this share of its size is constant


class Fit(NamedTuple):
    """A calibration, and the skills of the very items it was fitted on, in their order.

    The skill of an item that was judged includes its own residual, moved by the evidence.
    ``keenness`` says how decisively each rater orders, around 1; empty for a single rater.
    """

    calibration: Calibration
    item_skills: list[Skill]
    keenness: dict[str, float]


def fit_calibration(
    items: Sequence[Item],
    orders: Sequence[ExpertOrder],
    config: CalibrationConfig,
    scoring: ScoringConfig,
    groups: Sequence[int] | None = None,
) -> Calibration:
    """Return the posterior of the features' weights; see ``fit``."""
    return fit(items, orders, config, scoring, groups).calibration


def fit(
    items: Sequence[Item],
    orders: Sequence[ExpertOrder],
    config: CalibrationConfig,
    scoring: ScoringConfig,
    groups: Sequence[int] | None = None,
) -> Fit:
    """Learn from experts' orders how much each feature counts.

    Args:
        items: the features of every answer, judged or not: those of ``config.features``, and always
            ``final_confidence`` and ``fork_entropy``, which keep equation (1)'s weight if left out.
        orders: their numbers are places in ``items``; none gives the prior.
        config: features and prior deviations, logits.
        scoring: equation (1), whose weights are the prior mean.
        groups: the prompt of each order; None takes orders that share an item as one prompt.

    Returns:
        Weights in logits per deviation with 95 % intervals; ``n`` counts the pairs that the orders
        imply, ties included. The agreements count the strict pairs, an equal score as wrong.
        ``agreement_after`` comes from five folds of whole prompts, each scored with weights fitted
        on the others; None with fewer than two prompts. The pairs of one order are not independent,
        so the agreements' intervals are somewhat narrow where orders are long. ``tie_weight`` is
        Davidson's nu, 0 if no two answers alone were tied.

    Raises:
        DataError: a feature is missing or not finite, an order does not fit the items, or its ties
            make too many subsets.
    """
    _check(orders, len(items), groups)
    num_pairs = sum(math.comb(len(order_members(order)), 2) for order in orders)
    prior = _prior_weights(items, config, scoring)
    data = _Data(_scores(items, scoring), _standardised(items, prior), config)
    found = posterior(orders, data.score_I, data.z_IF, config)
    calibration = Calibration(
        weights=_moved(prior, found, num_pairs),
        covariance=tuple(map(tuple, found.covariance_FF.tolist())),
        residual_scale=config.residual_scale,
        tie_weight=found.tie_weights.get(2, 0.0),
        num_comparisons=num_pairs,
        num_raters=len({order.rater for order in orders}),
        agreement_before=_agreement(_right(orders, data.score_I)),
        agreement_after=_agreement(_kept_out(data, orders, groups)),
    )
    item_skills = skills(calibration, items, scoring)
    for item, residual, sd in found.judged:
        item_skills[item] = Skill(item_skills[item].mean + residual, sd)
    return Fit(calibration, item_skills, found.keenness)


def skills(calibration: Calibration, items: Sequence[Item], scoring: ScoringConfig) -> list[Skill]:
    """Return the posterior skills of new items, logits, with the origin of ``gem_score``.

    Args:
        calibration: from ``fit``.
        items: as in ``fit``.
        scoring: as in ``fit``.

    Raises:
        DataError: a feature is missing or not finite.
    """
    z_IF = _standardised(items, calibration.weights)
    shift_F = [w.weight.value - _prior(w.feature, w.scale, scoring) for w in calibration.weights]
    mean_I = _scores(items, scoring) + np.sum(z_IF * shift_F, axis=1)
    explained_I = np.sum(z_IF @ np.array(calibration.covariance) * z_IF, axis=1)
    sd_I = np.sqrt(explained_I + calibration.residual_scale**2)
    return list(map(Skill, mean_I.tolist(), sd_I.tolist()))


def probability_better(a: Skill, b: Skill) -> float:
    """Return the probability that an expert who calls no tie prefers a, skills independent."""
    return _mean_sigmoid(a.mean - b.mean, math.hypot(a.sd, b.sd))


def probability_beats(
    calibration: Calibration, item_i: Item, item_j: Item, scoring: ScoringConfig = PAPER_SCORING
) -> float:
    """Return the probability that a new item i is preferred to a new item j.

    Unlike ``probability_better`` it knows that both skills share the uncertainty of the weights.
    ``scoring`` matters only for a term of equation (1) that is not among the weights.
    """
    skill_i, skill_j = skills(calibration, (item_i, item_j), scoring)
    difference_F = np.subtract(*_standardised((item_i, item_j), calibration.weights))
    variance = difference_F @ np.array(calibration.covariance) @ difference_F
    sd = math.sqrt(variance + 2 * calibration.residual_scale**2)
    return _mean_sigmoid(skill_i.mean - skill_j.mean, sd)


def _mean_sigmoid(mean: float, sd: float) -> float:
    """E[sigmoid(x)] of a normal x by the trapezoid rule, whose error falls exponentially here.

    Gauss-Hermite with a fixed number of nodes would not hold for a large ``sd``.
    """
    nodes = np.linspace(-9.0, 9.0, 401 + 40 * math.ceil(min(sd, 1e4)))
    weights = np.exp(-(nodes**2) / 2)
    return float(weights @ special.expit(mean + sd * nodes) / weights.sum())


# --- features and weights ---------------------------------------------------------------------


class _Data(NamedTuple):
    score_I: Floats  # equation (1)
    z_IF: Floats
    config: CalibrationConfig


def _columns(items: Sequence[Item], features: Sequence[Feature]) -> Floats:
    try:
        rows = [[item[feature] for feature in features] for item in items]
    except KeyError as error:
        raise DataError(f"An answer comes without its {error.args[0]}.") from error
    x_IF = np.array(rows, dtype=np.float64).reshape(len(items), len(features))
    if not np.isfinite(x_IF).all():
        raise DataError("A feature of an answer is not a finite number.")
    return x_IF


def _scores(items: Sequence[Item], scoring: ScoringConfig) -> Floats:
    rows = _columns(items, ("final_confidence", "fork_entropy")).tolist()
    return np.array([rescore(-confidence, fork, scoring) for confidence, fork in rows])


def _standardised(items: Sequence[Item], weights: Sequence[FeatureWeight]) -> Floats:
    x_IF = _columns(items, [weight.feature for weight in weights])
    mean_F = np.array([weight.mean for weight in weights])
    scale_F = np.array([weight.scale for weight in weights])
    return np.asarray((x_IF - mean_F) / scale_F)


def _prior(feature: Feature, scale: float, scoring: ScoringConfig) -> float:
    """Equation (1)'s weight, per deviation."""
    if feature == "final_confidence":
        return scale if scoring.use_terminal_entropy else 0.0
    if feature == "fork_entropy":
        return scoring.lambda_fork * scale if scoring.use_branching_entropy else 0.0
    return 0.0


def _prior_weights(
    items: Sequence[Item], config: CalibrationConfig, scoring: ScoringConfig
) -> list[FeatureWeight]:
    weights = []
    for feature, x_I in zip(config.features, _columns(items, config.features).T, strict=True):
        mean, sd = (float(x_I.mean()), float(x_I.std())) if len(x_I) else (0.0, 0.0)
        scale = sd if sd > ROUNDING * np.abs(x_I).max(initial=0.0) else 1.0
        prior = _prior(feature, scale, scoring)
        weights.append(FeatureWeight(feature, prior, Estimate(prior, prior, prior, 0), mean, scale))
    return weights


def _moved(prior: Sequence[FeatureWeight], found: Posterior, n: int) -> tuple[FeatureWeight, ...]:
    """The weights with what the evidence makes of them."""
    half_F = stats.norm.ppf((1 + CONFIDENCE) / 2) * np.sqrt(np.diag(found.covariance_FF))
    moved = []
    for weight, shift, half in zip(prior, found.shift_F.tolist(), half_F.tolist(), strict=True):
        value = weight.prior + shift
        moved.append(replace(weight, weight=Estimate(value, value - half, value + half, n)))
    return tuple(moved)


# --- agreement --------------------------------------------------------------------------------


def _agreement(right: Sequence[bool]) -> Estimate | None:
    return wilson(sum(right), len(right)) if right else None


def _right(orders: Sequence[ExpertOrder], score_I: Floats) -> list[bool]:
    """Whether each strict pair of the orders has its better item above."""
    return [
        bool(score_I[i] > score_I[j])
        for order in orders
        for better, worse in itertools.combinations(order.order, 2)
        for i, j in itertools.product(better, worse)
    ]


def _kept_out(
    data: _Data, orders: Sequence[ExpertOrder], groups: Sequence[int] | None
) -> list[bool]:
    """Whether each strict pair is right under weights that saw no order of its prompt."""
    groups = _shared(orders, len(data.score_I)) if groups is None else groups
    fold_O = (np.unique(groups, return_inverse=True)[1] % NUM_FOLDS).tolist()
    if len(set(fold_O)) < 2:
        return []
    right = []
    for fold in sorted(set(fold_O)):
        others = [order for order, own in zip(orders, fold_O, strict=True) if own != fold]
        kept = [order for order, own in zip(orders, fold_O, strict=True) if own == fold]
        found = posterior(others, data.score_I, data.z_IF, data.config)
        right += _right(kept, data.score_I + np.sum(data.z_IF * found.shift_F, axis=1))
    return right


def _shared(orders: Sequence[ExpertOrder], num_items: int) -> list[int]:
    """The group of each order, where orders that share an item are of one group."""
    links = [(order_members(order)[0], item) for order in orders for item in order_members(order)]
    ends = np.array(links, dtype=np.intp).reshape(-1, 2).T
    graph = sparse.coo_array((np.ones(len(links)), ends), shape=(num_items, num_items))
    label_I = csgraph.connected_components(graph, directed=False)[1]
    return [int(label_I[order_members(order)[0]]) for order in orders]


def _check(orders: Sequence[ExpertOrder], num_items: int, groups: Sequence[int] | None) -> None:
    if groups is not None and len(groups) != len(orders):
        raise DataError("Every order needs the number of its prompt.")
    for order in orders:
        members = order_members(order)
        if len(members) < 2 or len(set(members)) < len(members) or not all(order.order):
            raise DataError("An expert's order needs two or more different answers.")
        if not all(0 <= item < num_items for item in members):
            raise DataError("An expert's order speaks of an answer that is not there.")
