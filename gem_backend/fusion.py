"""The labels, made ready for a run's ranking: features of judged answers that the policy has not
been trained on.

A policy finds the answers it was trained on natural, whoever prefers them, so their features say
nothing of new ones. Hence cross-fitting: the labels are cut into parts by prompt, and each part is
looked at by a policy that was warmed up on the others only. [ours]
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from accelerate.utils import set_seed
from numpy.typing import NDArray
from peft import get_peft_model_state_dict, set_peft_model_state_dict
from pydantic import TypeAdapter

from gem_backend.calibration import fit, skills
from gem_backend.candidate_writer import CandidateWriter
from gem_backend.config import RunConfig
from gem_backend.entropy import score_tokens
from gem_backend.expert_orders import expert_orders
from gem_backend.features import candidate_features, group_features
from gem_backend.forward import TokenSequence
from gem_backend.generation import Sampled
from gem_backend.likeness import fit_direction
from gem_backend.order import derived_seed
from gem_backend.representation import BaseView, base_views
from gem_backend.scoring import gem_score
from gem_backend.steps import answer_sequence, make_optimizer, sft_pass
from gem_backend.trainer import Trainer
from gem_backend.types import (
    Calibration,
    Candidate,
    ExpertOrder,
    Feature,
    PreferencePair,
    Provenance,
)

Items = tuple[dict[Feature, float], ...]
Judged = tuple[str, str]
"""A prompt and an answer to it that somebody judged."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """The labels in features: ``items`` are the judged answers, in the order of ``judged_answers``.

    ``direction`` is the likeness direction fitted on all labels, empty where it is not used.
    """

    items: Items
    orders: tuple[ExpertOrder, ...]
    groups: tuple[int, ...]
    direction: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True)
class Fusion:
    """What a calibrated run ranks with; ``judged_skill`` of a judged answer has its residual."""

    calibration: Calibration
    direction: tuple[float, ...]
    judged_skill: dict[Judged, float]


_EVIDENCE: TypeAdapter[Evidence] = TypeAdapter(Evidence)


def fuse(trainer: Trainer) -> Fusion:
    """Return the ranking of a calibrated run; the evidence is gathered once and kept on disk.

    Call it while the adapter is fresh: its weights are used and put back.
    """
    saved = trainer.run.path / "evidence.json"
    if not saved.exists():
        trainer.write(saved, _EVIDENCE.dump_json(gather_evidence(trainer)))
    evidence = _EVIDENCE.validate_json(saved.read_bytes())
    config = trainer.config
    fitted = fit(
        evidence.items, evidence.orders, config.calibration, config.scoring, evidence.groups
    )
    judged = judged_answers(trainer.data.judged)
    skill = {key: one.mean for key, one in zip(judged, fitted.item_skills, strict=True)}
    return Fusion(fitted.calibration, evidence.direction, skill)


def gather_evidence(trainer: Trainer) -> Evidence:
    """Look at every judged answer through a policy that was not trained on its prompt."""
    pairs, config = trainer.data.judged, trainer.config.calibration
    judged = judged_answers(pairs)
    place = {answer: number for number, answer in enumerate(judged)}
    prompts = {prompt: number for number, prompt in enumerate(dict.fromkeys(p for p, _ in judged))}
    group_I = np.array([prompts[prompt] for prompt, _ in judged])
    found = expert_orders(pairs, place)
    orders = [order for order, _ in found]
    groups = tuple(prompts[prompt] for _, prompt in found)
    views = base_views(
        trainer.model, _sequences(trainer, judged), trainer.config.micro_batch_tokens
    )
    representation_ID = np.array([view.representation_D for view in views])
    is_likeness_used = "expert_likeness" in config.features
    items: dict[int, dict[Feature, float]] = {}
    for fold in _warmed_up_folds(trainer, prompts):
        part = np.flatnonzero(group_I % config.folds == fold)
        likeness_I = np.zeros(len(views))
        if is_likeness_used:
            others = [
                order
                for order, group in zip(orders, groups, strict=True)
                if group % config.folds != fold
            ]
            direction_D = fit_direction(others, representation_ID, config.likeness_scale)
            likeness_I = representation_ID @ direction_D
            likeness_I -= likeness_I[part].mean()  # each part's direction has its own zero
        items |= _items(trainer, judged, part.tolist(), views, likeness_I)
    direction_D = fit_direction(orders, representation_ID, config.likeness_scale)
    return Evidence(
        tuple(items[number] for number in range(len(judged))),
        tuple(orders),
        groups,
        tuple(direction_D.tolist()) if is_likeness_used else (),
    )


def judged_answers(pairs: Sequence[PreferencePair]) -> tuple[Judged, ...]:
    """Return every answer of the pairs once, however many raters and labels speak of it."""
    answers = ((pair.prompt, answer) for pair in pairs for answer in _answers_of(pair))
    return tuple(dict.fromkeys(answers))


def group_scores(
    config: RunConfig,
    fusion: Fusion | None,
    candidates: Sequence[Candidate],
    views: Sequence[BaseView],
) -> list[float]:
    """Score a prompt's candidates: equation (1), or the posterior mean of their skills.

    Args:
        config: the run's settings.
        fusion: None for the paper's ranking.
        candidates: of one prompt.
        views: the candidates as the base model sees them.
    """
    if fusion is None:
        return [gem_score(c.token_entropy, c.spans, config.scoring).value for c in candidates]
    items = group_features(
        candidates,
        [view.logprob_T.tolist() for view in views],
        config.scoring,
        _likeness(fusion.direction, [view.representation_D for view in views]),
    )
    return [skill.mean for skill in skills(fusion.calibration, items, config.scoring)]


def _likeness(
    direction: Sequence[float], representations: Sequence[NDArray[np.float64]]
) -> list[float] | None:
    if not direction:
        return None
    found: list[float] = (np.array(representations) @ np.array(direction)).tolist()
    return found


def _warmed_up_folds(trainer: Trainer, prompts: Mapping[str, int]) -> Iterator[int]:
    """Yield each part's number, with the policy warmed up on the pairs outside that part.

    A prompt's part is the rest of its number by ``folds``.
    """
    config, data = trainer.config, trainer.data
    fresh = {k: v.clone() for k, v in get_peft_model_state_dict(trainer.model).items()}
    folds = config.calibration.folds
    for fold in sorted({number % folds for number in prompts.values()}):
        inside = {prompt for prompt, number in prompts.items() if number % folds == fold}
        outside = [pair for pair in data.train if pair.prompt not in inside]
        trainer.reporter.say(f"Calibrating the ranking: part {fold + 1} of {folds}")
        optimizer = make_optimizer(trainer, config.sft.learning_rate)
        for epoch in range(1, config.sft.num_passes(len(outside)) + 1):
            set_seed(derived_seed(config.seed, f"part {fold}", epoch))
            for _ in sft_pass(trainer, optimizer, outside, f"{config.seed} part {fold} {epoch}"):
                pass
        yield fold
        set_peft_model_state_dict(trainer.model, fresh)


def _items(
    trainer: Trainer,
    judged: Sequence[Judged],
    part: Sequence[int],
    views: Sequence[BaseView],
    likeness_I: NDArray[np.float64],
) -> dict[int, dict[Feature, float]]:
    """Return the features of a part's answers under the policy as it stands."""
    answers = [judged[number] for number in part]
    others = _other_answers(trainer, answers)
    return {
        number: candidate_features(
            candidate,
            others.get(candidate.prompt, ()),
            views[number].logprob_T.tolist(),
            trainer.config.scoring,
            float(likeness_I[number]),
        )
        for number, candidate in zip(part, judged_candidates(trainer, answers), strict=True)
    }


def _other_answers(trainer: Trainer, answers: Sequence[Judged]) -> dict[str, list[str]]:
    """Sample answers to compare with, only where agreement is looked at."""
    if "answer_agreement" not in trainer.config.calibration.features:
        return {}
    prompts = list(dict.fromkeys(prompt for prompt, _ in answers))
    groups = trainer.sampler.sample(prompts, trainer.config.sampling)
    return {
        prompt: [candidate.answer for candidate in group]
        for prompt, group in zip(prompts, groups, strict=True)
    }


def judged_candidates(trainer: Trainer, answers: Sequence[Judged]) -> list[Candidate]:
    """Return written answers as candidates, scored by the policy as it stands."""
    policy = trainer.policy
    sequences = _sequences(trainer, answers)
    scored = score_tokens(
        trainer.model,
        sequences,
        max_tokens_per_batch=trainer.config.micro_batch_tokens,
        top_k=1,
    )
    given = Provenance(policy.name, policy.adapter, 0, 0.0, 1.0, engine="given")
    writer = CandidateWriter(policy.tokenizer, trainer.config.prompt.answer_marker, given)
    return [
        writer.candidate(prompt, 0, Sampled(sequence.completion_ids, True), statistics)
        for (prompt, _), sequence, statistics in zip(answers, sequences, scored, strict=True)
    ]


def _sequences(trainer: Trainer, answers: Sequence[Judged]) -> list[TokenSequence]:
    return [answer_sequence(trainer, prompt, answer) for prompt, answer in answers]


def _answers_of(pair: PreferencePair) -> tuple[str, str]:
    return pair.chosen, pair.rejected
