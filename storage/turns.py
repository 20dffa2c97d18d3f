"""Whose turn a case is: a rater's next one in the queue, and how far they are."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from gem_backend.types import Case, LabelProgress
from storage.database import Database
from storage.pairs import get_comparison
from storage.projects import get_project
from storage.sides import case_for

# A project's queue as one rater sees it. A case is pending while fewer raters than it needs have a
# label on it, this one not among them. `skip_seq` is the rater's skip, unless something settled it.
# `place` orders the cases by one number: those that somebody put to the front first, then by the
# rank of their priority, then as they came. A comparison of three columns takes twice the time.
_QUEUE = """
WITH own AS (
    SELECT pair_seq AS seq, label_seq, skip_seq FROM standing
    WHERE project_id = $project AND rater = $rater AND NOT is_final
), own_queue AS (
    SELECT
        seq,
        skip_seq,
        label_seq IS NULL AND num_labels < raters_per_case AS is_pending,
        if(is_first, 0, 1::BIGINT << 62) - (priority_rank << 40) + seq AS place
    FROM queue
    LEFT JOIN own USING (seq)
    CROSS JOIN (SELECT raters_per_case FROM projects WHERE project_id = $project)
    WHERE project_id = $project
)
"""

_COUNTS = """
    count(*) FILTER (NOT is_pending) AS done,
    count(*) FILTER (is_pending AND skip_seq IS NOT NULL) AS skipped,
    count(*) FILTER (is_pending AND skip_seq IS NULL) AS pending
"""

_PROGRESS = f"{_QUEUE} SELECT {_COUNTS} FROM own_queue"  # noqa: S608 - our own text

# One pass counts and finds: on a large queue a pass takes longer than all else that a save does.
_TURN = f"""{_QUEUE}
SELECT
    coalesce(arg_min(seq, place, $most) FILTER (is_pending AND skip_seq IS NULL), []) AS waiting,
    coalesce(arg_min(seq, skip_seq, $most) FILTER (is_pending AND skip_seq IS NOT NULL), [])
        AS put_back,
    {_COUNTS}
FROM own_queue
"""  # noqa: S608 - our own text

_FOUND = "SELECT seq, pair_id, num_labels FROM queue WHERE list_contains(?, seq)"


@dataclass(frozen=True, slots=True)
class Turn:
    """A rater's next case, None at the end, and how far they are."""

    case: Case | None
    progress: LabelProgress


@dataclass(frozen=True, slots=True)
class _TurnRow:
    """A row of ``_TURN``: the first cases without and with a skip, by number, in their order."""

    waiting: tuple[int, ...]
    put_back: tuple[int, ...]
    done: int
    skipped: int
    pending: int


@dataclass(frozen=True, slots=True)
class _Found:
    """A row of ``_FOUND``."""

    seq: int
    pair_id: str
    num_labels: int


def next_turn(
    db: Database, project_id: str, rater: str, held: Mapping[str, Case] | None = None
) -> Turn:
    """Return the next case that needs this rater, their skipped ones last, and their progress.

    Args:
        db: the open database.
        project_id: the project.
        rater: who asks.
        held: what other raters look at now, by rater; a case with enough raters at work comes
            after all others.
    """
    looked_at = Counter(case.comparison.pair_id for case in (held or {}).values())
    # So many that one of them is free, if any is.
    where = {"project": project_id, "rater": rater, "most": len(looked_at) + 1}
    [row] = db.records(_TurnRow, _TURN, where)
    seqs = [*row.waiting, *row.put_back]
    pair_id = _first_free(db, project_id, seqs, looked_at) if seqs else None
    case = case_for(db, get_comparison(db, pair_id), rater, held) if pair_id else None
    return Turn(case, LabelProgress(row.done, row.skipped, row.pending))


def _first_free(
    db: Database, project_id: str, seqs: Sequence[int], looked_at: Mapping[str, int]
) -> str:
    """Return the first case that too few others look at; where there is none, the first."""
    needed = get_project(db, project_id).raters_per_case
    found = {case.seq: case for case in db.records(_Found, _FOUND, [seqs])}
    cases = [found[seq] for seq in seqs]
    free = (
        case.pair_id for case in cases if case.num_labels + looked_at.get(case.pair_id, 0) < needed
    )
    return next(free, cases[0].pair_id)


def label_progress(db: Database, project_id: str, rater: str) -> LabelProgress:
    """Return the counts of the queue as a rater sees it."""
    progress = db.one(LabelProgress, _PROGRESS, {"project": project_id, "rater": rater})
    return progress or LabelProgress(0, 0, 0)
