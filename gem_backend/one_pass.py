"""Score and update in one forward pass, while the policy is still the one that was sampled.

Equation (1) and the log-probabilities of equation (2) come from the same hidden states. Advantages
need all scores of a group; so where a group fits one forward pass, they are known before its
backward pass. A larger group goes candidate by candidate: the gradient of equation (2) is

    -(1/K) sum_i (r_i - rbar) g_i  =  -(G1 - rbar G2) / K,    G1 = sum_i r_i g_i,  G2 = sum_i g_i

with g_i the gradient of log pi(a_i), and two buffers of the adapter's size hold all that is needed
until the last score is known. The softmax mapping keeps a running maximum.
"""

import math
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

from gem_backend.config import SegaConfig
from gem_backend.entropy import TokenStatistics, sequence_logps
from gem_backend.errors import ConfigError
from gem_backend.forward import LanguageModel, TokenSequence
from gem_backend.sega import advantages, rewards, sega_loss
from gem_backend.shared_prompts import forward_tokens, plan_groups

Score = Callable[[int, int, TokenStatistics], float]
"""The score of a candidate, from its group, its number in it, and its statistics (on the CPU)."""


class GroupPass(NamedTuple):
    """What one pass found: scores (K,), float64, statistics of each candidate, and the loss.

    ``loss`` is equation (2)'s for this group alone.
    """

    scores_K: Tensor
    statistics_K: tuple[TokenStatistics, ...]
    loss: float


def one_pass_backward(
    model: LanguageModel,
    groups: Sequence[Sequence[TokenSequence]],
    score: Score,
    config: SegaConfig,
    max_tokens: int,
) -> list[GroupPass]:
    """Score groups and add the gradient of equation (2), averaged over them, in one forward pass.

    Gradients go to ``.grad`` of the trainable parameters as they are: unscaled, not reduced over
    processes.

    Args:
        model: the policy as it was sampled; its training mode is left as it is.
        groups: the sampled answers to each prompt, none of them empty.
        score: called once for each candidate; nothing of a group may depend on another.
        config: mapping, normalisation and division of equation (2).
        max_tokens: of one forward pass, padding included.

    Returns:
        One result a group, in order.

    Raises:
        ConfigError: the KL term is on, or negative advantages are not taken whole.
        DataError: a sequence is longer than the model can read.
    """
    if config.kl_weight or config.negative_weight != 1:
        raise ConfigError("One pass has no KL term and takes negative advantages as they are.")
    found: dict[int, GroupPass] = {}
    weight = 1 / len(groups) if groups else 0.0
    for batch in plan_groups(model, groups, max_tokens):
        sequences = [sequence for index in batch for sequence in groups[index]]
        if forward_tokens(model, sequences) <= max_tokens or len(sequences) == 1:
            found.update(_whole_groups(model, {i: groups[i] for i in batch}, score, config, weight))
        else:
            (index,) = batch
            found[index] = _one_by_one(model, index, groups[index], score, config, weight)
    return [found[index] for index in range(len(groups))]


def _whole_groups(
    model: LanguageModel,
    groups: dict[int, Sequence[TokenSequence]],
    score: Score,
    config: SegaConfig,
    weight: float,
) -> dict[int, GroupPass]:
    """One forward and one backward pass over groups that fit together."""
    result = sequence_logps(model, [s for g in groups.values() for s in g], with_entropy=True)
    rows = iter(zip(result.logps, result.statistics, strict=True))
    losses: list[Tensor] = []
    found: dict[int, GroupPass] = {}
    for index, group in groups.items():
        logps: list[Tensor] = []
        statistics: list[TokenStatistics] = []
        for _ in group:
            logps_T, one = next(rows)
            logps.append(_normalised(logps_T, config))
            statistics.append(_on_cpu(one))
        scores_K = _scores(score(index, k, one) for k, one in enumerate(statistics))
        advantages_K = _advantages(scores_K, config)
        losses.append(sega_loss(torch.stack(logps), advantages_K))
        found[index] = GroupPass(scores_K, tuple(statistics), float(losses[-1].detach()))
    (weight * torch.stack(losses).sum()).backward()  # type: ignore[no-untyped-call]
    return found


def _one_by_one(
    model: LanguageModel,
    index: int,
    group: Sequence[TokenSequence],
    score: Score,
    config: SegaConfig,
    weight: float,
) -> GroupPass:
    """One forward and one backward pass for each candidate, and two accumulators."""
    parameters = [p for p in model.parameters() if p.requires_grad]
    is_softmax = config.reward_mapping == "softmax"
    temperature = config.reward_temperature if is_softmax else 1.0
    sums = _Accumulators(parameters, is_softmax=is_softmax)
    scores: list[float] = []
    logps: list[Tensor] = []
    statistics: list[TokenStatistics] = []
    for number, sequence in enumerate(group):
        result = sequence_logps(model, [sequence], with_entropy=True)
        logp = _normalised(result.logps[0], config)
        statistics.append(_on_cpu(result.statistics[0]))
        scores.append(score(index, number, statistics[-1]))
        sums.add(scores[-1] / temperature, torch.autograd.grad(logp, parameters, allow_unused=True))
        logps.append(logp.detach())
    scores_K = _scores(scores)
    std = rewards(scores_K, config.reward_mapping, config.reward_temperature).std(correction=0)
    scale = weight / float(std) if config.scale_by_std and std > 0 else weight
    sums.add_gradient(scale)
    advantages_K = _advantages(scores_K, config)
    loss = float(sega_loss(torch.stack(logps), advantages_K))
    return GroupPass(scores_K, tuple(statistics), loss)


class _Accumulators:
    """G1 = sum r_i g_i and G2 = sum g_i over the candidates of one group.

    The identity mapping measures scores from the first one: advantages do not mind, and equal
    scores leave exactly nothing. Softmax rewards are exp(score - peak) until the group ends.
    """

    def __init__(self, parameters: Sequence[nn.Parameter], *, is_softmax: bool) -> None:
        self._parameters = parameters
        self._is_softmax = is_softmax
        self._first = [torch.zeros_like(p) for p in parameters]
        self._second = [torch.zeros_like(p) for p in parameters]
        self._origin = -math.inf if is_softmax else math.nan
        self._total = 0.0  # of the rewards, in the same measure as G1
        self._count = 0

    def add(self, score: float, gradients: Iterable[Tensor | None]) -> None:
        """Take a candidate's score and the gradient of its log-probability."""
        reward = self._reward(score)
        self._total += reward
        self._count += 1
        for first, second, gradient in zip(self._first, self._second, gradients, strict=True):
            if gradient is not None:
                first.add_(gradient, alpha=reward)
                second.add_(gradient)

    def add_gradient(self, scale: float) -> None:
        """Add ``scale`` times the gradient of equation (2) to the parameters' own."""
        total = self._total if self._is_softmax else 1.0
        baseline = self._total / self._count
        for parameter, first, second in zip(
            self._parameters, self._first, self._second, strict=True
        ):
            gradient = first.sub_(second, alpha=baseline).mul_(-scale / (self._count * total))
            parameter.grad = gradient if parameter.grad is None else parameter.grad.add_(gradient)

    def _reward(self, score: float) -> float:
        if not self._is_softmax:
            self._origin = score if math.isnan(self._origin) else self._origin
            return score - self._origin
        if score > self._origin:
            shrink = math.exp(self._origin - score)
            self._origin = score
            self._total *= shrink
            for first in self._first:
                first.mul_(shrink)
        return math.exp(score - self._origin)


def _advantages(scores_K: Tensor, config: SegaConfig) -> Tensor:
    return advantages(
        scores_K,
        config.reward_mapping,
        config.scale_by_std,
        temperature=config.reward_temperature,
    )


def _normalised(logps_T: Tensor, config: SegaConfig) -> Tensor:
    return logps_T.sum() if config.normalisation == "sequence" else logps_T.mean()


def _scores(scores: Iterable[float]) -> Tensor:
    return torch.tensor(list(scores), dtype=torch.float64)


def _on_cpu(statistics: TokenStatistics) -> TokenStatistics:
    return TokenStatistics(*(field.cpu() for field in statistics))
