"""One round's work: what was sampled, and the backward passes of its steps.

Where the whole round is one step of equation (2) on equation (1), the policy that is updated is the
one that was sampled, and one pass scores and trains (``one_pass``). Else, and where several
processes carry the run, the groups are scored first, and each step has a pass of its own.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

from torch import Tensor

from gem_backend.config import RunConfig
from gem_backend.entropy import TokenStatistics
from gem_backend.fusion import Fusion
from gem_backend.groups import (
    RoundFigures,
    draw_prompts,
    round_figures,
    round_sampling,
    sample_groups,
)
from gem_backend.one_pass import one_pass_backward
from gem_backend.order import shuffled_batches
from gem_backend.representation import base_views
from gem_backend.scoring import gem_score
from gem_backend.steps import Group, candidate_sequence, round_backward
from gem_backend.trainer import Trainer
from gem_backend.types import Candidate


class Step(NamedTuple):
    """What a backward pass says: the loss, the scores of its groups, the tokens trained on."""

    loss: float
    scores: tuple[Tensor, ...]
    tokens: int


@dataclass(frozen=True, slots=True)
class Round:
    """Candidates with their monitors, and the backward pass of each step, in order."""

    candidates: list[Candidate]
    figures: RoundFigures
    steps: Sequence[Callable[[], Step]]


def begin_round(trainer: Trainer, number: int, fusion: Fusion | None) -> Round:
    """Sample and score a round under the policy as it stands.

    Args:
        trainer: policy, prompts and settings.
        number: from 1; decides which prompts are drawn, and all chance.
        fusion: what a calibrated run ranks with; None for the paper's ranking.
    """
    prompts = draw_prompts(trainer, number)
    is_alone = trainer.accelerator.num_processes == 1
    if is_alone and is_one_pass(trainer.config, len(prompts)):
        return _one_pass_round(trainer, number, prompts)
    groups, candidates, figures = sample_groups(trainer, number, prompts, fusion)
    order = f"{trainer.config.seed} sega {number}"
    batches = shuffled_batches(groups, trainer.config.sega.prompts_per_step, order)
    return Round(candidates, figures, [partial(_step, trainer, batch) for batch in batches])


def is_one_pass(config: RunConfig, num_prompts: int) -> bool:
    """Whether one pass can score and train a round: one step of the paper's own method."""
    sega = config.sega
    return (
        sega.prompts_per_step >= num_prompts
        and config.ranking == "paper"
        and config.scoring.use_filtering
        and (sega.update, sega.trim, sega.group_labels) == ("sega", 0, False)
        and (sega.kl_weight, sega.negative_weight, config.lora.dropout) == (0, 1, 0)
    )


def _step(trainer: Trainer, batch: Sequence[Group]) -> Step:
    loss, tokens = round_backward(trainer, batch)
    return Step(loss, tuple(group.scores_K for group in batch), tokens)


def _one_pass_round(trainer: Trainer, number: int, prompts: Sequence[str]) -> Round:
    """Score the round and add its gradient at once; its only step has nothing left to do."""
    config = trainer.config
    draws = trainer.sampler.draw(prompts, round_sampling(config, number))
    kept: dict[tuple[int, int], Candidate] = {}

    def score(group: int, place: int, statistics: TokenStatistics) -> float:
        candidate = kept[group, place] = draws.candidate(group, place, statistics)
        return gem_score(candidate.token_entropy, candidate.spans, config.scoring).value

    passes = one_pass_backward(
        trainer.model, draws.groups, score, config.sega, config.micro_batch_tokens
    )
    candidates = [kept[place] for place in sorted(kept)]
    sequences = [candidate_sequence(trainer, candidate) for candidate in candidates]
    views = base_views(trainer.model, sequences, config.micro_batch_tokens)
    step = Step(
        sum(one.loss for one in passes) / len(passes),
        tuple(one.scores_K for one in passes),
        sum(len(candidate.token_ids) for candidate in candidates),
    )
    return Round(candidates, round_figures(candidates, views), [lambda: step])
