"""What a run did: the verdict with its interval, and what a reader should also know."""

from pathlib import Path

from gem_backend.checkpoint import Baseline
from gem_backend.evaluate import EvaluationDetails, verdict
from gem_backend.statistics import paired_change
from gem_backend.types import Evaluation, RunResult, RunVerdict

_MESSAGES: dict[RunVerdict, str] = {
    "better": "Better: the model agrees with the held-out judgements more often than before.",
    "no_change": "No change that the held-out judgements can show.",
    "worse": "Worse: the model lost ground on held-out cases, so its adapter is not offered.",
}


def judge(
    run_id: str,
    baseline: Baseline,
    after: tuple[Evaluation, EvaluationDetails],
    adapter_dir: Path,
    best_round: int,
    rounds: int,
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
        best_round=best_round,
        wall_s=0.0,
        message=_MESSAGES[judged],
        warnings=(*_warnings(baseline.evaluation, evaluation), *_kept_round(best_round, rounds)),
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


def _kept_round(best_round: int, rounds: int) -> tuple[str, ...]:
    if best_round or not rounds:
        return ()
    return (
        "Sampling and ranking did not improve on the warm start with your chosen answers, so the "
        "adapter is the warm start's.",
    )
