"""What the events of a run say, read into typed facts; pure functions, no words and no markup.

The keys of ``RunEvent.data`` are read here and nowhere else in ``app``. An event that lacks a key,
or holds a figure that is not a finite number, contributes nothing: a run in trouble must still be
shown.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from pydantic import TypeAdapter, ValidationError

from app.records import RunView
from gem_backend.runner import ACTIVE
from gem_backend.types import (
    Calibration,
    Estimate,
    Evaluation,
    EventKind,
    RunEvent,
    RunStatus,
    RunSummary,
)

ENTROPY_DROP = 0.95  # ours: below this share of the entropy before, the model counts as surer

_EVALUATION: TypeAdapter[Evaluation] = TypeAdapter(Evaluation)
_CALIBRATION: TypeAdapter[Calibration] = TypeAdapter(Calibration)


class Point(NamedTuple):
    """One figure of one step."""

    step: int
    value: float


@dataclass(frozen=True, slots=True)
class Check:
    """An evaluation on a part of the held-out pairs, with the moment it was made.

    ``is_rival`` says that its rounds are parts of another method's training.
    """

    name: str
    round: int
    step: int
    evaluation: Evaluation
    is_rival: bool = False

    @property
    def is_final(self) -> bool:
        """Whether it used the pairs of the final check; the others choose the best round."""
        return self.name in ("before", "after")


@dataclass(frozen=True, slots=True)
class Progress:
    """Where a run is: the last phase, and what has happened since it began."""

    phase: str
    round: int
    epoch: int | None = None
    sampled: int | None = None
    is_checked: bool = False


def number(event: RunEvent, key: str) -> float | None:
    """Return a finite figure of an event, else None."""
    value = event.data.get(key)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if math.isfinite(value) else None


def whole(event: RunEvent, key: str, default: int = 0) -> int:
    """Return a count of an event, ``default`` where there is none."""
    value = number(event, key)
    return default if value is None else int(value)


def text(event: RunEvent, key: str) -> str:
    """Return a text of an event, empty where there is none."""
    value = event.data.get(key)
    return value if isinstance(value, str) else ""


def series(events: Iterable[RunEvent], kind: EventKind, key: str) -> list[Point]:
    """Return one figure over the steps; steps that were repeated after a resume count once."""
    points: list[Point] = []
    for event in events:
        value = number(event, key) if event.kind == kind else None
        if value is None:
            continue
        while points and points[-1].step >= event.step:
            points.pop()
        points.append(Point(event.step, value))
    return points


def thinned(points: Sequence[Point], most: int = 400) -> list[Point]:
    """Return at most about ``most`` evenly spaced points, the last one among them."""
    stride = max(1, math.ceil(len(points) / most))
    return list(reversed(points[::-1][::stride]))


def checks(events: Iterable[RunEvent]) -> list[Check]:
    """Return the evaluations in order; one that was repeated after a resume counts once."""
    found: dict[tuple[str, int], Check] = {}
    rival = False
    for event in events:
        rival = rival or event.kind == "baseline_step"
        if event.kind != "evaluation":
            continue
        evaluation = _evaluation(event)
        if evaluation is not None:
            name, round_number = text(event, "name"), whole(event, "round")
            found.pop((name, round_number), None)
            found[name, round_number] = Check(name, round_number, event.step, evaluation, rival)
    return list(found.values())


def _evaluation(event: RunEvent) -> Evaluation | None:
    try:
        return _EVALUATION.validate_python(event.data.get("evaluation"))
    except ValidationError:
        return None


def calibration(events: Iterable[RunEvent]) -> Calibration | None:
    """Return what the labels said to the run, the last word of it; None where it did not ask."""
    found = [_calibration(event) for event in events if event.kind == "calibration"]
    return next((one for one in reversed(found) if one is not None), None)


def _calibration(event: RunEvent) -> Calibration | None:
    try:
        return _CALIBRATION.validate_python(event.data.get("calibration"))
    except ValidationError:
        return None


def progress(events: Sequence[RunEvent]) -> Progress | None:
    """Return where the run is, None before its first phase."""
    now: Progress | None = None
    for event in events:
        now = _advance(now, event)
    return now


def _advance(now: Progress | None, event: RunEvent) -> Progress | None:
    if event.kind == "phase":
        return Progress(text(event, "name"), whole(event, "round"))
    if now is None:
        return None
    if event.kind == "sft_step" and number(event, "epoch") is not None:
        return Progress(now.phase, now.round, epoch=whole(event, "epoch"))
    if event.kind == "candidates" and now.phase == "round":
        return Progress(now.phase, now.round, sampled=whole(event, "count"))
    if event.kind == "evaluation":
        return Progress(now.phase, now.round, sampled=now.sampled, is_checked=True)
    return now


def share_done(view: RunView) -> float:
    """Return how much of the run is done, from 0 to 1."""
    status = view.summary.status
    if status.state == "done":
        return 1.0
    return min(1.0, status.step / status.total_steps) if status.total_steps > 0 else 0.0


def last_seq(view: RunView) -> int:
    """Return the number of the newest event, 0 for none."""
    return view.events[-1].seq if view.events else 0


def warnings(events: Iterable[RunEvent]) -> list[str]:
    """Return the warnings in order, each once."""
    said = (text(event, "message") for event in events if event.kind == "warning")
    return list(dict.fromkeys(message for message in said if message))


def end_message(view: RunView) -> str:
    """Return the sentence with which a run ended: the status's, else the last event's."""
    if view.summary.status.message:
        return view.summary.status.message
    return next((text(e, "message") for e in reversed(view.events) if e.kind == "ended"), "")


def dropped_accuracy(before: Evaluation, after: Evaluation) -> str | None:
    """Return the name of an accuracy that fell while the model became surer, else None."""
    if after.mean_entropy >= ENTROPY_DROP * before.mean_entropy:
        return None
    answers = before.final_answer_accuracy, after.final_answer_accuracy
    if answers[0] is not None and answers[1] is not None and answers[1].value < answers[0].value:
        return "final_answer_accuracy"
    if after.preference_accuracy.value < before.preference_accuracy.value:
        return "preference_accuracy"
    return None


def accuracy(evaluation: Evaluation, name: str) -> Estimate | None:
    """Return one of the accuracies of an evaluation by its field name."""
    figure = getattr(evaluation, name)
    return figure if isinstance(figure, Estimate) else None


def newest_finished(runs: Sequence[RunSummary]) -> str | None:
    """Return the newest run with a result, else the newest run, None when there is none."""
    with_result = (run.run_id for run in runs if run.result is not None)
    return next(with_result, runs[0].run_id if runs else None)


def eta_s(status: RunStatus, events: Sequence[RunEvent], expected_s: float | None) -> float | None:
    """Seconds that a run has left, to the nearest five; None where nothing can be known yet.

    Going by earlier runs with its settings while it goes unbroken, else by the pace of its steps,
    which leaves out the measuring that follows the last one.
    """
    begun = next((e for e in reversed(events) if e.kind in ("started", "resumed")), None)
    if begun is None or status.state not in ACTIVE:
        return None
    elapsed_s = status.heartbeat - begun.time
    if expected_s is not None and begun.kind == "started":
        left_s = expected_s - elapsed_s
    elif status.step > begun.step:
        left_s = elapsed_s / (status.step - begun.step) * (status.total_steps - status.step)
    else:
        return None
    return max(5.0, 5.0 * round(left_s / 5))
