"""A studio with scripted runs: the events of a run as a worker writes them, cut off anywhere."""

import json
import math
import random
from collections import Counter
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

from app.records import AlignPlan, LeftOut, LinedUpRun, RunView
from gem_backend.config import RunConfig, SegaConfig
from gem_backend.errors import ConfigError, DataError
from gem_backend.memory import MemoryEstimate
from gem_backend.types import (
    BeforeAfter,
    Calibration,
    Estimate,
    Evaluation,
    EventKind,
    FeatureWeight,
    ImportReport,
    LabelProgress,
    Preset,
    Prompt,
    RunEvent,
    RunResult,
    RunStatus,
    RunSummary,
    SkippedRow,
    Split,
)
from storage.runs import RunTraits
from tests.app.fakes import GOOD, POOR, QUESTION, FakeStudio, make_candidate

N_HELD_OUT = 24
HOSTILE = "<img src=x onerror=alert(1)>${alert(2)}{{value}}</script>"


def wilson(value: float, n: int) -> Estimate:
    """Return a share with its Wilson interval."""
    z = 1.96
    middle = (value + z * z / (2 * n)) / (1 + z * z / n)
    half = z * math.sqrt(value * (1 - value) / n + z * z / (4 * n * n)) / (1 + z * z / n)
    return Estimate(value, max(0.0, middle - half), min(1.0, middle + half), n)


def evaluation(
    preference: float, answers: float | None, entropy: float, kl: float, n: int = N_HELD_OUT
) -> Evaluation:
    return Evaluation(
        preference_accuracy=wilson(preference, n),
        preference_accuracy_per_token=wilson(max(0.0, preference - 1 / 24), n),
        final_answer_accuracy=None if answers is None else wilson(answers, n),
        uncommitted=1,
        mean_entropy=entropy,
        mean_length=61.4,
        kl=kl,
    )


BEFORE = evaluation(5 / 24, 11 / 24, 0.412, 0.0)
AFTER = evaluation(19 / 24, 18 / 24, 0.305, 0.118)
WORSE = evaluation(3 / 24, 4 / 24, 0.101, 0.940)


def as_json(one: Evaluation) -> dict[str, object]:
    """Return an evaluation as ``events.jsonl`` holds it: estimates are arrays."""
    fields = {name: getattr(one, name) for name in one.__dataclass_fields__}
    return {k: list(v) if isinstance(v, Estimate) else v for k, v in fields.items()}


class Script:
    """Collects events with running numbers."""

    def __init__(self) -> None:
        self.events: list[RunEvent] = []
        self.step = 0

    def say(self, kind: EventKind, **data: object) -> None:
        self.events.append(
            RunEvent(len(self.events) + 1, 1e9 + len(self.events), kind, self.step, data)
        )

    def check(self, name: str, one: Evaluation, number: int = 0) -> None:
        self.say("evaluation", name=name, round=number, evaluation=as_json(one))


def whole_run(after: Evaluation = AFTER, verdict: str = "better") -> tuple[RunEvent, ...]:
    """Return the events of a run of twelve warm-start steps and three rounds of eight."""
    rng, script = random.Random(3), Script()
    script.say(
        "started",
        num_pairs=32,
        num_held_out=24,
        num_pool=40,
        device="the processor",
        total_steps=36,
    )
    script.say("memory", peak=410e6, available=16e9, low=300e6, high=900e6, tokens=2048)
    script.say("phase", name="before", round=0)
    script.check("base", evaluation(4 / 16, 7 / 16, 0.41, 0.0, 16))
    script.check("before", BEFORE)
    script.say("phase", name="sft", round=0)
    for step in range(12):
        script.step += 1
        loss = 0.6 + 1.6 * math.exp(-step / 4) + 0.05 * rng.random()
        script.say("sft_step", epoch=1 + step // 4, loss=loss, grad_norm=1.0, lr=1e-4)
        if step % 4 == 3:
            script.say("checkpoint", name=f"epoch-{1 + step // 4}", round=0, is_best=False)
    script.check("sft", evaluation(10 / 16, 9 / 16, 0.39, 0.05, 16))
    for number in (1, 2, 3):
        _round(script, rng, number)
        share = (after.preference_accuracy.value * number + 10 / 16 * (3 - number)) / 3
        script.check("round", evaluation(round(share * 16) / 16, 0.7, 0.34, 0.08, 16), number)
        script.say("checkpoint", name=f"round-{number}", round=number, is_best=number != 3)
    script.say("warning", message="4 answers in round 2 had no final answer.")
    script.say("phase", name="after", round=0)
    script.check("after", after)
    script.say("ended", state="done", verdict=verdict, message="", wall_s=47.6)
    return tuple(script.events)


def rival_run(after: Evaluation = AFTER, verdict: str = "better") -> tuple[RunEvent, ...]:
    """Return the events of another method: four warm-start steps, then two parts of five steps."""
    script = Script()
    script.say("started", num_pairs=32, num_held_out=24, num_pool=40, device="the processor")
    script.say("phase", name="before", round=0)
    script.check("before", BEFORE)
    script.say("phase", name="sft", round=0)
    for step in range(4):
        script.step += 1
        script.say("sft_step", epoch=1, loss=2.0 - step / 4, grad_norm=1.0, lr=1e-4)
    script.check("sft", evaluation(10 / 16, 9 / 16, 0.39, 0.05, 16))
    script.say("checkpoint", name="warm-start", round=0, is_best=True)
    script.say("phase", name="round", round=1)
    for part in (1, 2):
        for step in range(5):
            script.step += 1
            script.say("baseline_step", loss=0.7 - 0.1 * part - step / 100, entropy=0.3)
        script.check("round", evaluation(12 / 16, 0.7, 0.34, 0.08, 16), part)
        script.say("checkpoint", name=f"round-{part}", round=part, is_best=part == 1)
    script.say("baseline_step", tokens=25_000)
    script.say("phase", name="after", round=1)
    script.check("after", after)
    script.say("ended", state="done", verdict=verdict, message="", wall_s=31.0)
    return tuple(script.events)


CALIBRATION = Calibration(
    weights=(FeatureWeight("mean_logprob", 0.0, Estimate(0.84, 0.31, 1.37, 32), -1.2, 0.4),),
    covariance=((0.07,),),
    residual_scale=0.5,
    tie_weight=0.0,
    num_comparisons=32,
    num_raters=1,
    agreement_before=Estimate(0.53125, 0.364, 0.691, 32),
    agreement_after=Estimate(0.75, 0.579, 0.867, 32),
)


def calibrated(view: RunView) -> RunView:
    """Return the run as one that learned its ranking's weights after its first check."""
    data: dict[str, object] = {"calibration": json.loads(json.dumps(asdict(CALIBRATION)))}
    place = next(n for n, event in enumerate(view.events) if event.kind == "evaluation") + 1
    said = RunEvent(0, 1e9, "calibration", 0, {**data, "round": 0})
    events = (*view.events[:place], said, *view.events[place:])
    numbered = tuple(replace(event, seq=number) for number, event in enumerate(events, start=1))
    config = view.config.model_copy(update={"ranking": "calibrated"})
    return replace(view, events=numbered, config=config)


def _round(script: Script, rng: random.Random, number: int) -> None:
    script.say("phase", name="round", round=number)
    script.say("candidates", file="", stage="round", round=number, count=40, uncommitted=number - 1)
    for _ in range(8):
        script.step += 1
        done = script.step / 36
        script.say(
            "sega_step",
            round=number,
            loss=0.55 - 0.3 * done + 0.08 * rng.random(),
            anchor_loss=0.5,
            mean_score=0.2 + 0.5 * done + 0.1 * rng.random(),
            mean_entropy=0.42 - 0.12 * done + 0.02 * rng.random(),
            kl=0.12 * done + 0.01 * rng.random(),
            grad_norm=0.7,
            zero_gradient_groups=0,
            tokens=2400,
        )


def until(kind: EventKind, number: int, events: tuple[RunEvent, ...]) -> tuple[RunEvent, ...]:
    """Return the events up to and including the ``number``-th of a kind."""
    places = [place for place, event in enumerate(events) if event.kind == kind]
    return events[: places[number - 1] + 1]


def summary(run_id: str, status: RunStatus, result: RunResult | None = None) -> RunSummary:
    return RunSummary(
        run_id, "demo", status, "2026-11-20T10:42:07Z", "quick", "demo", 32, 0, result
    )


def result(run_id: str = "run-1", after: Evaluation = AFTER, verdict: str = "better") -> RunResult:
    change = after.preference_accuracy.value - BEFORE.preference_accuracy.value
    return RunResult(
        run_id,
        verdict,  # type: ignore[arg-type]
        BEFORE,
        after,
        Estimate(change, change - 0.2, change + 0.2, N_HELD_OUT),
        "data/runs/run-1/adapter",
        2,
        47.6,
        warnings=("The mean answer grew by 12 % (n = 24).",),
    )


def running_view(events: tuple[RunEvent, ...], run_id: str = "run-9") -> RunView:
    """Return a run in the middle of its work."""
    status = RunStatus("running", step=events[-1].step, total_steps=36)
    config = RunConfig(sega=SegaConfig(prompts_per_round=8))
    return RunView(summary(run_id, status), config, events, eta_s=18.0)


def ended_view(state: str, events: tuple[RunEvent, ...], message: str = "") -> RunView:
    status = RunStatus(state, step=events[-1].step, total_steps=36, message=message)  # type: ignore[arg-type]
    log = f"loading {HOSTILE}\nValueError: loss is not finite\n"
    return RunView(summary(f"run-{state}", status), RunConfig(), events, log_tail=log)


def waiting_run(run_id: str, num_ahead: int) -> LinedUpRun:
    status = RunStatus("queued", queued_at=1.0)
    return LinedUpRun(summary(run_id, status), RunTraits("gem", "paper", "abc"), num_ahead)


def rival_view(
    method: str = "dpo",
    run_id: str = "run-3",
    after: Evaluation = AFTER,
    verdict: str = "better",
) -> RunView:
    """Return a finished run of another method."""
    view = done_view(run_id, after, verdict)
    return replace(
        view,
        config=RunConfig(method=method),
        events=rival_run(after, verdict),  # type: ignore[arg-type]
    )


def done_view(run_id: str = "run-1", after: Evaluation = AFTER, verdict: str = "better") -> RunView:
    status = RunStatus("done", step=36, total_steps=36)
    found = summary(run_id, status, result(run_id, after, verdict))
    return RunView(found, RunConfig(), whole_run(after, verdict))


@dataclass
class RunsStudio(FakeStudio):
    """Runs by id, newest first; one of them may be active."""

    views: dict[str, RunView] = field(default_factory=dict)
    active: str | None = None
    started: list[RunConfig] = field(default_factory=list)
    asked: list[tuple[str, str]] = field(default_factory=list)
    obstacle: str = ""
    plan_calls: int = 0
    waiting: tuple[LinedUpRun, ...] = ()
    import_report: ImportReport = field(
        default_factory=lambda: ImportReport(
            18, 4, (SkippedRow(7, "no chosen answer"), SkippedRow(12, HOSTILE))
        )
    )
    export: Path | None = None
    labels: dict[str, str] = field(default_factory=dict)

    def run_traits(self, project_id: str) -> dict[str, RunTraits]:
        return {
            run_id: RunTraits(
                view.config.method, view.config.ranking, self.labels.get(run_id, "abc")
            )
            for run_id, view in self.views.items()
        }

    def plan(self, project_id: str, config: RunConfig) -> AlignPlan:
        self.plan_calls += 1
        return AlignPlan(
            config=config,
            num_train=0 if self.obstacle else 32,
            num_held_out=24,
            num_pool=40,
            left_out=(
                LeftOut("judged equally good", 3),
                LeftOut("the better answer is not acceptable to use", 1),
            ),
            model_bytes=4_600_000,
            device="this computer's processor (2 cores)",
            example=f"Question: {QUESTION}\n\nAnswer: {GOOD}",
            expected_s=52.0 if self.views else None,
            expected_from_runs=len(self.views),
            obstacle=self.obstacle,
            num_ahead=bool(self.active) + len(self.waiting),
            memory=MemoryEstimate(300_000_000, 900_000_000, {}),
        )

    def preset(self, preset: Preset, seed: int = 0) -> RunConfig:
        rounds = {"quick": 3, "standard": 6, "paper": 10}[preset]
        return RunConfig(preset=preset, seed=seed, sega=SegaConfig(rounds=rounds))

    def start_run(self, project_id: str, config: RunConfig) -> str:
        if self.obstacle:
            raise ConfigError(self.obstacle)
        self.started.append(config)
        self.active = "run-9"
        self.views = {"run-9": running_view(whole_run()[:1]), **self.views}
        return "run-9"

    def line(self, project_id: str) -> tuple[LinedUpRun, ...]:
        return self.waiting if project_id == "demo" else ()

    def stop_run(self, run_id: str) -> None:
        self.asked.append(("stop", run_id))
        if any(one.run.run_id == run_id for one in self.waiting):
            self.waiting = tuple(one for one in self.waiting if one.run.run_id != run_id)
            return
        self._set(run_id, "stopping")

    def resume_run(self, run_id: str) -> None:
        self.asked.append(("resume", run_id))
        self._set(run_id, "running")
        self.active = run_id

    def _set(self, run_id: str, state: str) -> None:
        view = self.views[run_id]
        status = replace(view.summary.status, state=state)  # type: ignore[arg-type]
        self.views[run_id] = replace(view, summary=replace(view.summary, status=status))

    def active_run(self, project_id: str) -> str | None:
        return self.active if project_id == "demo" else None

    def runs(self, project_id: str) -> list[RunSummary]:
        return [view.summary for view in self.views.values()] if project_id == "demo" else []

    def run(self, run_id: str) -> RunView:
        return self.views[run_id]

    def examples(self, run_id: str) -> list[BeforeAfter]:
        if self.views[run_id].summary.result is None:
            return []
        gold = "5 points, hospital, consider intensive care"
        pairs = [(POOR, GOOD, gold), (GOOD, GOOD, None), (POOR, POOR[:80], gold)]
        return [
            BeforeAfter(QUESTION, one, make_candidate(first, i), make_candidate(last, i + 7))
            for i, (first, last, one) in enumerate(pairs)
        ]

    def prompts(self, project_id: str) -> list[Prompt]:
        if project_id != "demo":
            return []
        return [Prompt(f"p{i}", "demo", QUESTION, "pool") for i in range(40)]

    def prompt_counts(self, project_id: str) -> dict[Split, int]:
        return dict(Counter(prompt.split for prompt in self.prompts(project_id)))

    def label_progress(self, project_id: str) -> LabelProgress:
        return LabelProgress(36, 2, 20) if project_id == "demo" else LabelProgress(0, 0, 0)

    def export_file(self, project_id: str, file_format: str, contents: str = "labels") -> Path:
        if self.export is None:
            raise DataError("There is nothing to export yet.")
        return self.export
