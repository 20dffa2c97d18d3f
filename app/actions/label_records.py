"""What the Label page is told and shows: records; what the buttons do is in ``label``."""

from dataclasses import dataclass
from typing import TypedDict

from app.boards import Board
from app.records import RecentLine
from gem_backend.types import Case, LabelProgress, Project, Verdict

_NO_PROJECT = Project("", "", reasons=())


class Choice(TypedDict, total=False):
    """What the buttons hold: the case they were pressed for, and what was pressed.

    ``words`` are the reasons that can be ticked, and ``needs_reason`` that one must be;
    ``elapsed_s`` comes with a save, ``sent_ms`` with a draft, and ``kept`` (a ``Kept``) once after
    the studio did not answer.
    """

    case: str
    choice: str | None
    strength: int
    is_acceptable: bool
    reasons: list[str]
    words: list[str]
    needs_reason: bool
    elapsed_s: float
    sent_ms: float
    kept: "Kept"


class Kept(TypedDict, total=False):
    """What was said of a case and may not have reached the studio, and by whom.

    ``was_lost``: the studio did not answer; else the page was left a moment after it was said.
    ``order`` is there where its answers were being put in order: ids of cards, by place.
    """

    rater: str
    was_lost: bool
    choice: Choice
    rationale: str
    written: str
    order: list[list[str]]


@dataclass(frozen=True, slots=True)
class Words:
    """What a rater typed: why, and a better answer where both are bad."""

    rationale: str = ""
    written: str = ""


@dataclass(frozen=True, slots=True)
class Draft:
    """What a rater said about a case so far, in terms of the answers, not of the sides."""

    verdict: Verdict | None = None
    strength: int = 1
    is_acceptable: bool = True
    reasons: tuple[str, ...] = ()
    words: Words = Words()


@dataclass(frozen=True, slots=True)
class LabelScreen:
    """Everything the page shows at one moment; ``pace_s`` is None before a label was timed.

    ``board`` is there while answers are put in order, ``num_to_order`` is how many could be.
    """

    case: Case | None
    progress: LabelProgress
    draft: Draft = Draft()
    receipt: str = ""
    project: Project = _NO_PROJECT
    recent: tuple[RecentLine, ...] = ()
    pace_s: float | None = None
    board: Board | None = None
    num_to_order: int = 0
