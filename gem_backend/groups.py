"""One round's material: prompts drawn, K candidates sampled from the policy, scored and put into
groups.
"""

import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from gem_backend.config import RunConfig, SamplingConfig, ScoringConfig
from gem_backend.forward import TokenSequence
from gem_backend.fusion import Fusion, group_scores, judged_answers, judged_candidates
from gem_backend.order import derived_seed, shuffled_batches
from gem_backend.ranking import rank_candidates
from gem_backend.representation import BaseView, base_views
from gem_backend.steps import Group, candidate_sequence
from gem_backend.trainer import Trainer
from gem_backend.types import Candidate, RankedCandidate


@dataclass(frozen=True, slots=True)
class RoundFigures:
    """Monitors of a round over its sampled tokens, means in nats.

    ``kl`` is the mean of log pi - log pi_base along the sampled tokens: an estimate of
    KL(policy || base) per token that leans towards likely tokens where the sampling temperature is
    below 1, and that chance can make negative. ``evaluate`` gives the exact figure.
    """

    kl: float
    mean_entropy: float


def sample_groups(
    trainer: Trainer, round_: int, prompts: Sequence[str], fusion: Fusion | None
) -> tuple[list[Group], list[Candidate], RoundFigures]:
    """Sample and score a round's groups under the policy as it stands.

    Args:
        trainer: policy, prompts and settings.
        round_: from 1; decides the chance in the answers.
        prompts: from ``draw_prompts``.
        fusion: what a calibrated run ranks with; None for the paper's ranking.

    Returns:
        The groups, their candidates in the same order, and the round's figures.
    """
    config = trainer.config
    lots = np.random.default_rng(derived_seed(config.seed, "lots", round_))
    drawn = trainer.joined(_sampled(trainer, round_, trainer.share(prompts)))
    groups = []
    for prompt, members in zip(prompts, drawn, strict=True):
        scores = _scores(config, fusion, members, lots)
        if config.sega.group_labels:
            labelled, their_scores = _labelled(trainer, prompt, fusion)
            members, scores = members + labelled, scores + their_scores
        groups.append(_group(members, scores, config.sega.trim))
    candidates, _, views = zip(*itertools.chain.from_iterable(drawn), strict=True)
    return groups, list(candidates), round_figures(candidates, views)


def _sampled(trainer: Trainer, round_: int, prompts: Sequence[str]) -> list[list["Member"]]:
    """Sample each prompt's candidates; a prompt's chance does not depend on the others."""
    config = trainer.config
    candidate_groups = trainer.sampler.sample(prompts, round_sampling(config, round_))
    candidates = list(itertools.chain.from_iterable(candidate_groups))
    sequences = [candidate_sequence(trainer, candidate) for candidate in candidates]
    views = base_views(trainer.model, sequences, config.micro_batch_tokens)
    rows = iter(zip(candidates, sequences, views, strict=True))
    return [list(itertools.islice(rows, len(group))) for group in candidate_groups]


def round_figures(candidates: Sequence[Candidate], views: Sequence[BaseView]) -> RoundFigures:
    """Return the monitors of a round's candidates, which the base model sees as ``views``."""
    base_logps = torch.cat([view.logprob_T for view in views]).numpy()
    return RoundFigures(
        kl=float(np.mean(_joined(c.token_logprob for c in candidates) - base_logps)),
        mean_entropy=float(np.mean(_joined(c.token_entropy for c in candidates))),
    )


def round_sampling(config: RunConfig, round_: int) -> SamplingConfig:
    """Return the sampling settings of a round, with a seed of its own."""
    seed = derived_seed(config.seed, "sampling", round_)
    return config.sampling.model_copy(update={"seed": seed})


def draw_prompts(trainer: Trainer, round_: int) -> list[str]:
    """Draw a round's prompts, in an order that seed and round decide."""
    config, data = trainer.config, trainer.data
    judged = {pair.prompt for pair in data.judged}
    pool = [p for p in data.prompts if config.sega.use_pool or p.prompt in judged]
    count = min(config.sega.prompts_per_round, len(pool))
    order = f"{config.seed} prompts {round_}"
    return [item.prompt for item in next(shuffled_batches(pool, count, order))]


Member = tuple[Candidate, TokenSequence, BaseView]
"""An answer of a group, its token ids, and what the base model makes of it."""


def _scores(
    config: RunConfig,
    fusion: Fusion | None,
    members: Sequence[Member],
    lots: np.random.Generator,
) -> list[float]:
    if not config.scoring.use_filtering:  # the ablation: as many lots, and nothing of the answers
        return [float(lot) for lot in lots.random(len(members))]
    candidates, _, views = zip(*members, strict=True)
    return group_scores(config, fusion, candidates, views)


def _labelled(
    trainer: Trainer, prompt: str, fusion: Fusion | None
) -> tuple[list[Member], list[float]]:
    """Return the expert's answers to a prompt with their scores; none where there is no label."""
    pairs = [pair for pair in trainer.data.judged if pair.prompt == prompt]
    if not pairs:
        return [], []
    answers = judged_answers(pairs)
    candidates = judged_candidates(trainer, answers)
    sequences = [candidate_sequence(trainer, candidate) for candidate in candidates]
    views = base_views(trainer.model, sequences, trainer.config.micro_batch_tokens)
    if fusion is None:
        scores = group_scores(trainer.config, None, candidates, views)
    else:
        scores = [fusion.judged_skill[answer] for answer in answers]
    return list(zip(candidates, sequences, views, strict=True)), scores


def _group(members: Sequence[Member], scores: Sequence[float], trim: int) -> Group:
    """Put a group together without its ``trim`` lowest scores; at least one candidate stays."""
    best_first = sorted(range(len(scores)), key=lambda i: -scores[i])
    kept = sorted(best_first[: max(1, len(scores) - trim)])
    return Group(
        sequences_K=tuple(members[i][1] for i in kept),
        scores_K=torch.tensor([scores[i] for i in kept]),
        base_logps_K=tuple(members[i][2].logprob_T for i in kept),
        sampled_logps_K=tuple(float(sum(members[i][0].token_logprob)) for i in kept),
    )


def ranked_in_groups(
    candidates: Sequence[Candidate], scoring: ScoringConfig
) -> list[RankedCandidate]:
    """Return each candidate with its score and its place among those of its prompt.

    Args:
        candidates: of any number of prompts, in any order, which is kept.
        scoring: equation (1)'s weights.

    Raises:
        SpanError: a candidate holds no token.
    """
    groups: dict[str, list[Candidate]] = {}
    for candidate in candidates:
        groups.setdefault(candidate.prompt, []).append(candidate)
    ranked = {
        id(one.candidate): one
        for group in groups.values()
        for one in rank_candidates(group, scoring)
    }
    return [ranked[id(candidate)] for candidate in candidates]


def _joined(arrays: Iterable[Sequence[float]]) -> NDArray[np.float64]:
    return np.concatenate([np.asarray(array, dtype=np.float64) for array in arrays])
