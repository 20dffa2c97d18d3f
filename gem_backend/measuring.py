"""What a run measures and saves between its steps: the figures, the answers, the best so far."""

from collections.abc import Sequence
from dataclasses import asdict, replace

from torch.optim import Optimizer

from gem_backend.candidate_table import write_candidates
from gem_backend.checkpoint import Progress, check_space, prune, save_checkpoint
from gem_backend.evaluate import EvaluationDetails, evaluate
from gem_backend.groups import ranked_in_groups
from gem_backend.outcome import merit
from gem_backend.trainer import Trainer
from gem_backend.types import Candidate, Evaluation, PreferencePair, Stage


def choose_round(trainer: Trainer, progress: Progress) -> Progress:
    """Measure on the validation part and remember whether this is the best round so far."""
    validation, round_ = trainer.data.validation, progress.round
    if not validation:  # too few held-out pairs to choose with: the last round stands
        return replace(progress, best_round=round_)
    trainer.reporter.say("Measuring on the validation pairs")
    evaluation, _ = evaluate_part(trainer, "round" if round_ else "sft", round_, validation)
    if merit(evaluation) > progress.best_accuracy:
        return replace(progress, best_round=round_, best_accuracy=merit(evaluation), stale_rounds=0)
    return replace(progress, stale_rounds=progress.stale_rounds + 1)


def evaluate_test(
    trainer: Trainer, stage: Stage, round_: int
) -> tuple[Evaluation, EvaluationDetails]:
    """Measure the policy on the test part, announce the figures and keep its answers."""
    evaluation, details = evaluate_part(trainer, stage, round_, trainer.data.test)
    keep_candidates(trainer, details.answers, stage, 0)
    return evaluation, details


def evaluate_part(
    trainer: Trainer, name: str, round_: int, pairs: Sequence[PreferencePair]
) -> tuple[Evaluation, EvaluationDetails]:
    """Measure the policy as it stands and announce the figures."""
    trainer.stop_if_asked()
    evaluation, details = evaluate(trainer.policy, trainer.sampler, pairs, trainer.config)
    trainer.reporter.event(
        "evaluation",
        trainer.reporter.status.step,
        name=name,
        part="test" if pairs is trainer.data.test else "validation",
        round=round_,
        evaluation=asdict(evaluation),
    )
    return evaluation, details


def keep_candidates(
    trainer: Trainer, candidates: Sequence[Candidate], stage: Stage, round_: int
) -> None:
    """Write candidates with their scores into the run directory and announce the file."""
    if not trainer.is_first:
        return
    name = f"candidates-{stage}-{round_}.parquet" if round_ else f"candidates-{stage}.parquet"
    ranked = ranked_in_groups(candidates, trainer.config.scoring)
    write_candidates(trainer.run.path / name, candidates, stage, round_, ranked)
    trainer.reporter.event(
        "candidates",
        trainer.reporter.status.step,
        file=name,
        stage=stage,
        round=round_,
        count=len(candidates),
        uncommitted=sum(not candidate.spans.is_committed for candidate in candidates),
    )


def save_moment(trainer: Trainer, optimizer: Optimizer | None, progress: Progress) -> None:
    """Save, announce, and keep only the warm start, the best and the latest."""
    folder = trainer.run.checkpoints_dir
    if trainer.is_first:
        check_space(trainer.run.path, trainer.model, 1)
        worked = replace(progress, worked_s=trainer.worked_s)
        save_checkpoint(folder, trainer.model, optimizer, worked)
        prune(folder, keep=progress.names)
    trainer.wait_for_all()
    trainer.reporter.event(
        "checkpoint",
        progress.step,
        name=progress.name,
        round=progress.round,
        is_best=progress.best_round == progress.round,
    )
