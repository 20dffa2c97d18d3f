"""One round's material: prompts drawn, K candidates sampled from the policy, scored by equation
(1).
"""

import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from gem_backend.config import RunConfig, ScoringConfig
from gem_backend.entropy import score_tokens
from gem_backend.forward import TokenSequence
from gem_backend.order import derived_seed, shuffled_batches
from gem_backend.ranking import rank_candidates
from gem_backend.scoring import gem_score
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
    trainer: Trainer, round_: int
) -> tuple[list[Group], list[Candidate], RoundFigures]:
    """Sample and score a round's groups under the policy as it stands.

    Returns:
        The groups, their candidates in the same order, and the round's figures.
    """
    config = trainer.config
    order = f"{config.seed} prompts {round_}"
    pool = trainer.data.prompts
    chosen = next(shuffled_batches(pool, min(config.sega.prompts_per_round, len(pool)), order))
    prompts = [item.prompt for item in chosen]
    sampling = config.sampling.model_copy(
        update={"seed": derived_seed(config.seed, "sampling", round_)}
    )
    candidate_groups = trainer.sampler.sample(prompts, sampling)
    candidates = list(itertools.chain.from_iterable(candidate_groups))
    sequences = [candidate_sequence(trainer, candidate) for candidate in candidates]
    with trainer.model.disable_adapter():
        base = [
            statistics.logprob_T
            for statistics in score_tokens(
                trainer.model,
                sequences,
                max_tokens_per_batch=config.micro_batch_tokens,
                top_k=1,
            )
        ]
    rows = iter(zip(candidates, sequences, base, strict=True))
    groups = [
        _group(config, list(itertools.islice(rows, len(group)))) for group in candidate_groups
    ]
    figures = RoundFigures(
        kl=float(np.mean(_joined(c.token_logprob for c in candidates) - torch.cat(base).numpy())),
        mean_entropy=float(np.mean(_joined(c.token_entropy for c in candidates))),
    )
    return groups, candidates, figures


def _group(config: RunConfig, rows: Sequence[tuple[Candidate, TokenSequence, Tensor]]) -> Group:
    scores = [gem_score(c.token_entropy, c.spans, config.scoring).value for c, _, _ in rows]
    return Group(
        sequences_K=tuple(sequence for _, sequence, _ in rows),
        scores_K=torch.tensor(scores),
        base_logps_K=tuple(base for _, _, base in rows),
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
