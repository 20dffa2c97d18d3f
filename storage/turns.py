"""Whose turn a case is: a rater's next one in the queue, and how far they are."""

from collections.abc import Mapping
from dataclasses import dataclass

from gem_backend.types import Case, LabelProgress
from storage.database import Database
from storage.pairs import get_comparison
from storage.sides import case_for

# A project's queue as one rater sees it. A case is pending while fewer raters than it needs have a
# label on it, this one not among them. `skip_seq` is the rater's skip, unless something settled it.
_QUEUE = """
WITH own AS (
    SELECT pair_id, label_seq, skip_seq FROM standing
    WHERE project_id = $project AND rater = $rater AND NOT is_final
), own_queue AS (
    SELECT
        pair_id, seq, is_first, priority, skip_seq, num_labels, raters_per_case,
        label_seq IS NULL AND num_labels < raters_per_case AS is_pending
    FROM queue
    LEFT JOIN own USING (pair_id)
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

# A case that enough others look at now comes behind all that still need somebody. One pass counts
# and finds it: on a large queue a pass takes longer than all else that a save does.
_TURN = f"""{_QUEUE}
SELECT
    arg_min(
        pair_id,
        (
            num_labels + coalesce(held, 0) >= raters_per_case,
            coalesce(skip_seq, 0),
            NOT is_first,
            -priority,
            seq
        )
    ) FILTER (is_pending) AS pair_id,
    {_COUNTS}
FROM own_queue
LEFT JOIN (
    SELECT pair_id, count(*) AS held FROM (SELECT unnest(CAST($held AS VARCHAR[])) AS pair_id)
    GROUP BY pair_id
) USING (pair_id)
"""  # noqa: S608 - our own text


@dataclass(frozen=True, slots=True)
class Turn:
    """A rater's next case, None at the end, and how far they are."""

    case: Case | None
    progress: LabelProgress


@dataclass(frozen=True, slots=True)
class _TurnRow:
    """A row of ``_TURN``."""

    pair_id: str | None
    done: int
    skipped: int
    pending: int


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
    pair_ids = [case.comparison.pair_id for case in (held or {}).values()]
    where = {"project": project_id, "rater": rater, "held": pair_ids}
    [row] = db.records(_TurnRow, _TURN, where)
    case = case_for(db, get_comparison(db, row.pair_id), rater, held) if row.pair_id else None
    return Turn(case, LabelProgress(row.done, row.skipped, row.pending))


def label_progress(db: Database, project_id: str, rater: str) -> LabelProgress:
    """Return the counts of the queue as a rater sees it."""
    progress = db.one(LabelProgress, _PROGRESS, {"project": project_id, "rater": rater})
    return progress or LabelProgress(0, 0, 0)
