"""One alignment run, top to bottom: measure, warm start, rounds of SEGA, measure again, verdict.

    before   the base model on the test part, its adapter switched off
    sft      warm start on the chosen answers
    round r  sample with the current policy, score (equation 1), update (equation 2), evaluate
    after    the round that did best on the validation part, measured on the test part

What this is not: there is no reward model, no value model and no second copy of the policy; the
base model is the policy with its adapter switched off. Data order and sampling derive from the seed
and the position, so a resumed run repeats what an unbroken one would have done.
"""

import time
from collections.abc import Sequence
from dataclasses import asdict, replace

import numpy as np
import torch
from accelerate import Accelerator
from accelerate.utils import set_seed
from peft import LoraConfig, get_peft_model
from pydantic import TypeAdapter
from torch.optim import Optimizer

from gem_backend.candidate_table import write_candidates
from gem_backend.checkpoint import (
    Baseline,
    Progress,
    latest_checkpoint,
    load_adapter_weights,
    load_checkpoint,
    prune,
    read_progress,
    save_checkpoint,
)
from gem_backend.config import RunConfig
from gem_backend.errors import TrainingError
from gem_backend.evaluate import EvaluationDetails, evaluate
from gem_backend.groups import sample_groups
from gem_backend.order import derived_seed, endless_batches, shuffled_batches
from gem_backend.outcome import judge
from gem_backend.policy import load_policy
from gem_backend.reporter import Reporter
from gem_backend.run_dir import RunDir, write_whole
from gem_backend.sampling import TransformersSampler
from gem_backend.sega import is_zero_gradient
from gem_backend.steps import Trainer, make_optimizer, sega_backward, sft_backward, update
from gem_backend.training_data import TrainingData, split_training_data
from gem_backend.types import (
    Candidate,
    Evaluation,
    PreferencePair,
    RunResult,
    RunState,
    Stage,
)

STOPPED = "Stopped and saved. Resume continues from the last checkpoint."
EARLY_STOP = "Round {round} was the last: the validation pairs had stopped improving."
_BASELINE: TypeAdapter[Baseline] = TypeAdapter(Baseline)


class _StopRequestedError(Exception):
    """Somebody asked the run to stop; the latest checkpoint stands."""


def run_training(run: RunDir, reporter: Reporter, *, resume: bool) -> tuple[RunState, str]:
    """Carry a run to its end and return its last state with one sentence.

    Args:
        run: a directory with a spec.
        reporter: takes events and says whether to stop.
        resume: go on from the latest checkpoint, if there is one.

    Raises:
        TrainingError: the labels do not suffice, or the loss is no longer finite.
        ModelLoadError: the model cannot be loaded.
    """
    started = time.monotonic()
    trainer, progress = _set_up(run, reporter, resume=resume)
    try:
        baseline = _measure_base(trainer)
        progress = _warm_start(trainer, progress)
        progress = _sega_rounds(trainer, progress)
        result = _finish(trainer, progress, baseline, started)
    except _StopRequestedError:
        reporter.event("ended", reporter.status.step, state="stopped", message=STOPPED)
        return "stopped", STOPPED
    run.write_result(result)
    summary = {"verdict": result.verdict, "message": result.message, "wall_s": result.wall_s}
    reporter.event("ended", progress.step, state="done", **summary)
    return "done", result.message


def _set_up(run: RunDir, reporter: Reporter, *, resume: bool) -> tuple[Trainer, Progress]:
    """Load the model, put a fresh or an earlier adapter on it, and say what the run is made of."""
    spec = run.spec()
    config, data = spec.config, split_training_data(spec.pairs, spec.pool)
    if data.obstacle:
        raise TrainingError(data.obstacle)
    reporter.say("Loading the model", total_steps=_total_steps(config, data))
    policy = load_policy(
        config.model,
        device=config.device,
        dtype=config.dtype,
        trust_remote_code=config.trust_remote_code,
    )
    set_seed(config.seed)  # the adapter's first weights
    lora = LoraConfig(
        r=config.lora.rank,
        lora_alpha=config.lora.alpha,
        lora_dropout=config.lora.dropout,
        target_modules="all-linear",
        task_type="CAUSAL_LM",
    )
    policy = replace(policy, model=get_peft_model(policy.model, lora))
    accelerator = Accelerator(cpu=policy.device.type == "cpu")
    sampler = TransformersSampler(policy, config.prompt)
    trainer = Trainer(run, reporter, config, data, accelerator, policy, sampler)
    latest = latest_checkpoint(run.checkpoints_dir) if resume else None
    if latest is None:
        reporter.event(
            "started",
            0,
            num_pairs=len(data.train),
            num_held_out=len(data.validation) + len(data.test),
            num_pool=len(data.prompts),
            device=str(policy.device),
            total_steps=_total_steps(config, data),
            versions=spec.versions,
        )
        return trainer, Progress()
    progress = read_progress(latest)
    reporter.event("resumed", progress.step, from_round=progress.round, from_epoch=progress.epoch)
    return trainer, progress


def _measure_base(trainer: Trainer) -> Baseline:
    """Measure the base model on the test part once; a resumed run reads what was measured."""
    saved = trainer.run.path / "baseline.json"
    if saved.exists():
        return _BASELINE.validate_json(saved.read_bytes())
    trainer.reporter.event("phase", 0, name="before", round=0)
    trainer.reporter.say("Measuring the model as it is")
    with trainer.model.disable_adapter():
        evaluation, details = _evaluate(trainer, trainer.data.test, "before")
        if trainer.data.validation:
            validation, _ = evaluate(
                trainer.policy, trainer.sampler, trainer.data.validation, trainer.config
            )
            _report(trainer, 0, "base", 0, validation)
    _report(trainer, 0, "before", 0, evaluation)
    baseline = Baseline(evaluation, details.is_preferred, details.is_answer_right)
    write_whole(saved, _BASELINE.dump_json(baseline))
    return baseline


def _warm_start(trainer: Trainer, progress: Progress) -> Progress:
    """Train on the chosen answers, then measure: this is round 0, the one to beat."""
    config, reporter = trainer.config, trainer.reporter
    if progress.epoch >= config.sft.epochs and progress.best_round >= 0:
        return progress
    optimizer = make_optimizer(trainer, config.sft.learning_rate)
    if progress.epoch > 0:
        load_checkpoint(trainer.run.checkpoints_dir / _name(progress), trainer.model, optimizer)
    reporter.event("phase", progress.step, name="sft", round=0)
    for epoch in range(progress.epoch + 1, config.sft.epochs + 1):
        reporter.say(f"Warm start: pass {epoch} of {config.sft.epochs} over the chosen answers")
        set_seed(derived_seed(config.seed, "sft", epoch))
        order = f"{config.seed} sft {epoch}"
        for batch in shuffled_batches(trainer.data.train, config.sft.batch_size, order):
            _stop_if_asked(trainer)
            loss = sft_backward(trainer, batch, weight=1.0)
            figures = update(trainer, optimizer)
            progress = replace(progress, step=progress.step + 1)
            reporter.event("sft_step", progress.step, epoch=epoch, loss=loss, **figures)
        progress = replace(progress, epoch=epoch)
        if epoch < config.sft.epochs:
            _checkpoint(trainer, optimizer, progress)
    progress = _evaluate_round(trainer, replace(progress, epoch=config.sft.epochs), 0)
    _checkpoint(trainer, optimizer, progress)
    return progress


def _sega_rounds(trainer: Trainer, progress: Progress) -> Progress:
    """The closed loop: sample, score, update, evaluate, until the rounds or the gains end."""
    config, reporter = trainer.config, trainer.reporter
    optimizer = make_optimizer(trainer, config.sega.learning_rate)
    has_rounds = progress.round > 0
    load_checkpoint(
        trainer.run.checkpoints_dir / _name(progress),
        trainer.model,
        optimizer if has_rounds else None,
    )
    for round_ in range(progress.round + 1, config.sega.rounds + 1):
        if progress.stale_rounds >= config.sega.patience:
            reporter.event("warning", progress.step, message=EARLY_STOP.format(round=round_ - 1))
            break
        reporter.event("phase", progress.step, name="round", round=round_)
        set_seed(derived_seed(config.seed, "sega", round_))
        reporter.say(f"Round {round_} of {config.sega.rounds}: sampling answers")
        groups, candidates, round_figures = sample_groups(trainer, round_)
        _keep(trainer, candidates, "round", round_, progress.step)
        reporter.say(f"Round {round_} of {config.sega.rounds}: updating the adapter")
        anchors = endless_batches(
            trainer.data.train, config.sft.batch_size, f"{config.seed} anchor {round_}"
        )
        order = f"{config.seed} sega {round_}"
        for batch in shuffled_batches(groups, config.sega.prompts_per_step, order):
            _stop_if_asked(trainer)
            anchor_loss = sft_backward(trainer, next(anchors), config.sega.anchor_weight)
            loss = sega_backward(trainer, batch)
            figures = update(trainer, optimizer)
            progress = replace(progress, step=progress.step + 1)
            reporter.event(
                "sega_step",
                progress.step,
                round=round_,
                loss=loss,
                anchor_loss=anchor_loss,
                mean_score=float(torch.cat([group.scores_K for group in batch]).mean()),
                zero_gradient_groups=sum(is_zero_gradient(group.scores_K) for group in batch),
                tokens=sum(len(s.completion_ids) for g in batch for s in g.sequences_K),
                **asdict(round_figures),
                **figures,
            )
        progress = _evaluate_round(trainer, replace(progress, round=round_), round_)
        _checkpoint(trainer, optimizer, progress)
    return progress


def _finish(trainer: Trainer, progress: Progress, baseline: Baseline, started: float) -> RunResult:
    """Take the best round, measure it on the test part, and say what came of the run."""
    trainer.reporter.event("phase", progress.step, name="after", round=progress.best_round)
    trainer.reporter.say("Measuring the aligned model")
    best = replace(progress, round=progress.best_round)
    load_adapter_weights(trainer.run.checkpoints_dir / _name(best), trainer.model)
    evaluation, details = _evaluate(trainer, trainer.data.test, "after")
    _report(trainer, progress.step, "after", progress.best_round, evaluation)
    trainer.model.save_pretrained(str(trainer.run.adapter_dir))
    result = judge(
        trainer.run.spec().run_id,
        baseline,
        (evaluation, details),
        trainer.run.adapter_dir,
        progress.best_round,
        progress.round,
    )
    return replace(result, wall_s=time.monotonic() - started)


# --- measuring and saving -------------------------------------------------------------------------


def _evaluate_round(trainer: Trainer, progress: Progress, round_: int) -> Progress:
    """Measure on the validation part and remember whether this is the best round so far."""
    validation = trainer.data.validation
    if not validation:  # too few held-out pairs to choose with: the last round stands
        return replace(progress, best_round=round_)
    trainer.reporter.say("Measuring on the validation pairs")
    evaluation, _ = evaluate(trainer.policy, trainer.sampler, validation, trainer.config)
    _report(trainer, progress.step, "round" if round_ else "sft", round_, evaluation)
    merit = _merit(evaluation)
    if merit > progress.best_accuracy:
        return replace(progress, best_round=round_, best_accuracy=merit, stale_rounds=0)
    return replace(progress, stale_rounds=progress.stale_rounds + 1)


def _merit(evaluation: Evaluation) -> float:
    """What chooses the best round: agreement with the expert, and right answers where known."""
    figures = [evaluation.preference_accuracy.value]
    if evaluation.final_answer_accuracy is not None:
        figures.append(evaluation.final_answer_accuracy.value)
    return float(np.mean(figures))


def _evaluate(
    trainer: Trainer, pairs: Sequence[PreferencePair], stage: Stage
) -> tuple[Evaluation, EvaluationDetails]:
    evaluation, details = evaluate(trainer.policy, trainer.sampler, pairs, trainer.config)
    _keep(trainer, details.answers, stage, 0, trainer.reporter.status.step)
    return evaluation, details


def _keep(
    trainer: Trainer, candidates: Sequence[Candidate], stage: Stage, round_: int, step: int
) -> None:
    """Write candidates into the run directory and announce the file."""
    name = f"candidates-{stage}-{round_}.parquet" if round_ else f"candidates-{stage}.parquet"
    write_candidates(trainer.run.path / name, candidates, stage, round_)
    trainer.reporter.event(
        "candidates",
        step,
        file=name,
        stage=stage,
        round=round_,
        count=len(candidates),
        uncommitted=sum(not candidate.spans.is_committed for candidate in candidates),
    )


def _report(trainer: Trainer, step: int, name: str, round_: int, evaluation: Evaluation) -> None:
    part = "test" if name in ("before", "after") else "validation"
    trainer.reporter.event(
        "evaluation", step, name=name, part=part, round=round_, evaluation=asdict(evaluation)
    )


def _checkpoint(trainer: Trainer, optimizer: Optimizer, progress: Progress) -> None:
    """Save, announce, and keep only the best and the latest."""
    folder = trainer.run.checkpoints_dir / _name(progress)
    save_checkpoint(folder, trainer.model, optimizer, progress)
    is_best = progress.best_round == progress.round and progress.best_round >= 0
    trainer.reporter.event(
        "checkpoint", progress.step, name=folder.name, round=progress.round, is_best=is_best
    )
    best = _name(replace(progress, round=progress.best_round))
    prune(trainer.run.checkpoints_dir, keep={folder.name, best})


# --- small things -----------------------------------------------------------------------------


def _name(progress: Progress) -> str:
    """Name a checkpoint by what is finished: a pass of the warm start, or a round."""
    is_warm_start = progress.best_round < 0
    return f"epoch-{progress.epoch}" if is_warm_start else f"round-{progress.round}"


def _stop_if_asked(trainer: Trainer) -> None:
    if trainer.reporter.is_stop_requested():
        raise _StopRequestedError


def _total_steps(config: RunConfig, data: TrainingData) -> int:
    sft = -(-len(data.train) // config.sft.batch_size) * config.sft.epochs
    prompts = min(config.sega.prompts_per_round, len(data.prompts))
    return sft + -(-prompts // config.sega.prompts_per_step) * config.sega.rounds
