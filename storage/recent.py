"""The rater's own labels that hold: looked back at, and taken back one by one."""

from dataclasses import dataclass

from gem_backend.types import Case, Verdict
from storage.database import Database
from storage.pairs import (
    OWN_LABELS,
    PARTS,
    Judgement,
    append_event,
    get_comparison,
    show_case,
    withdraw_parts,
)

_RECENT = f"""
SELECT
    event_id, pair_id, verdict, strength, is_acceptable, rationale, elapsed_s, reasons,
    labels.created_at
{OWN_LABELS} AND ($pair IS NULL OR pair_id = $pair)
ORDER BY labels.seq DESC LIMIT $limit
"""

_TIMES = f"""
SELECT median(elapsed_s) FROM (
    SELECT elapsed_s {OWN_LABELS} AND elapsed_s IS NOT NULL ORDER BY labels.seq DESC LIMIT $limit
)
"""  # noqa: S608 - our own text


@dataclass(frozen=True, slots=True)
class StoredLabel:
    """A judgement with the case it was about and its moment, ISO 8601 in UTC."""

    case: Case
    judgement: Judgement
    created_at: str


def undo(
    db: Database, project_id: str, rater: str, pair_id: str | None = None
) -> StoredLabel | None:
    """Withdraw a label of the rater's that holds and return it, None without one.

    Without a pair it is the newest one; called again it goes one label further back. What was
    stored together with a label is withdrawn with it. Imported labels are left alone.
    """
    with db.transaction():
        rows = _recent(db, project_id, rater, 1, pair_id)
        if not rows:
            return None
        label = _stored_label(db, rows[0], rater)
        append_event(db, label.case, rater, "undo")
        withdraw_parts(db, rows[0].event_id, rater)
        return label


def recent_labels(db: Database, project_id: str, rater: str, limit: int = 10) -> list[StoredLabel]:
    """Return the rater's own labels that hold, the newest first; imported ones are left out."""
    return [_stored_label(db, row, rater) for row in _recent(db, project_id, rater, limit)]


def own_label(db: Database, case: Case, rater: str) -> StoredLabel | None:
    """Return what the rater's label on a case says, None where there is none that holds."""
    rows = _recent(db, case.comparison.project_id, rater, 1, case.comparison.pair_id)
    return _stored_label(db, rows[0], rater) if rows else None


def median_elapsed_s(db: Database, project_id: str, rater: str, limit: int = 20) -> float | None:
    """Return the median time of the rater's last labels in seconds, None where none was timed."""
    rows = db.query(_TIMES, {"project": project_id, "rater": rater, "limit": limit})
    value = rows[0][0] if rows else None
    return float(value) if isinstance(value, int | float) else None


@dataclass(frozen=True, slots=True)
class _LabelRow:
    """A row of ``_RECENT``."""

    event_id: str
    pair_id: str
    verdict: Verdict
    strength: int
    is_acceptable: bool
    rationale: str
    elapsed_s: float | None
    reasons: tuple[str, ...]
    created_at: str


def _recent(
    db: Database, project_id: str, rater: str, limit: int, pair_id: str | None = None
) -> list[_LabelRow]:
    where = {"project": project_id, "rater": rater, "pair": pair_id, "limit": limit}
    return db.records(_LabelRow, _RECENT, where)


def _stored_label(db: Database, row: _LabelRow, rater: str) -> StoredLabel:
    parts = db.query(PARTS, [row.event_id])
    judgement = Judgement(
        row.verdict,
        row.strength,
        row.is_acceptable,
        row.rationale,
        row.elapsed_s,
        row.reasons,
        written=str(parts[0][1]) if parts else "",
    )
    case = show_case(get_comparison(db, row.pair_id), rater)
    return StoredLabel(case, judgement, row.created_at)
