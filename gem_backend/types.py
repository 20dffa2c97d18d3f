"""The records every part of the studio shares; standard library only, so safe to import anywhere.

Field names here are the column names, the JSON keys and the words on screen.
Entropies and log-probabilities are in nats; spans are token ranges, end-exclusive.
"""

from dataclasses import dataclass, field
from typing import Literal, NamedTuple

Side = Literal["left", "right"]
Answer = Literal["a", "b"]
Verdict = Literal["a", "b", "tie", "both_bad", "cannot_judge"]
PairVerdict = Literal["preferred", "tie", "both_bad", "cannot_judge"]
LabelKind = Literal["label", "undo", "skip"]
Split = Literal["train", "held_out", "pool"]
Stage = Literal["explore", "before", "after", "round"]
SpanName = Literal["cot", "marker", "final"]
DEFAULT_REASONS = ("accuracy", "safety", "completeness", "clarity")
Role = Literal["admin", "rater"]
CaseSource = Literal["imported", "sampled", "entered"]
RunState = Literal["queued", "running", "stopping", "stopped", "failed", "done", "interrupted"]
RunVerdict = Literal["better", "no_change", "worse"]
Preset = Literal["quick", "standard", "paper"]
Method = Literal["gem", "sft", "dpo", "ipo", "rm_ppo"]
Ranking = Literal["paper", "calibrated"]
Feature = Literal[
    "final_confidence",
    "fork_entropy",
    "mean_logprob",
    "implicit_reward",
    "answer_agreement",
    "expert_likeness",
]
TokenEngine = Literal["transformers", "vllm"]
EventKind = Literal[
    "started",
    "resumed",
    "phase",
    "sft_step",
    "candidates",
    "sega_step",
    "evaluation",
    "checkpoint",
    "calibration",
    "baseline_step",
    "canary",
    "memory",
    "warning",
    "ended",
]


class Span(NamedTuple):
    """A token range, end-exclusive; empty when ``start == end``."""

    start: int
    end: int


class Spans(NamedTuple):
    """Where a candidate reasons and where it answers.

    ``is_committed`` is False when no answer marker was generated; ``final_span`` is then the last
    fifth.
    """

    cot_span: Span
    final_span: Span
    is_committed: bool


class GemScore(NamedTuple):
    """Equation (1) with its two terms, in nats; a higher ``value`` is better."""

    value: float
    final_entropy: float
    fork_entropy: float
    fork_tokens: tuple[int, ...]


class Estimate(NamedTuple):
    """A figure with its 95 % interval and the number of cases behind it."""

    value: float
    low: float
    high: float
    n: int


# --- what experts say -------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Project:
    """A body of prompts and labels about one question.

    ``guidelines`` (Markdown) and ``reasons`` are what raters are shown; ``is_reason_required`` asks
    for at least one reason beside every preference, ``raters_per_case`` for as many independent
    judgements, ``repeat_percent`` for that share of cases to be shown a second time.
    ``is_blind_first``: nobody is shown the machine's order of answers before they put them in one.
    """

    project_id: str
    name: str
    guidelines: str = ""
    answer_marker: str = "Final Answer:"
    reasons: tuple[str, ...] = DEFAULT_REASONS
    is_reason_required: bool = False
    raters_per_case: int = 1
    repeat_percent: int = 0
    is_blind_first: bool = False


@dataclass(frozen=True, slots=True)
class Rater:
    """An account. An admin looks after projects, data and raters; a rater labels.

    ``is_invited`` says that the password is still the one that came with the invitation.
    """

    rater: str
    role: Role = "rater"
    is_invited: bool = False
    is_active: bool = True
    created_at: str = ""


@dataclass(frozen=True, slots=True)
class Prompt:
    """One question put to the model; ``gold_answer`` is None where nobody gave one."""

    prompt_id: str
    project_id: str
    prompt: str
    split: Split = "train"
    gold_answer: str | None = None


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two answers to a prompt that wait for, or have, a judgement. ``source`` says where from."""

    pair_id: str
    project_id: str
    prompt_id: str
    prompt: str
    answer_a: str
    answer_b: str
    split: Split = "train"
    source: CaseSource = "imported"


@dataclass(frozen=True, slots=True)
class Case:
    """A comparison as one rater sees it; ``left`` names the answer shown on the left.

    ``repeats``: the rater has judged it before, in the event of that ``seq``, and is asked once
    more without knowing.
    """

    comparison: Comparison
    left: Answer
    repeats: int | None = None

    @property
    def is_repeat(self) -> bool:
        """Whether the rater is asked for the second time."""
        return self.repeats is not None

    @property
    def left_text(self) -> str:
        """The answer shown on the left."""
        return self.comparison.answer_a if self.left == "a" else self.comparison.answer_b

    @property
    def right_text(self) -> str:
        """The answer shown on the right."""
        return self.comparison.answer_b if self.left == "a" else self.comparison.answer_a


@dataclass(frozen=True, slots=True)
class LabelEvent:
    """One line of the append-only label log; ``kind`` "undo" withdraws the rater's last label.

    A final label settles a case in sight of what raters said; they keep their own. What came from a
    file says who brought it and when; nothing else about it is known for sure.
    """

    event_id: str
    pair_id: str
    rater: str
    kind: LabelKind
    verdict: Verdict | None
    left: Answer | None
    strength: int = 1
    is_acceptable: bool = True
    rationale: str = ""
    elapsed_s: float | None = None
    created_at: str = ""
    reasons: tuple[str, ...] = ()
    is_final: bool = False
    is_imported: bool = False
    imported_by: str | None = None
    imported_at: str | None = None


@dataclass(frozen=True, slots=True)
class PreferencePair:
    """One judgement as training data: ``chosen`` is the better answer when ``verdict`` is
    "preferred". ``source`` "sampled" says that both answers are the model's own. Pairs of one
    ``order_id`` were said at once, as an order of several answers; empty for a pair by itself.
    """

    prompt: str
    chosen: str
    rejected: str
    verdict: PairVerdict = "preferred"
    strength: int = 1
    rationale: str = ""
    rater: str = ""
    split: Split = "train"
    gold_answer: str | None = None
    is_acceptable: bool = True
    pair_id: str = ""
    source: CaseSource = "imported"
    reasons: tuple[str, ...] = ()
    order_id: str = ""


@dataclass(frozen=True, slots=True)
class LabelProgress:
    """How far a rater is: counts of cases in the project's queue."""

    done: int
    skipped: int
    pending: int

    @property
    def total(self) -> int:
        """All cases of the queue."""
        return self.done + self.skipped + self.pending


# --- what the model says ----------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Provenance:
    """What made a candidate: enough to sample it again."""

    model: str
    adapter: str | None
    seed: int
    temperature: float
    top_p: float
    engine: str = "transformers"
    versions: str = ""


class Branch(NamedTuple):
    """Where a candidate left another: it has that one's tokens before the place ``token``."""

    parent_id: str
    token: int


@dataclass(frozen=True, slots=True)
class Candidate:
    """One sampled answer with its exact token statistics.

    The per-token fields have one entry for each of ``token_ids`` (the sampled ids, up to and
    including the end token if ``is_finished``). ``token_texts`` concatenate to ``text``; a token
    that ends in the middle of a character has an empty text, and the end token too. ``top_tokens``
    and ``top_probs`` hold the five most likely alternatives of each token, flattened: entry ``5 * t
    + rank``. ``branch`` is None for one that was sampled from its prompt alone.
    """

    candidate_id: str
    prompt: str
    text: str
    answer: str
    token_ids: tuple[int, ...]
    token_texts: tuple[str, ...]
    token_entropy: tuple[float, ...]
    token_logprob: tuple[float, ...]
    top_tokens: tuple[str, ...]
    top_probs: tuple[float, ...]
    spans: Spans
    is_finished: bool
    provenance: Provenance
    branch: Branch | None = None


@dataclass(frozen=True, slots=True)
class RankedCandidate:
    """A candidate with its score and its place, 1 for the best."""

    candidate: Candidate
    score: GemScore
    rank: int


# --- the ranking, fused with what experts said ------------------------------------------------


@dataclass(frozen=True, slots=True)
class ExpertOrder:
    """One rater's order of some answers to a prompt, best first; inner tuples are ties.

    The numbers are places in the list of answers that the order speaks of. A plain preference is
    ``((0,), (1,))``, a tie ``((0, 1),)``. ``strength`` is from 1 (slightly) to 3.
    """

    order: tuple[tuple[int, ...], ...]
    strength: int = 1
    rater: str = ""


@dataclass(frozen=True, slots=True)
class FeatureWeight:
    """How much one feature counts in a candidate's skill.

    ``weight`` and ``prior`` are in logits per standard deviation ``scale`` of the feature, whose
    mean is ``mean``; ``weight.n`` counts the expert's comparisons behind it.
    """

    feature: Feature
    prior: float
    weight: Estimate
    mean: float
    scale: float


@dataclass(frozen=True, slots=True)
class Calibration:
    """What the expert's labels say about the features: the posterior of their weights.

    ``covariance`` is that of the weights, row by row. ``agreement_before`` is the share of the
    expert's comparisons that the order of ``gem_score`` gets right, ``agreement_after`` the same
    for the calibrated order on comparisons that were kept out of its fit; None without any.
    """

    weights: tuple[FeatureWeight, ...]
    covariance: tuple[tuple[float, ...], ...]
    residual_scale: float
    tie_weight: float
    num_comparisons: int
    num_raters: int
    agreement_before: Estimate | None
    agreement_after: Estimate | None


@dataclass(frozen=True, slots=True)
class Skill:
    """A candidate's posterior: mean and standard deviation, logits; a higher mean is better."""

    mean: float
    sd: float


# --- what a run says --------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Evaluation:
    """Held-out figures of a policy at one moment; None where the data cannot give the figure."""

    preference_accuracy: Estimate
    preference_accuracy_per_token: Estimate
    final_answer_accuracy: Estimate | None
    uncommitted: int = 0
    mean_entropy: float = 0.0
    mean_length: float = 0.0
    kl: float = 0.0


@dataclass(frozen=True, slots=True)
class RunStatus:
    """What ``status.json`` holds; replaced atomically. ``heartbeat`` is seconds since the epoch.

    A "queued" run without a host has no worker yet. ``queued_at``, seconds since the epoch, is when
    it was put in its studio's line, 0 for a run that is in none. ``device`` is what it waits for
    ("auto", "cpu", "cuda"), and then what it was given: "cpu", the name of a GPU, or "" for its own
    choice.
    """

    state: RunState
    pid: int = 0
    process_create_time: float = 0.0
    host: str = ""
    heartbeat: float = 0.0
    step: int = 0
    total_steps: int = 0
    message: str = ""
    queued_at: float = 0.0
    device: str = ""


@dataclass(frozen=True, slots=True)
class RunEvent:
    """One line of ``events.jsonl``; ``seq`` counts from 1, ``time`` is in epoch seconds."""

    seq: int
    time: float
    kind: EventKind
    step: int
    data: dict[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class RunResult:
    """What ``result.json`` holds at the end of a run."""

    run_id: str
    verdict: RunVerdict
    before: Evaluation
    after: Evaluation
    preference_change: Estimate
    adapter_dir: str | None
    best_round: int
    wall_s: float
    message: str = ""
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class RunSummary:
    """One row of the run history."""

    run_id: str
    project_id: str
    status: RunStatus
    created_at: str
    preset: str
    model: str
    num_pairs: int
    seed: int
    result: RunResult | None = None


@dataclass(frozen=True, slots=True)
class BeforeAfter:
    """The greedy answers to one held-out prompt without and with the adapter."""

    prompt: str
    gold_answer: str | None
    before: Candidate
    after: Candidate


# --- files in and out -------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class SkippedRow:
    """A row that was refused; ``line`` counts from 1 in the file."""

    line: int
    reason: str


@dataclass(frozen=True, slots=True)
class ImportReport:
    """What an import did: rows taken, rows seen before, rows refused with their reasons.

    Of very many refused rows the first are in ``skipped`` and the others counted.
    """

    imported: int
    already_there: int = 0
    skipped: tuple[SkippedRow, ...] = ()
    num_unlisted: int = 0

    @property
    def num_skipped(self) -> int:
        """How many rows were refused."""
        return len(self.skipped) + self.num_unlisted
