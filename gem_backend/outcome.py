"""What a run did: the round it keeps, the verdict with its interval, what a reader should know."""

from pathlib import Path

import numpy as np

from gem_backend.checkpoint import Baseline, Progress
from gem_backend.evaluate import EvaluationDetails, verdict
from gem_backend.statistics import paired_change
from gem_backend.types import Evaluation, Method, RunResult, RunVerdict

_MESSAGES: dict[RunVerdict, str] = {
    "better": "Better: the model agrees with the held-out judgements more often than before.",
    "no_change": "No change that the held-out judgements can show.",
    "worse": "Worse: the model lost ground on held-out cases, so its adapter is not offered.",
}


def merit(evaluation: Evaluation) -> float:
    """Return what chooses the best round, from 0 to 1: the higher, the better.

    The mean of preference accuracy and, where gold answers are known, final-answer accuracy.
    """
    figures = [evaluation.preference_accuracy.value]
    if evaluation.final_answer_accuracy is not None:
        figures.append(evaluation.final_answer_accuracy.value)
    return float(np.mean(figures))


def stop_message(kept: Progress | None) -> str:
    """Say what a run that was stopped keeps.

    Args:
        kept: where its latest checkpoint stands, None if it has none.
    """
    if kept is None:
        return "Stopped before there was anything to keep. Resume starts from the beginning."
    if kept.best_round < 0:
        moment = f"after pass {kept.epoch} of the warm start"
    elif kept.round == 0:
        moment = "after the warm start"
    else:
        moment = f"after round {kept.round}"
    return f"Stopped. The model as it was {moment} is saved, and Resume goes on from there."


def judge(
    run_id: str,
    baseline: Baseline,
    after: tuple[Evaluation, EvaluationDetails],
    adapter_dir: Path,
    progress: Progress,
    method: Method = "gem",
) -> RunResult:
    """Compare after with before, case by case; a run that did harm does not offer its adapter."""
    evaluation, details = after
    change = paired_change(baseline.is_preferred, details.is_preferred)
    answer_change = None
    if baseline.is_answer_right:
        answer_change = paired_change(baseline.is_answer_right, details.is_answer_right)
    judged = verdict(change, answer_change)
    return RunResult(
        run_id=run_id,
        verdict=judged,
        before=baseline.evaluation,
        after=evaluation,
        preference_change=change,
        adapter_dir=None if judged == "worse" else str(adapter_dir),
        best_round=progress.best_round,
        wall_s=0.0,
        message=_MESSAGES[judged],
        warnings=(*_warnings(baseline.evaluation, evaluation), *_kept_round(progress, method)),
    )


def _warnings(before: Evaluation, after: Evaluation) -> tuple[str, ...]:
    """What a reader of the verdict should also know, in whole sentences."""
    found = []
    is_surer = after.mean_entropy < before.mean_entropy
    answers = (before.final_answer_accuracy, after.final_answer_accuracy)
    if is_surer and answers[0] and answers[1] and answers[1].value < answers[0].value:
        found.append("The model became more confident while fewer of its final answers are right.")
    if after.mean_length > 1.5 * before.mean_length:
        found.append("The answers became more than half as long again.")
    if after.uncommitted > before.uncommitted:
        found.append(f"{after.uncommitted} answers now end without a committed result.")
    return tuple(found)


def _kept_round(progress: Progress, method: Method) -> tuple[str, ...]:
    if progress.best_round or not progress.round:
        return ()
    what = "Sampling and ranking" if method == "gem" else "Training further by this method"
    return (
        f"{what} did not improve on the warm start with your chosen answers, so the adapter is "
        "the warm start's.",
    )
