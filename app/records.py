"""What the studio tells its pages: small frozen records, ready to show."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from gem_backend.config import RunConfig
from gem_backend.memory import MemoryEstimate
from gem_backend.types import (
    Calibration,
    Case,
    ImportReport,
    RunEvent,
    RunSummary,
    SkippedRow,
    Verdict,
)
from storage.runs import RunTraits


@dataclass(frozen=True, slots=True)
class Header:
    """Where you are: shown on every page."""

    project: str
    model: str
    adapter: str
    rater: str
    activity: str


@dataclass(frozen=True, slots=True)
class TaskState:
    """A piece of background work as a page polls it; ``error`` is one sentence.

    ``tokens`` counts what each candidate has so far, while candidates are sampled, and
    ``most_tokens`` how many it may have at most; 0 where no candidates are sampled. ``serial``
    counts the starts under its name: who saw one end knows the next end from it.
    """

    state: Literal["idle", "running", "done", "stopped", "failed"]
    done: int = 0
    total: int = 0
    error: str = ""
    tokens: tuple[int, ...] = ()
    most_tokens: int = 0
    serial: int = 0


@dataclass(frozen=True, slots=True)
class PreviewRow:
    """A row of a file as it would be stored; of long texts the beginning."""

    kind: Literal["label", "case", "prompt", "event"]
    prompt: str
    answer_a: str | None
    answer_b: str | None
    verdict: Verdict | None
    strength: int
    rater: str


@dataclass(frozen=True, slots=True)
class FilePreview:
    """What the first ``num_rows`` rows of a file would become; ``problem`` says why nothing can.

    ``format`` is None where the names of the columns say nothing. ``mapping`` goes from their names
    to ours.
    """

    path: Path
    format: str | None = None
    columns: tuple[str, ...] = ()
    mapping: Mapping[str, str] = field(default_factory=dict)
    rows: tuple[PreviewRow, ...] = ()
    refused: tuple[SkippedRow, ...] = ()
    num_rows: int = 0
    problem: str = ""


@dataclass(frozen=True, slots=True)
class ImportState:
    """A project's newest import as a page polls it: how many rows are read, or how it ended.

    While rows are stored, ``rows`` of ``stored_of`` are done; before, that is 0.
    """

    state: Literal["idle", "running", "stopping", "stopped", "done", "failed"]
    file: str = ""
    rows: int = 0
    report: ImportReport | None = None
    error: str = ""
    stored_of: int = 0

    @property
    def is_under_way(self) -> bool:
        """Whether there is more to come."""
        return self.state in ("running", "stopping")


@dataclass(frozen=True, slots=True)
class RecentLine:
    """One of the rater's last labels, in words; ``source`` says where its answers come from."""

    pair_id: str
    question: str
    verdict: str
    time: str
    source: str = ""


@dataclass(frozen=True, slots=True)
class LeftOut:
    """Why some pairs do not train, and how many."""

    reason: str
    count: int


@dataclass(frozen=True, slots=True)
class AlignPlan:
    """What a run would do; ``expected_s`` is None until a run was measured here.

    ``num_ahead`` runs have to end before it begins. ``memory`` is None where the model's
    sizes are not known.
    """

    config: RunConfig
    num_train: int
    num_held_out: int
    num_pool: int
    left_out: tuple[LeftOut, ...]
    model_bytes: int
    device: str
    example: str
    expected_s: float | None = None
    expected_from_runs: int = 0
    obstacle: str = ""
    num_ahead: int = 0
    memory: MemoryEstimate | None = None


@dataclass(frozen=True, slots=True)
class RunView:
    """A run with everything it has said so far; ``eta_s`` is None before it can be known.

    ``num_ahead`` runs have to end before it begins; None for one that does not wait.
    """

    summary: RunSummary
    config: RunConfig
    events: tuple[RunEvent, ...]
    eta_s: float | None = None
    log_tail: str = ""
    num_ahead: int | None = None


@dataclass(frozen=True, slots=True)
class LinedUpRun:
    """A run that waits for a device until ``num_ahead`` runs are over, or has one (None)."""

    run: RunSummary
    traits: RunTraits
    num_ahead: int | None


@dataclass(frozen=True, slots=True)
class Decision:
    """A token at which two answers parted: what both say before it, and how each goes on.

    ``parent_id`` is the candidate that was left, ``token`` the token's number in it from 1,
    ``token_text`` what stands there and ``entropy`` how sure the model was of it, in nats; None
    where the parent ends there.
    """

    question: str
    before: str
    preferred: str
    rejected: str
    parent_id: str
    token: int
    token_text: str
    entropy: float | None


@dataclass(frozen=True, slots=True)
class Decisions:
    """Some of a run's decisions, how many it has in all, and the project they are of."""

    shown: tuple[Decision, ...] = ()
    num_all: int = 0
    project_id: str = ""


@dataclass(frozen=True, slots=True)
class CalibrationView:
    """What a project's labels say of one model's answers; ``calibration`` is None until learned.

    ``num_labels`` counts the comparisons there are now; ``is_stale`` says that they are not those
    it was learned from. ``num_left_out`` of these had an answer that the model could not read.
    """

    calibration: Calibration | None
    num_labels: int
    is_stale: bool = False
    num_left_out: int = 0


@dataclass(frozen=True, slots=True)
class OneVerdict:
    """What one person said about a case; ``verdict`` is in words, sides as the reader sees them."""

    rater: str
    verdict: str
    reasons: tuple[str, ...]
    rationale: str


@dataclass(frozen=True, slots=True)
class DisputedCase:
    """A case on which raters differ, as one admin sees it; ``final`` is what settled it."""

    case: Case
    said: tuple[OneVerdict, ...]
    final: OneVerdict | None = None


@dataclass(frozen=True, slots=True)
class LogAsked:
    """What somebody looks for in the label log, as typed; what is empty does not matter.

    Days are as on this machine's calendar, both included.
    """

    rater: str = ""
    kind: str = ""
    question: str = ""
    since: str = ""
    until: str = ""


@dataclass(frozen=True, slots=True)
class LogLine:
    """An event of the label log in words, but for the texts of its case.

    ``before`` and ``after`` are what the rater's label was: the verdict, then what else was said.
    """

    moment: str
    rater: str
    done: str
    notes: tuple[str, ...]
    prompt: str
    answer_a: str
    answer_b: str
    before: tuple[str, str]
    after: tuple[str, str]


@dataclass(frozen=True, slots=True)
class LogPart:
    """Page ``place`` of the label log, from 0; its first line is number ``first`` of ``total``."""

    lines: tuple[LogLine, ...]
    place: int
    first: int
    total: int
    raters: tuple[str, ...]
