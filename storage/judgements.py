"""What raters said, as the statistics of agreement and label health take it."""

from gem_backend.agreement import Rating
from gem_backend.judged import JudgedCase
from storage.database import Database

# An imported pair has the answer that its first rater preferred in front: nearly all verdicts would
# be "a", and agreement would hide behind chance. So here the answer with the smaller hash is first.
_RATED = """
SELECT
    pair_id AS case_id,
    rater,
    CASE
        WHEN verdict NOT IN ('a', 'b') THEN verdict
        WHEN (verdict = 'a') = (md5(answer_a) < md5(answer_b)) THEN 'first'
        ELSE 'second'
    END AS category
FROM labels JOIN pairs USING (pair_id) WHERE project_id = ? AND NOT is_final
"""
_RATINGS = f"{_RATED} ORDER BY labels.seq"

# What follows from a better answer that a rater wrote was not compared; an order of answers was.
_FOLLOWS = "SELECT event_id FROM label_events WHERE verdict = 'both_bad'"
_OWN_RATINGS = f"{_RATED} AND (part_of IS NULL OR part_of NOT IN ({_FOLLOWS})) ORDER BY labels.seq"

# An import tells when its file was read, not when its raters were at work.
_LAST_ACTIVE = """
SELECT label_events.rater, max(label_events.created_at)
FROM label_events JOIN pairs USING (pair_id)
WHERE project_id = ? AND NOT is_imported AND NOT is_final
GROUP BY label_events.rater
"""

# Every judgement of a rater that was not taken back; the same case judged again stands twice. An
# undo takes back the rater's last label of that pair before it.
_JUDGED = f"""
SELECT
    pair_id, prompt, answer_a, answer_b, rater, verdict, "left", strength, reasons, rationale,
    elapsed_s
FROM (
    SELECT *, lead(kind) OVER (PARTITION BY pair_id, rater ORDER BY seq) AS next_kind
    FROM label_events WHERE kind <> 'skip' AND NOT is_final
) AS said JOIN pairs USING (pair_id) JOIN prompts USING (prompt_id)
WHERE pairs.project_id = ? AND kind = 'label' AND next_kind IS DISTINCT FROM 'undo'
    AND (part_of IS NULL OR part_of NOT IN ({_FOLLOWS}))
ORDER BY said.seq
"""  # noqa: S608 - our own text

_LAST = """
SELECT max(label_events.seq) FROM label_events JOIN pairs USING (pair_id) WHERE project_id = ?
"""


def ratings(db: Database, project_id: str) -> list[Rating]:
    """Return each rater's verdict on each case as it stands: "first" or "second" for an answer."""
    return db.records(Rating, _RATINGS, [project_id])


def own_ratings(db: Database, project_id: str) -> list[Rating]:
    """Return the same without what only follows from a better answer that a rater wrote."""
    return db.records(Rating, _OWN_RATINGS, [project_id])


def last_active(db: Database, project_id: str) -> dict[str, str]:
    """Return when each rater last said something in a project, ISO 8601 in UTC."""
    rows = db.query(_LAST_ACTIVE, [project_id])
    return {str(rater): str(moment) for rater, moment in rows}


def judged_cases(db: Database, project_id: str) -> list[JudgedCase]:
    """Return every judgement that was not taken back, the oldest first."""
    return db.records(JudgedCase, _JUDGED, [project_id])


def last_event(db: Database, project_id: str) -> int:
    """Return the number of a project's newest event; it grows with every event."""
    return db.count(_LAST, [project_id])
