"""A studio in memory: the same use cases over made-up cases, for tests of the pages.

A file is really looked at; its import is over at the fourth question about it.
"""

import math
import random
import re
from collections import Counter, deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import ClassVar

from app.access import Access
from app.desks.agreement import AgreementView, agreement_view
from app.desks.batch import BatchState
from app.desks.calibration import CONFIG, fitted, gather
from app.desks.disputes import Said
from app.desks.imports import look
from app.desks.meanings import Meanings
from app.desks.priority import QueueOrder
from app.desks.rereading import Reading
from app.records import (
    AlignPlan,
    CalibrationView,
    Decisions,
    DisputedCase,
    FilePreview,
    Header,
    ImportState,
    LeftOut,
    LogAsked,
    LogPart,
    OneVerdict,
    RunView,
    TaskState,
)
from app.studio import Studio
from gem_backend.automation_bias import AutomationBias, Tau
from gem_backend.config import RunConfig, SamplingConfig, ScoringConfig
from gem_backend.engine_requests import ScoredAnswer
from gem_backend.errors import DataError
from gem_backend.types import (
    Answer,
    BeforeAfter,
    Branch,
    Candidate,
    Case,
    Comparison,
    Estimate,
    Evaluation,
    ImportReport,
    LabelProgress,
    PreferencePair,
    Preset,
    Project,
    Prompt,
    Provenance,
    RankedCandidate,
    Rater,
    RunEvent,
    RunResult,
    RunStatus,
    RunSummary,
    Span,
    Spans,
    Split,
)
from storage.calibrations import Evidence
from storage.candidates import CandidateGroup, GroupSummary
from storage.drafts import DraftKey
from storage.errors import NotFoundError
from storage.orders import AnswerOrder
from storage.pairs import Judgement
from storage.projects import FoundPrompts
from storage.recent import StoredLabel
from storage.runs import RunTraits
from storage.turns import Turn

PROJECT = Project("demo", "Demo: bedside scores")
QUESTION = (
    "A 78-year-old woman has had a cough and fever for three days. She is confused as to time and "
    "place. Urea 8.1 mmol/L, respiratory rate 32/min, blood pressure 104/58 mmHg.\n\n"
    "Where should she be treated? Use CURB-65."
)
GOOD = (
    "Confusion is present: 1 point. Urea 8.1 mmol/L is above 7: 1 point. Respiratory rate 32/min "
    "is at least 30: 1 point. Diastolic pressure 58 mmHg is at most 60: 1 point. Age 78 is at "
    "least 65: 1 point. The total is 5.\nFinal Answer: 5 points, hospital, consider intensive care"
)
POOR = (
    "Confusion is present: 1 point. Urea 8.1 mmol/L is above 7: 1 point. Respiratory rate 32/min "
    "is at least 30: 1 point. The blood pressure is 104/58 mmHg, which does not count. Age 78 is "
    "at least 65: 1 point. The total is 4.\nFinal Answer: 4 points, hospital"
)
ASKED = (
    QUESTION,
    "A 66-year-old man with atrial fibrillation has hypertension and diabetes, and no other "
    "illness. Should he be offered anticoagulation? Use CHA2DS2-VASc.",
    "A 41-year-old man has a painful swollen calf after a long flight. Estimate the probability of "
    "a deep vein thrombosis with the Wells score.",
)


def _ids(group: Sequence[Candidate]) -> tuple[str, ...]:
    return tuple(one.candidate_id for one in group)


def make_candidate(
    text: str, seed: int = 0, candidate_id: str = "c0", prompt: str = QUESTION
) -> Candidate:
    """Tokenise on word pieces and give each token a plausible entropy."""
    rng = random.Random(seed)
    tokens = re.findall(r"\s*[A-Za-z]{1,6}|\s*\d|\s*[^\w]|\s+|_", text)
    marker = text.rfind("Final Answer:")
    starts = [0]
    for token in tokens:
        starts.append(starts[-1] + len(token))
    end = len(tokens)
    entropies = [
        rng.choice([0.02, 0.05, 0.08, 0.3, 0.9, 1.4, 2.3]) * rng.random() ** 0.5 for _ in tokens
    ]
    if marker >= 0:
        cot_end = next(i for i, start in enumerate(starts) if start + 1 >= marker)
        final = next(i for i, start in enumerate(starts) if start >= marker + len("Final Answer:"))
        spans = Spans(Span(0, cot_end), Span(final, end), is_committed=True)
    else:
        spans = Spans(Span(0, end - end // 5), Span(end - end // 5, end), is_committed=False)
    tops, probs = [], []
    for token, entropy in zip([*tokens, ""], [*entropies, 0.01], strict=True):
        p = max(0.12, math.exp(-entropy))
        tops += [token or "<end>", " is", " 4", " not", "\n"]
        probs += [p, (1 - p) * 0.5, (1 - p) * 0.3, (1 - p) * 0.1, (1 - p) * 0.05]
    return Candidate(
        candidate_id=candidate_id,
        prompt=prompt,
        text=text,
        answer=text[marker + len("Final Answer:") :].strip() if marker >= 0 else "",
        token_ids=tuple(range(end + 1)),
        token_texts=(*tokens, ""),
        token_entropy=(*entropies, 0.01),
        token_logprob=tuple(math.log(max(0.12, math.exp(-e))) for e in [*entropies, 0.01]),
        top_tokens=tuple(tops),
        top_probs=tuple(probs),
        spans=spans,
        is_finished=True,
        provenance=Provenance("demo", None, seed, 0.9, 1.0),
    )


def make_evidence(count: int = 12, rater: str = "expert") -> Evidence:
    """Return comparisons that the good answer won, as the made-up model reads them."""
    labels = [PreferencePair(f"Q{n}", GOOD, POOR, rater=rater) for n in range(count)]
    answers = [(pair.prompt, text) for pair in labels for text in (GOOD, POOR)]
    scored = [ScoredAnswer(make_candidate(text, n), None) for n, (_, text) in enumerate(answers)]
    return gather(labels, answers, scored)


def make_case(pair_id: str, prompt: str = QUESTION, left: Answer = "a") -> Case:
    comparison = Comparison(pair_id, "demo", "p0", prompt, GOOD, POOR)
    return Case(comparison, left)


def make_evaluation(value: float) -> Evaluation:
    estimate = Estimate(value, value - 0.06, value + 0.06, 64)
    return Evaluation(estimate, estimate, estimate, 1, 0.4, 80.0, 0.02)


def make_run(run_id: str = "run-1", config: RunConfig | None = None) -> RunSummary:
    before, after = make_evaluation(0.52), make_evaluation(0.81)
    change = Estimate(0.29, 0.18, 0.4, 64)
    result = RunResult(run_id, "better", before, after, change, "adapter", 2, 41.5)
    return RunSummary(
        run_id,
        "demo",
        RunStatus("done", step=30, total_steps=30),
        "2026-11-20T10:00:00Z",
        "quick",
        (config or RunConfig()).model,
        32,
        0,
        result,
    )


class FakeShelf:
    """Drafts on a shelf that never writes."""

    def __init__(self) -> None:
        self.rows: dict[DraftKey, str] = {}

    def load(self, kind: str) -> dict[DraftKey, str]:
        return {key: content for key, content in self.rows.items() if key.kind == kind}

    def note(self, key: DraftKey, content: str | None) -> None:
        self.rows.pop(key, None)
        if content is not None:
            self.rows[key] = content


class NoAccounts(Access):
    """What a studio without accounts says of who is there."""

    def __init__(self) -> None:
        self.asks_for_login = False


@dataclass
class FakeStudio(Studio):
    """Everything in lists; sampling is finished at the second question about it."""

    cases: deque[Case] = field(default_factory=deque)
    saved: list[StoredLabel] = field(default_factory=list)
    skipped: list[Case] = field(default_factory=list)
    groups: dict[str, list[Candidate]] = field(default_factory=dict)  # the newest of each prompt
    earlier: dict[str, list[list[Candidate]]] = field(default_factory=dict)  # the oldest first
    task: TaskState = field(default_factory=lambda: TaskState("idle"))
    case_task: TaskState = field(default_factory=lambda: TaskState("idle"))
    all_projects: list[Project] = field(default_factory=lambda: [PROJECT])
    sampled_with: tuple[str, SamplingConfig, str | None] | None = None
    branched: tuple[Branch, int | None] | None = None
    branched_with: SamplingConfig | None = None
    branched_in: str | None = None
    refuses: Exception | None = None
    activity: str = ""
    disputed: list[DisputedCase] = field(default_factory=list)
    fitting: list[RunSummary] = field(default_factory=lambda: [make_run()])
    num_labels: int = 12
    most_prompts: int = 200
    lessons: dict[str | None, Evidence] = field(default_factory=dict)
    learning: TaskState = field(default_factory=lambda: TaskState("idle"))
    learned_for: list[str | None] = field(default_factory=list)
    readings: dict[tuple[str, ...], Reading] = field(default_factory=dict)
    has_sentence_model: bool = False
    meant: dict[tuple[str, ...], Meanings] = field(default_factory=dict)
    is_stale: bool = False
    imported: tuple[Path, dict[str, str]] | None = None
    importing: ImportState = field(default_factory=lambda: ImportState("idle"))
    rows_to_import: int = 1000
    import_report: ImportReport = field(default_factory=lambda: ImportReport(3))
    offers: tuple[str, ...] = ()
    ordering: TaskState = field(default_factory=lambda: TaskState("idle"))
    ordered_for: list[str | None] = field(default_factory=list)
    order: QueueOrder | None = None
    is_blind: bool = False
    tau: Tau | None = None
    revealed: list[tuple[str, ...]] = field(default_factory=list)
    called: list[tuple[Candidate, ...]] = field(default_factory=list)
    bias: tuple[AutomationBias, ...] = ()
    batch: BatchState = field(default_factory=BatchState)
    batched_with: tuple[str, SamplingConfig, str | None] | None = None
    num_counted: int = 0
    drafts: FakeShelf = field(default_factory=FakeShelf)  # type: ignore[assignment]

    model: ClassVar[str] = "demo"  # type: ignore[misc]
    access: ClassVar[Access] = NoAccounts()  # type: ignore[misc]
    texts: ClassVar[tuple[str, ...]] = (GOOD, POOR, GOOD, POOR.replace("Final Answer:", "So"), GOOD)

    def projects(self) -> list[Project]:
        return list(self.all_projects)

    def count_disputes(self, project_id: str) -> tuple[int, int]:
        cases = self.disputes(project_id)
        return sum(one.final is not None for one in cases), len(cases)

    def disputes(self, project_id: str) -> list[DisputedCase]:
        return self.disputed

    def read_log(self, project_id: str, asked: LogAsked, place: int = 0) -> LogPart:
        return LogPart((), 0, 1, 0, ())

    def settle(self, case: Case, choice: str, strength: int, said: Said) -> None:
        final = OneVerdict("expert", choice, tuple(said[1]), said[2])
        self.disputed = [
            replace(one, final=final) if one.case == case else one for one in self.disputed
        ]

    def reopen_dispute(self, case: Case) -> bool:
        was = self.disputed
        self.disputed = [replace(one, final=None) if one.case == case else one for one in was]
        return was != self.disputed

    def hold(self, case: Case) -> None:
        self.held = case

    def called_case(self, project_id: str) -> Case | None:
        return None

    def raters(self) -> list[Rater]:
        return []

    def num_left_over_labels(self) -> int:
        return 0

    def agreement(self, project_id: str) -> AgreementView | None:
        return agreement_view([])

    def known_agreement(self, project_id: str) -> AgreementView | None:
        return self.agreement(project_id)

    def is_agreement_busy(self, project_id: str) -> bool:
        return False

    def create_project(self, name: str) -> Project:
        if not name.strip():
            raise DataError("Give the project a name.")
        project = Project(f"p{len(self.all_projects)}", name)
        self.all_projects.append(project)
        return project

    def header(self, project_id: str) -> Header:
        name = next(p.name for p in self.all_projects if p.project_id == project_id)
        return Header(name, "demo (1.1 M parameters)", "none yet", "Dr Example", self.activity)

    def next_turn(self, project_id: str) -> Turn:
        return Turn(self._next_case(project_id), self.label_progress(project_id))

    def _next_case(self, project_id: str) -> Case | None:
        if project_id != "demo":
            return None
        return self.cases[0] if self.cases else (self.skipped[0] if self.skipped else None)

    def case(self, pair_id: str) -> Case:
        known = [*self.cases, *self.skipped, *(label.case for label in self.saved)]
        found = [case for case in known if case.comparison.pair_id == pair_id]
        if not found:
            raise NotFoundError("This case is no longer there.")
        return found[0]

    def project(self, project_id: str) -> Project:
        return next(p for p in self.all_projects if p.project_id == project_id)

    def update_project(self, project_id: str, **changes: object) -> Project:
        if self.refuses:
            raise self.refuses
        found = self.project(project_id)
        changed = replace(found, **{**changes, "reasons": tuple(changes["reasons"])})
        self.all_projects[self.all_projects.index(found)] = changed
        return changed

    def save_label(self, case: Case, judgement: Judgement) -> bool:
        if self.refuses:
            raise self.refuses
        if self.is_judged(case):
            return False
        self._forget(case)
        self.saved.append(StoredLabel(case, judgement, "2026-11-20T10:00:00+00:00"))
        return True

    def is_judged(self, case: Case) -> bool:
        """Labels are numbered from 1, as they were saved."""
        said = [label.case.comparison.pair_id for label in self.saved]
        numbers = [n for n, one in enumerate(said, start=1) if one == case.comparison.pair_id]
        return bool(numbers) and numbers[-1] != case.repeats

    def answers_to_order(self, case: Case) -> tuple[str, ...]:
        return () if self.is_judged(case) else self.offers

    def save_order(self, case: Case, order: AnswerOrder) -> None:
        if self.refuses:
            raise self.refuses
        self._forget(case)
        said = Judgement("tie", 1, True, order.rationale, order.elapsed_s, order.reasons)
        self.saved.append(StoredLabel(case, said, "2026-11-20T10:00:00+00:00", order.places))

    def recent_labels(self, project_id: str) -> list[StoredLabel]:
        return self.saved[:-11:-1]

    def _forget(self, case: Case) -> None:
        for queue in (self.cases, self.skipped):
            if case in queue:
                queue.remove(case)

    def skip_case(self, case: Case) -> None:
        self._forget(case)
        self.skipped.append(case)

    def undo(self, project_id: str, pair_id: str | None = None) -> StoredLabel | None:
        fitting = [
            label for label in self.saved if pair_id in (None, label.case.comparison.pair_id)
        ]
        if not fitting:
            return None
        self.saved.remove(fitting[-1])
        self.cases.appendleft(fitting[-1].case)
        return fitting[-1]

    def label_progress(self, project_id: str) -> LabelProgress:
        return LabelProgress(len(self.saved), len(self.skipped), len(self.cases))

    def enter_pair(self, project_id: str, prompt: str, answer_a: str, answer_b: str) -> Case:
        if not (prompt.strip() and answer_a.strip() and answer_b.strip()):
            raise DataError("Write the question and both answers.", "Something is empty")
        texts = {answer_a, answer_b}
        for case in [*self.cases, *(label.case for label in self.saved)]:
            given = case.comparison
            if given.prompt == prompt and {given.answer_a, given.answer_b} == texts:
                return case
        key = f"own-{len(self.saved) + len(self.cases)}"
        comparison = Comparison(
            key, project_id, "p-own", prompt, answer_a, answer_b, source="entered"
        )
        self.cases.append(Case(comparison, "a"))
        return self.cases[-1]

    def start_sampled_case(self, project_id: str, num_answers: int = 2) -> TaskState:
        self.case_task = TaskState("running", 0, 2)
        return self.case_task

    def sampled_case_state(self, project_id: str) -> TaskState:
        was = self.case_task
        if was.state == "running":
            if was.done == was.total:
                self.case_task = TaskState("done", 2, 2)
                self.cases.appendleft(make_case("sampled", ASKED[2]))
            else:
                self.case_task = replace(was, done=was.done + 1)
        return was

    def prompts(self, project_id: str) -> list[Prompt]:
        if project_id != "demo":
            return []
        found = [Prompt(f"p{i}", "demo", asked) for i, asked in enumerate(ASKED)]
        return [*found[:2], replace(found[2], split="held_out")]

    def find_prompts(self, project_id: str, words: str = "") -> FoundPrompts:
        prompts = self.prompts(project_id)
        found = [prompt for prompt in prompts if words.lower() in prompt.prompt.lower()]
        return FoundPrompts(tuple(found[: self.most_prompts]), len(found), len(prompts))

    def prompt(self, project_id: str, prompt_id: str) -> Prompt | None:
        prompts = self.prompts(project_id)
        return next((one for one in prompts if one.prompt_id == prompt_id), None)

    def prompt_counts(self, project_id: str) -> dict[Split, int]:
        return dict(Counter(prompt.split for prompt in self.prompts(project_id)))

    def start_sampling(
        self, prompt_id: str, config: SamplingConfig, adapter: str | None
    ) -> TaskState:
        self.sampled_with = (prompt_id, config, adapter)
        if prompt_id in self.groups:
            self.earlier.setdefault(prompt_id, []).append(self.groups[prompt_id])
        self.groups[prompt_id] = [
            make_candidate(self.texts[i % len(self.texts)], config.seed + i, f"{prompt_id}-{i}")
            for i in range(config.num_candidates)
        ]
        most = config.max_new_tokens
        self.task = TaskState("running", 0, config.num_candidates, most_tokens=most)
        return self.task

    def start_branch(
        self,
        point: Branch,
        alternative: int | None,
        config: SamplingConfig,
        group_id: str | None = None,
    ) -> TaskState:
        self.branched = (point, alternative)
        self.branched_with, self.branched_in = config, group_id
        return TaskState("idle")

    def stop_sampling(self, prompt_id: str) -> None:
        self.task = TaskState("stopped")

    def sampling_state(self, prompt_id: str) -> TaskState:
        if self.sampled_with is None or self.sampled_with[0] != prompt_id:
            return TaskState("idle")
        was = self.task
        if was.state == "running":
            is_over = was.done == was.total
            self.task = replace(was, state="done") if is_over else replace(was, done=was.done + 1)
        return was

    def start_batch(
        self, project_id: str, config: SamplingConfig, adapter: str | None
    ) -> BatchState:
        """One prompt more is done at each question about it; the held-out one never is."""
        self.batched_with = (project_id, config, adapter)
        self.batch = BatchState("running", *self.batch_counts(project_id, adapter), adapter=adapter)
        return self.batch

    def stop_batch(self, project_id: str) -> None:
        self.batch = replace(self.batch, state="stopped")

    def batch_state(self, project_id: str) -> BatchState:
        was = self.batch
        if was.state == "running":
            left = [one for one in self._in_pool(project_id) if one.prompt_id not in self.groups]
            if left:
                self.groups[left[0].prompt_id] = [make_candidate(GOOD)]
                self.batch = replace(was, num_sampled=was.num_sampled + 1, eta_s=60.0)
            else:
                self.batch = replace(was, state="done")
        return was

    def batch_counts(self, project_id: str, adapter: str | None) -> tuple[int, int]:
        self.num_counted += 1
        prompts = self._in_pool(project_id)
        return sum(one.prompt_id in self.groups for one in prompts), len(prompts)

    def _in_pool(self, project_id: str) -> list[Prompt]:
        return [one for one in self.prompts(project_id) if one.split != "held_out"]

    def candidates(self, prompt_id: str) -> list[Candidate]:
        return list(self.groups.get(prompt_id, ()))

    def sampled_groups(self, prompt_id: str) -> list[GroupSummary]:
        """Ids are the prompt's and a number, 0 for the oldest; one was drawn each minute."""
        return [
            GroupSummary(
                f"{prompt_id}.{number}",
                f"2026-11-20T10:{number:02d}:00+00:00",
                len(group),
                made.model,
                made.adapter,
                made.seed,
                made.temperature,
                made.top_p,
            )
            for number, group in reversed(list(enumerate(self._groups_of(prompt_id))))
            for made in [group[0].provenance]
        ]

    def sampled_group(self, group_id: str) -> list[Candidate]:
        prompt_id, number = group_id.rsplit(".", 1)
        return self._groups_of(prompt_id)[int(number)]

    def _groups_of(self, prompt_id: str) -> list[list[Candidate]]:
        newest = self.groups.get(prompt_id)
        return [*self.earlier.get(prompt_id, ()), *([newest] if newest else [])]

    def is_withheld(self, project_id: str, group: Sequence[Candidate]) -> bool:
        return self.is_blind and bool(group)

    def reveal(
        self, project_id: str, ranked: Sequence[RankedCandidate], is_calibrated: bool
    ) -> Tau | None:
        self.revealed.append(tuple(one.candidate.candidate_id for one in ranked))
        return self.tau

    def call_group(self, group: Sequence[Candidate]) -> Case:
        if self.refuses:
            raise self.refuses
        self.called.append(tuple(group))
        return make_case("called")

    def automation_bias(self, project_id: str) -> tuple[AutomationBias, ...]:
        return self.bias

    def group_with(
        self, project_id: str, candidate_id: str
    ) -> tuple[Prompt, CandidateGroup] | None:
        for prompt in self.prompts(project_id):
            for summary in self.sampled_groups(prompt.prompt_id):
                group = self.sampled_group(summary.group_id)
                if any(one.candidate_id == candidate_id for one in group):
                    return prompt, CandidateGroup(summary.group_id, tuple(group))
        return None

    def start_rereading(
        self, project_id: str, group: Sequence[Candidate], adapter: str | None
    ) -> TaskState:
        self.readings[_ids(group)] = Reading(
            adapter,
            tuple(
                replace(one, token_entropy=tuple(value / 2 for value in one.token_entropy))
                for one in group
            ),
        )
        return TaskState("running", 0, len(group))

    def rereading_state(self, group: Sequence[Candidate]) -> TaskState:
        return TaskState("done" if self.reading(group) else "idle")

    def reading(self, group: Sequence[Candidate]) -> Reading | None:
        return self.readings.get(_ids(group))

    def start_grouping(self, group: Sequence[Candidate]) -> TaskState:
        texts = {one.answer for one in group}
        found = [tuple(i for i, one in enumerate(group) if one.answer == text) for text in texts]
        self.meant[_ids(group)] = tuple(sorted(found, key=lambda places: (-len(places), places)))
        return TaskState("running")

    def grouping_state(self, group: Sequence[Candidate]) -> TaskState:
        return TaskState("done" if self.meanings(group) else "idle")

    def meanings(self, group: Sequence[Candidate]) -> Meanings | None:
        return self.meant.get(_ids(group))

    def start_calibration(self, project_id: str, adapter: str | None) -> TaskState:
        self.learned_for.append(adapter)
        self.learning = TaskState("running", 0, 24)
        return self.learning

    def calibration_state(self, project_id: str, adapter: str | None) -> TaskState:
        was = self.learning
        if was.state == "running":
            is_over = was.done == was.total
            self.learning = TaskState("done") if is_over else replace(was, done=was.done + 12)
            if is_over:
                self.lessons[adapter] = make_evidence(self.num_labels)
        return was

    def calibration(
        self, project_id: str, adapter: str | None, scoring: ScoringConfig | None = None
    ) -> CalibrationView:
        evidence = self.lessons.get(adapter)
        num_labels = self.num_labels if project_id == "demo" else 0
        if evidence is None:
            return CalibrationView(None, num_labels)
        found = fitted(evidence, CONFIG, scoring or ScoringConfig())
        return CalibrationView(found, num_labels, self.is_stale)

    def start_ordering(self, project_id: str, adapter: str | None) -> TaskState:
        if self.refuses:
            raise self.refuses
        self.ordered_for.append(adapter)
        self.ordering = TaskState("running", 0, 12)
        return self.ordering

    def ordering_state(self, project_id: str) -> TaskState:
        was = self.ordering
        if was.state == "running":
            is_over = was.done == was.total
            self.ordering = TaskState("done") if is_over else replace(was, done=was.done + 6)
            if is_over:
                is_by_labels = self.ordered_for[-1] in self.lessons
                self.order = QueueOrder(6, "2026-11-20T10:00:00+00:00", is_by_labels)
        return was

    def queue_order(self, project_id: str) -> QueueOrder | None:
        return self.order

    def run_traits(self, project_id: str) -> dict[str, RunTraits]:
        return {run.run_id: RunTraits("gem", "paper", "abc") for run in self.runs(project_id)}

    def plan(self, project_id: str, config: RunConfig) -> AlignPlan:
        return AlignPlan(
            config, 32, 64, 200, (LeftOut("equally good", 3),), 4_600_000, "CPU", QUESTION + GOOD
        )

    def preset(self, preset: Preset, seed: int = 0) -> RunConfig:
        return RunConfig(preset=preset, seed=seed)

    def start_run(self, project_id: str, config: RunConfig) -> str:
        return "run-2"

    def stop_run(self, run_id: str) -> None:
        """Nothing runs here."""

    def resume_run(self, run_id: str) -> None:
        """Nothing runs here."""

    def active_run(self, project_id: str) -> str | None:
        return None

    def runs(self, project_id: str) -> list[RunSummary]:
        return [make_run()] if project_id == "demo" else []

    def adapters(self, project_id: str) -> list[RunSummary]:
        return list(self.fitting) if project_id == "demo" else []

    def run(self, run_id: str) -> RunView:
        return RunView(make_run(run_id), RunConfig(), (RunEvent(1, 0.0, "started", 0),))

    def examples(self, run_id: str) -> list[BeforeAfter]:
        return [BeforeAfter(QUESTION, "5", make_candidate(POOR, 1), make_candidate(GOOD, 2))]

    def decisions(self, run_id: str) -> Decisions:
        return Decisions()

    def preview_import(self, path: Path, mapping: Mapping[str, str] | None = None) -> FilePreview:
        return look(path, mapping)

    def start_import(
        self, project_id: str, path: Path, mapping: Mapping[str, str] | None = None
    ) -> ImportState:
        if self.refuses:
            raise self.refuses
        self.imported = (path, dict(mapping or {}))
        self.importing = ImportState("running", path.name)
        return self.importing

    def import_state(self, project_id: str) -> ImportState:
        was = self.importing if project_id == "demo" else ImportState("idle")
        if was.state == "running":
            is_over = was.rows >= self.rows_to_import
            done = replace(was, state="done", report=self.import_report)
            self.importing = done if is_over else replace(was, rows=was.rows + 500)
        elif was.state == "stopping":
            self.importing = replace(was, state="stopped")
        return was

    def stop_import(self, project_id: str) -> ImportState:
        if self.importing.state == "running":
            self.importing = replace(self.importing, state="stopping")
        return self.importing

    def export_file(self, project_id: str, file_format: str, contents: str = "labels") -> Path:
        raise DataError("There is nothing to export yet.")


def demo_studio() -> FakeStudio:
    """A project with six cases, sides in both orders, one group of candidates."""
    cases = deque(
        make_case(f"case-{i}", ASKED[i % len(ASKED)], "a" if i % 2 else "b") for i in range(6)
    )
    group = [make_candidate(t, i, f"p0-{i}") for i, t in enumerate(FakeStudio.texts)]
    return FakeStudio(cases=cases, groups={"p0": group})
