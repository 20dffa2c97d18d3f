"""Cases shown a second time, sides changed over: does a rater judge the same case the same way?

Nothing on screen tells a repeat from a new case. Its label is one more event of the log: the newest
holds, and label health compares the two.
"""

from gem_backend.types import Case
from storage.database import Database
from storage.pairs import get_comparison
from storage.projects import get_project
from storage.sides import case_for, turned

MIN_DISTANCE = 10  # ours: judgements in between, so that the first is no longer remembered

# Each judgement that was not taken back, numbered; "again" where the same pair was judged before.
# One that carries others, as an order of answers does, is not asked for again: a label in its place
# would take all of them back.
_DUE = """
WITH said AS (
    SELECT
        pair_id, label_events.seq, event_id, kind,
        lead(kind) OVER (PARTITION BY pair_id ORDER BY label_events.seq) AS next_kind
    FROM label_events JOIN pairs USING (pair_id)
    WHERE project_id = $project AND rater = $rater AND kind <> 'skip'
        AND NOT is_imported AND NOT is_final AND part_of IS NULL
), judged AS (
    SELECT
        pair_id, seq, event_id,
        row_number() OVER (ORDER BY seq DESC) - 1 AS judgements_since,
        count(*) OVER (PARTITION BY pair_id) AS times
    FROM said WHERE kind = 'label' AND next_kind IS DISTINCT FROM 'undo'
)
SELECT pair_id, judged.seq
FROM judged
JOIN standing USING (pair_id)
JOIN queue USING (pair_id)
WHERE rater = $rater AND NOT is_final AND label_seq = judged.seq AND skip_seq IS NULL
    AND times = 1 AND judgements_since >= $distance
    AND event_id NOT IN (SELECT part_of FROM label_events WHERE part_of IS NOT NULL)
    AND (SELECT 100 * (count(*) - count(DISTINCT pair_id) + 1) <= $percent * count(*) FROM judged)
ORDER BY judged.seq LIMIT 1
"""


def due_repeat(db: Database, project_id: str, rater: str) -> Case | None:
    """Return a case of the rater's that is to be shown once more, None where none is due.

    One is due while fewer than the project's ``repeat_percent`` of the rater's judgements are
    repeats. It is the oldest that was judged once, at least ``MIN_DISTANCE`` judgements ago.
    """
    percent = get_project(db, project_id).repeat_percent
    if not percent:
        return None
    where = {"project": project_id, "rater": rater, "percent": percent, "distance": MIN_DISTANCE}
    rows = db.query(_DUE, where)
    if not rows:
        return None
    [(pair_id, seq)] = rows
    comparison = get_comparison(db, str(pair_id))
    first = case_for(db, comparison, rater)
    return Case(comparison, turned(first.left), repeats=int(str(seq)))
