"""One alignment run, top to bottom: measure, warm start, rounds of SEGA, measure again, verdict.

    before   the base model on the test part, its adapter switched off
    labels   what they say of the ranking's features, if it is to be calibrated
    sft      warm start on the chosen answers
    round r  sample with the current policy, score (equation 1), update (equation 2), evaluate
    after    the round that did best on the validation part, measured on the test part

What this is not: there is no reward model, no value model and no second copy of the policy; the
base model is the policy with its adapter switched off. Data order and sampling derive from the seed
and the position, so a resumed run repeats what an unbroken one would have done.
"""

import contextlib
import os
import time
from dataclasses import asdict, replace

import torch
from accelerate.utils import set_seed
from pydantic import TypeAdapter

from gem_backend.anchor import Anchor
from gem_backend.checkpoint import (
    MOST_CHECKPOINTS,
    WARM_START,
    Baseline,
    Progress,
    check_space,
    latest_checkpoint,
    load_adapter_weights,
    load_checkpoint,
    prune,
    read_progress,
)
from gem_backend.fusion import Fusion, fuse
from gem_backend.measuring import (
    choose_round,
    evaluate_part,
    evaluate_test,
    keep_candidates,
    save_moment,
)
from gem_backend.order import derived_seed
from gem_backend.outcome import judge, stop_message
from gem_backend.probe import probe, resident_bytes, tell_memory
from gem_backend.reporter import Reporter
from gem_backend.rounds import begin_round
from gem_backend.run_dir import RunDir
from gem_backend.sega import is_zero_gradient
from gem_backend.smaller_batches import in_parts
from gem_backend.steps import (
    make_optimizer,
    sft_pass,
    update,
    updating,
)
from gem_backend.stopping import StopRequestedError
from gem_backend.trainer import Trainer, set_up
from gem_backend.types import (
    Method,
    RunResult,
    RunState,
)

RIVALS: dict[Method, str] = {
    "sft": "Training further on the chosen answers",
    "dpo": "Training with DPO on the pairs",
    "ipo": "Training with IPO on the pairs",
    "rm_ppo": "Training a reward model on the pairs, then the policy on its rewards",
}
EARLY_STOP = "Round {round} was the last: the validation pairs had stopped improving."
HALVED = (
    "The device ran out of memory. The run went on from its last saved version, with batches cut "
    "into {parts} parts."
)
_BASELINE: TypeAdapter[Baseline] = TypeAdapter(Baseline)


def run_training(run: RunDir, reporter: Reporter, *, resume: bool) -> tuple[RunState, str]:
    """Carry a run to its end and return its last state with one sentence.

    Where the device runs out of memory, the run goes on from its last checkpoint with batches of
    half the size, which changes no figure beyond rounding.

    Args:
        run: a directory with a spec.
        reporter: takes events and says whether to stop.
        resume: go on from the latest checkpoint, if there is one; else begin anew.

    Raises:
        NoSpaceError: the disk has no room for the run's checkpoints.
        OutOfMemoryError: the model does not fit the device.
        TrainingError: the labels do not suffice, or the loss is no longer finite.
        ModelLoadError: the model cannot be loaded.
    """
    if not run.spec().config.halve_batches or os.environ.get("WORLD_SIZE", "1") != "1":
        return _carry(run, reporter, resume=resume, parts=1)
    return in_parts(
        lambda parts: _carry(run, reporter, resume=resume or parts > 1, parts=parts),
        lambda parts: reporter.event(
            "warning", reporter.status.step, message=HALVED.format(parts=parts)
        ),
    )


def _carry(run: RunDir, reporter: Reporter, *, resume: bool, parts: int) -> tuple[RunState, str]:
    started, before = time.monotonic(), resident_bytes()
    latest = latest_checkpoint(run.checkpoints_dir) if resume else None
    progress = read_progress(latest) if latest else Progress()
    try:
        with contextlib.closing(set_up(run, reporter, progress, started, parts=parts)) as trainer:
            probe(trainer, before)
            if trainer.is_first:
                check_space(run.path, trainer.model, MOST_CHECKPOINTS)
                prune(run.checkpoints_dir, keep=progress.names if latest else set())
            baseline = _measure_base(trainer)
            progress = align(trainer, progress)
            result = _finish(trainer, progress, baseline)
            tell_memory(trainer, before)
    except StopRequestedError:
        kept = latest_checkpoint(run.checkpoints_dir)
        message = stop_message(read_progress(kept) if kept else None)
        reporter.event("ended", reporter.status.step, state="stopped", message=message)
        return "stopped", message
    if trainer.is_first:
        run.write_result(result)
    summary = {"verdict": result.verdict, "message": result.message, "wall_s": result.wall_s}
    reporter.event("ended", progress.step, state="done", **summary)
    return "done", result.message


def _measure_base(trainer: Trainer) -> Baseline:
    """Measure the base model on the test part once; a resumed run reads what was measured."""
    saved = trainer.run.path / "baseline.json"
    if saved.exists():
        return _BASELINE.validate_json(saved.read_bytes())
    trainer.reporter.event("phase", 0, name="before", round=0)
    trainer.reporter.say("Measuring the model as it is")
    with trainer.model.disable_adapter():
        evaluation, details = evaluate_test(trainer, "before", 0)
        if trainer.data.validation:
            evaluate_part(trainer, "base", 0, trainer.data.validation)
    baseline = Baseline(evaluation, details.is_preferred, details.is_answer_right)
    trainer.write(saved, _BASELINE.dump_json(baseline))
    return baseline


def align(trainer: Trainer, progress: Progress) -> Progress:
    """Train: the warm start, then the rounds of SEGA, or a rival in their place."""
    is_calibrated = trainer.config.method == "gem" and trainer.config.ranking == "calibrated"
    fusion = _calibrate(trainer, progress) if is_calibrated else None
    progress = warm_start(trainer, progress)
    if trainer.config.method != "gem":
        return _rival(trainer, progress)
    return _sega_rounds(trainer, progress, fusion)


def _calibrate(trainer: Trainer, progress: Progress) -> Fusion:
    """Learn from the labels how much each feature counts, before anything is trained on them."""
    fusion = fuse(trainer)
    if not progress.step:
        trainer.reporter.event("calibration", 0, calibration=asdict(fusion.calibration), round=0)
    return fusion


def warm_start(trainer: Trainer, progress: Progress) -> Progress:
    """Train on the chosen answers, then measure: this is round 0, the one to beat."""
    config, reporter = trainer.config, trainer.reporter
    if progress.best_round >= 0:
        return progress
    optimizer = make_optimizer(trainer, config.sft.learning_rate)
    if progress.epoch > 0:
        load_checkpoint(trainer.run.checkpoints_dir / progress.name, trainer.model, optimizer)
    reporter.event("phase", progress.step, name="sft", round=0)
    passes = config.sft.num_passes(len(trainer.data.train))
    for epoch in range(progress.epoch + 1, passes + 1):
        reporter.say(f"Warm start: pass {epoch} of {passes} over the chosen answers")
        set_seed(derived_seed(config.seed, "sft", epoch))
        order = f"{config.seed} sft {epoch}"
        for figures in sft_pass(trainer, optimizer, trainer.data.train, order):
            progress = replace(progress, step=progress.step + 1)
            reporter.event("sft_step", progress.step, epoch=epoch, **figures)
        progress = replace(progress, epoch=epoch)
        if epoch < passes:
            save_moment(trainer, optimizer, progress)
    progress = choose_round(trainer, progress)
    save_moment(trainer, optimizer, progress)
    return progress


def _sega_rounds(trainer: Trainer, progress: Progress, fusion: Fusion | None) -> Progress:
    """The closed loop: sample, score, update, evaluate, until the rounds or the gains end."""
    config, reporter = trainer.config, trainer.reporter
    optimizer = make_optimizer(trainer, config.sega.learning_rate)
    load_adapter_weights(trainer.run.checkpoints_dir / WARM_START, trainer.model)
    anchor = Anchor(trainer)
    load_checkpoint(
        trainer.run.checkpoints_dir / progress.name,
        trainer.model,
        optimizer if progress.round else None,
    )
    for round_ in range(progress.round + 1, config.sega.rounds + 1):
        if progress.stale_rounds >= config.sega.patience:
            reporter.event("warning", progress.step, message=EARLY_STOP.format(round=round_ - 1))
            break
        reporter.event("phase", progress.step, name="round", round=round_)
        set_seed(derived_seed(config.seed, "sega", round_))
        reporter.say(f"Round {round_} of {config.sega.rounds}: sampling answers")
        work = begin_round(trainer, round_, fusion)
        keep_candidates(trainer, work.candidates, "round", round_)
        reporter.say(f"Round {round_} of {config.sega.rounds}: updating the adapter")
        anchors = anchor.batches(f"{config.seed} anchor {round_}")
        with updating(trainer.model):
            for backward in work.steps:
                trainer.stop_if_asked()
                anchor_loss, anchor_tokens = anchor.backward(next(anchors))
                step = backward()
                figures = update(trainer, optimizer)
                progress = replace(progress, step=progress.step + 1)
                reporter.event(
                    "sega_step",
                    progress.step,
                    round=round_,
                    loss=step.loss,
                    anchor_loss=anchor_loss,
                    mean_score=float(torch.cat(step.scores).mean()),
                    zero_gradient_groups=sum(map(is_zero_gradient, step.scores)),
                    tokens=step.tokens + anchor_tokens,
                    **asdict(work.figures),
                    **figures,
                )
        progress = choose_round(trainer, replace(progress, round=round_))
        save_moment(trainer, optimizer, progress)
    return progress


def _rival(trainer: Trainer, progress: Progress) -> Progress:
    """Train a rival from the warm start, with as many looks at the validation part as GEM has.

    TRL cannot take a training up again, so a rival that was interrupted starts again from the warm
    start.
    """
    from gem_backend.baselines import train_baseline  # noqa: PLC0415 - TRL is slow to import

    config, checks = trainer.config, max(1, trainer.config.sega.rounds)
    if progress.round == checks:
        return progress
    progress = load_checkpoint(trainer.run.checkpoints_dir / WARM_START, trainer.model, None)
    start = progress.step
    trainer.reporter.event("phase", start, name="round", round=1)
    trainer.reporter.say(RIVALS[config.method])

    def on_step(step: int, figures: dict[str, float]) -> None:
        nonlocal progress
        progress = replace(progress, step=start + step)
        trainer.reporter.event("baseline_step", start + step, **figures)

    def on_check(number: int) -> None:
        nonlocal progress
        progress = choose_round(trainer, replace(progress, round=number))
        save_moment(trainer, None, progress)

    tokens = train_baseline(
        trainer.policy,
        trainer.data.train,
        [item.prompt for item in trainer.data.prompts],
        config,
        seed=derived_seed(config.seed, config.method, 0),
        budget_tokens=config.baseline.budget_tokens,
        num_checks=checks,
        on_check=on_check,
        on_step=on_step,
        stop_if_asked=trainer.stop_if_asked,
    )
    trainer.reporter.event("baseline_step", progress.step, tokens=tokens)
    return progress


def _finish(trainer: Trainer, progress: Progress, baseline: Baseline) -> RunResult:
    """Take the best round, measure it on the test part, and say what came of the run."""
    trainer.reporter.event("phase", progress.step, name="after", round=progress.best_round)
    trainer.reporter.say("Measuring the aligned model")
    load_adapter_weights(trainer.run.checkpoints_dir / progress.best_name, trainer.model)
    after = evaluate_test(trainer, "after", progress.best_round)
    if trainer.is_first:
        trainer.model.save_pretrained(str(trainer.run.adapter_dir))
    result = judge(
        trainer.run.spec().run_id,
        baseline,
        after,
        trainer.run.adapter_dir,
        progress,
        trainer.config.method,
    )
    return replace(result, wall_s=trainer.worked_s)
