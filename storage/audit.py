"""The label log as it was written: who said what, when, and what they took back."""

from gem_backend.types import LabelEvent
from storage.database import Database

_LOG = """
SELECT
    event_id, pair_id, label_events.rater, kind, verdict, "left", strength, is_acceptable,
    rationale, elapsed_s, label_events.created_at, label_events.reasons,
    is_final, is_imported, imported_by, imported_at
FROM label_events JOIN pairs USING (pair_id)
"""


def label_log(db: Database, project_id: str, limit: int = 1000) -> list[LabelEvent]:
    """Return a project's newest events, the newest first.

    Args:
        db: the open database.
        project_id: the project.
        limit: how many events at most.
    """
    condition = " WHERE pairs.project_id = ? ORDER BY label_events.seq DESC LIMIT ?"
    return db.records(LabelEvent, _LOG + condition, [project_id, limit])


def pair_log(db: Database, pair_id: str) -> list[LabelEvent]:
    """Return everything that was ever said about a pair, the oldest first."""
    condition = " WHERE pair_id = ? ORDER BY label_events.seq"
    return db.records(LabelEvent, _LOG + condition, [pair_id])
