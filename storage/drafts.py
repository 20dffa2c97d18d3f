"""What people have typed and not saved: no part of the log, and of no export."""

from collections.abc import Mapping
from typing import NamedTuple

from storage.database import Database
from storage.identity import utc_now

_LOAD = "SELECT kind, rater, subject, content FROM drafts WHERE kind = ? ORDER BY updated_at"
_KEEP = """
INSERT INTO drafts VALUES (?, ?, ?, ?, ?) ON CONFLICT (kind, rater, subject)
DO UPDATE SET content = excluded.content, updated_at = excluded.updated_at
"""
_DROP = "DELETE FROM drafts WHERE kind = ? AND rater = ? AND subject = ?"


class DraftKey(NamedTuple):
    """Whose draft it is, of which form, and about what: the id of a pair or a project."""

    kind: str
    rater: str
    subject: str


def load_drafts(db: Database, kind: str) -> dict[DraftKey, str]:
    """Return all drafts of a form, the oldest first."""
    return {DraftKey(*map(str, key)): str(content) for *key, content in db.query(_LOAD, [kind])}


def write_drafts(db: Database, drafts: Mapping[DraftKey, str | None]) -> None:
    """Keep drafts in the place of those that were there; None drops one. All of them, or none."""
    with db.transaction():
        for key, content in drafts.items():
            if content is None:
                db.execute(_DROP, list(key))
            else:
                db.execute(_KEEP, [*key, content, utc_now()])
