"""What expert orders say of skills: the Davidson-Luce likelihood and Laplace's posterior.

Of the answers that remain, the tie group S is chosen next with weight
delta_|S| * exp(mean of s over S), against every subset of a size that the data show. So pairs are
Bradley-Terry, pairs with ties Davidson (delta_2 is his nu: two equal answers tie with probability
nu / (2 + nu)), orders without ties Plackett-Luce. A tie size that never occurs has delta 0. Ours
are: a strength of s counts like s judgements; where several raters speak, each has a keenness
exp(b), b ~ N(0, rater_scale^2), that multiplies the skills in the rater's own likelihood. It is
relative to the raters' geometric mean, so the skills' logits are those of the middle rater.

The posterior of weights, residuals and log deltas is Laplace's, with its mean: the mode alone
falls short by a tenth or more, because each residual is ready to take the blame for its labels.
The keennesses are set at the mode of their marginal posterior: a joint mode would raise them all,
because the residuals could then shrink.

Axis letters: those of ``order_design``.

Source: Firth, Kosmidis, Turner 2019, arXiv:1909.07123; Davidson, JASA 65 (1970) 317-328; for the
mean Tierney, Kadane, JASA 81 (1986) 82-86.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from scipy import optimize, sparse
from scipy.sparse.linalg import SuperLU, splu

from gem_backend.config import CalibrationConfig
from gem_backend.order_design import TIE_SCALE, Design, Floats, keenness, order_design
from gem_backend.types import ExpertOrder

MAX_STEPS = 100  # ours: Newton's method needs about six
CONVERGED = 1e-10  # ours: what a last Newton step may gain, as a share of the value
DIFFERENCE = 1e-5  # ours: step of the one numerical derivative
CHUNK = 4096  # ours: rows that are dense at a time


class ItemPosterior(NamedTuple):
    """What the evidence says of one judged item: its residual, and its skill's deviation."""

    item: int
    residual: float
    sd: float


class Posterior(NamedTuple):
    """Mean and covariance of the weights' shifts, and what else was fitted."""

    shift_F: Floats
    covariance_FF: Floats
    tie_weights: dict[int, float]
    keenness: dict[str, float]
    judged: list[ItemPosterior]


def posterior(
    orders: Sequence[ExpertOrder], offset_I: Floats, z_IF: Floats, config: CalibrationConfig
) -> Posterior:
    """Fit the skills ``offset + shift . z + residual`` to the orders.

    Args:
        orders: none gives the prior; their numbers are places in ``offset_I`` and ``z_IF``.
        offset_I: the prior mean of the skills, logits, shape (I,), of all items, judged or not.
        z_IF: standardised features, shape (I, F).
        config: the prior deviations.

    Raises:
        DataError: the ties make too many subsets.
    """
    num_features = z_IF.shape[1]
    if not orders:
        prior_FF = config.weight_scale**2 * np.eye(num_features)
        return Posterior(np.zeros(num_features), prior_FF, {}, {}, [])
    design = order_design(orders, offset_I, z_IF, config)
    fitted = _fit(design)
    mean_P, covariance_PP = fitted.theta_P, _covariance(fitted, design)
    num_skill = design.skill_IP.shape[1]
    scale, ties = config.weight_scale, np.exp(TIE_SCALE * mean_P[num_skill:])
    sd_I = np.sqrt(_variances(design.skill_IP, covariance_PP[:num_skill, :num_skill]))
    residual_I = config.residual_scale * mean_P[num_features:num_skill]
    log_keenness = keenness(design.raters, design.raters, config.rater_scale) @ fitted.keen_R
    return Posterior(
        scale * mean_P[:num_features],
        scale**2 * covariance_PP[:num_features, :num_features],
        dict(zip(design.tie_sizes, ties.tolist(), strict=True)),
        dict(zip(design.raters, np.exp(log_keenness).tolist(), strict=True)),
        list(map(ItemPosterior, design.judged, residual_I.tolist(), sd_I.tolist())),
    )


# --- the objective: minus the log posterior ---------------------------------------------------


class _Choice(NamedTuple):
    """What the parameters say of each alternative."""

    skill_A: Floats
    keenness_A: Floats
    log_probability_A: Floats

    @property
    def probability_A(self) -> Floats:
        return np.exp(self.log_probability_A)


def _choice(theta_P: Floats, keen_R: Floats, design: Design) -> _Choice:
    skill_A = design.offset_A + design.skill_AP @ theta_P
    keenness_A = np.exp(design.keen_AR @ keen_R)
    logit_A = keenness_A * skill_A + design.tie_AP @ theta_P
    starts, size_S = design.stage_SA.indptr[:-1], np.diff(design.stage_SA.indptr)
    logit_A -= np.repeat(np.maximum.reduceat(logit_A, starts), size_S)
    total_S = np.add.reduceat(np.exp(logit_A), starts)
    return _Choice(skill_A, keenness_A, logit_A - np.repeat(np.log(total_S), size_S))


def _value(theta_P: Floats, keen_R: Floats, design: Design) -> float:
    """Minus the log posterior, up to a constant."""
    choice = _choice(theta_P, keen_R, design)
    log_likelihood = (design.strength_A * design.chosen_A) @ choice.log_probability_A
    return float((theta_P @ theta_P + keen_R @ keen_R) / 2 - log_likelihood)


def _logit_design(choice: _Choice, design: Design) -> sparse.csr_array:
    """Derivatives of the logits by theta, shape (A, P)."""
    return sparse.diags_array(choice.keenness_A) @ design.skill_AP + design.tie_AP


def _centred(choice: _Choice, rows: sparse.csr_array, design: Design) -> sparse.csr_array:
    """The rows, one for each alternative, less their stage's mean under the model."""
    mean_S = design.stage_SA @ sparse.diags_array(choice.probability_A) @ rows
    return rows - design.stage_SA.T @ mean_S


class _Derivatives(NamedTuple):
    """Of minus the log posterior, by theta (P) and by keen (R)."""

    by_theta_P: Floats
    by_keen_R: Floats
    hessian_PP: sparse.csc_array
    cross_PR: Floats


def _derivatives(theta_P: Floats, keen_R: Floats, design: Design) -> _Derivatives:
    """A multinomial logit with a linear design: its Hessian is the design's covariance.

    Keenness times skill is bilinear, which adds the second term of ``cross_PR``.
    """
    choice = _choice(theta_P, keen_R, design)
    logit_AP = _logit_design(choice, design)
    logit_AR = (choice.keenness_A * choice.skill_A)[:, None] * design.keen_AR
    surplus_A = design.strength_A * (choice.probability_A - design.chosen_A)
    centred_AP = _centred(choice, logit_AP, design)
    weighted_PA = centred_AP.T @ sparse.diags_array(design.strength_A * choice.probability_A)
    bend_AR = (choice.keenness_A * surplus_A)[:, None] * design.keen_AR
    return _Derivatives(
        theta_P + logit_AP.T @ surplus_A,
        keen_R + logit_AR.T @ surplus_A,
        (weighted_PA @ centred_AP + sparse.eye_array(len(theta_P))).tocsc(),
        weighted_PA @ logit_AR + design.skill_AP.T @ bend_AR,
    )


# --- the fit ----------------------------------------------------------------------------------


class _Fitted(NamedTuple):
    theta_P: Floats  # the mean
    keen_R: Floats
    keen_covariance_RR: Floats


def _fit(design: Design) -> _Fitted:
    num_raters = len(design.raters)
    keen_R, covariance_RR = np.zeros(num_raters), np.eye(num_raters)
    mode_P = _mode(np.zeros(design.skill_AP.shape[1]), keen_R, design)
    if num_raters:
        found = optimize.minimize(
            _marginal,
            keen_R,
            args=(mode_P, design),
            method="L-BFGS-B",
            jac=True,
            bounds=[(-design.keen_limit, design.keen_limit)] * num_raters,
            options={"gtol": 1e-3, "ftol": 1e-10},
        )
        keen_R, covariance_RR = found.x, found.hess_inv.todense()
        mode_P = _mode(mode_P, keen_R, design)
    return _Fitted(_mean(mode_P, keen_R, design), keen_R, covariance_RR)


def _mode(theta_P: Floats, keen_R: Floats, design: Design) -> Floats:
    """The most probable theta given keen: Newton's method with halved steps; it is convex."""
    value = _value(theta_P, keen_R, design)
    for _ in range(MAX_STEPS):
        slope = _derivatives(theta_P, keen_R, design)
        step_P = _factor(slope.hessian_PP).solve(slope.by_theta_P)
        gain = float(slope.by_theta_P @ step_P)
        if gain < CONVERGED * max(1.0, abs(value)):
            return np.asarray(theta_P - step_P)
        while (new := _value(theta_P - step_P, keen_R, design)) > value - gain / 4:
            step_P, gain = step_P / 2, gain / 2
        theta_P, value = theta_P - step_P, new
    return theta_P


def _mean(mode_P: Floats, keen_R: Floats, design: Design) -> Floats:
    """The mean of theta to first order: off the mode to where the posterior leans.

    That is by the covariance times the gradient of half the Hessian's log determinant, downhill.
    """
    choice = _choice(mode_P, keen_R, design)
    covariance_PP = _inverse(_derivatives(mode_P, keen_R, design).hessian_PP)
    centred_AP = _centred(choice, _logit_design(choice, design), design)
    excess_A = _centred(choice, _variances(centred_AP, covariance_PP), design)
    pull_A = design.strength_A * choice.probability_A * excess_A
    lean_P: Floats = covariance_PP @ (centred_AP.T @ pull_A) / 2
    return mode_P - lean_P


def _marginal(keen_R: Floats, start_P: Floats, design: Design) -> tuple[float, Floats]:
    """Minus the log posterior of keen with theta integrated out by Laplace, and its gradient.

    The determinant is differenced along the path that theta's mode takes as keen moves.
    """
    theta_P = _mode(start_P, keen_R, design)
    slope = _derivatives(theta_P, keen_R, design)
    factor = _factor(slope.hessian_PP)
    volume = _half_log_determinant(factor)
    gradient_R = slope.by_keen_R.copy()
    for rater, move_P in enumerate(-factor.solve(slope.cross_PR).T):
        step_R = DIFFERENCE * np.eye(len(keen_R))[rater]
        near = _derivatives(theta_P + DIFFERENCE * move_P, keen_R + step_R, design)
        gradient_R[rater] += (_half_log_determinant(_factor(near.hessian_PP)) - volume) / DIFFERENCE
    return _value(theta_P, keen_R, design) + volume, gradient_R


def _covariance(fitted: _Fitted, design: Design) -> Floats:
    """Of theta: given keen, and how its mode moves with keen."""
    slope = _derivatives(fitted.theta_P, fitted.keen_R, design)
    given_PP = _inverse(slope.hessian_PP)
    moves_PR = given_PP @ slope.cross_PR
    return np.asarray(given_PP + moves_PR @ fitted.keen_covariance_RR @ moves_PR.T)


def _factor(hessian_PP: sparse.csc_array) -> SuperLU:
    """For a positive definite matrix, whose diagonal needs no pivoting."""
    return splu(hessian_PP, diag_pivot_thresh=0.0, options={"SymmetricMode": True})


def _half_log_determinant(factor: SuperLU) -> float:
    return float(np.sum(np.log(np.abs(factor.U.diagonal())))) / 2


def _inverse(hessian_PP: sparse.csc_array) -> Floats:
    return np.asarray(_factor(hessian_PP).solve(np.eye(hessian_PP.shape[0])))


def _variances(rows: sparse.csr_array, covariance_PP: Floats) -> Floats:
    """The variance of each row's combination of the parameters."""
    chunks = [rows[start : start + CHUNK] for start in range(0, rows.shape[0], CHUNK)]
    return np.concatenate([np.sum((c @ covariance_PP) * c.toarray(), axis=1) for c in chunks])
