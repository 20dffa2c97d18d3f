"""What the studio tells its pages: small frozen records, ready to show."""

from dataclasses import dataclass
from typing import Literal

from gem_backend.config import RunConfig
from gem_backend.types import Calibration, Case, RunEvent, RunSummary


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
    """A piece of background work as a page polls it; ``error`` is one sentence."""

    state: Literal["idle", "running", "done", "failed"]
    done: int = 0
    total: int = 0
    error: str = ""


@dataclass(frozen=True, slots=True)
class RecentLine:
    """One of the rater's last labels, in words."""

    pair_id: str
    question: str
    verdict: str
    time: str


@dataclass(frozen=True, slots=True)
class LeftOut:
    """Why some pairs do not train, and how many."""

    reason: str
    count: int


@dataclass(frozen=True, slots=True)
class AlignPlan:
    """What a run would do; ``expected_s`` is None until a run was measured here."""

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


@dataclass(frozen=True, slots=True)
class RunView:
    """A run with everything it has said so far; ``eta_s`` is None before it can be known."""

    summary: RunSummary
    config: RunConfig
    events: tuple[RunEvent, ...]
    eta_s: float | None = None
    log_tail: str = ""


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
