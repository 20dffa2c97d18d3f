"""Which cases raters are asked about first: a number beside each case of the queue.

Held-out cases have none: were the doubtful ones labelled first, they would not stand for the rest.
"""

from collections.abc import Mapping

from gem_backend.types import Comparison
from storage.database import Database

_WAITING = """
FROM queue JOIN projects USING (project_id)
WHERE queue.project_id = $project AND num_labels < raters_per_case
    AND pair_id IN (
        SELECT pair_id FROM pairs JOIN prompts USING (prompt_id)
        WHERE pairs.project_id = $project AND split = 'train'
    )
"""

_PENDING = f"""
SELECT pair_id, pairs.project_id, prompt_id, prompt, answer_a, answer_b, split, pairs.source
FROM (
    SELECT pair_id, is_first, queue.seq {_WAITING} ORDER BY is_first DESC, queue.seq LIMIT $limit
) AS waiting JOIN pairs USING (pair_id) JOIN prompts USING (prompt_id)
ORDER BY is_first DESC, waiting.seq
"""  # noqa: S608 - our own text

_ORDERED = f"SELECT count(*) {_WAITING} AND priority > 0"

_SET = """
UPDATE queue SET priority = given.priority, priority_rank = given.priority_rank
FROM (
    SELECT pair_id, priority, dense_rank() OVER (ORDER BY priority) AS priority_rank FROM (
        SELECT unnest(CAST(? AS VARCHAR[])) AS pair_id, unnest(CAST(? AS DOUBLE[])) AS priority
    )
) AS given
WHERE queue.pair_id = given.pair_id AND project_id = ?
"""


def pending_cases(db: Database, project_id: str, limit: int) -> list[Comparison]:
    """Return the cases that train and need one more rater or several, in the order they came."""
    return db.records(Comparison, _PENDING, {"project": project_id, "limit": limit})


def set_priorities(db: Database, project_id: str, priorities: Mapping[str, float]) -> int:
    """Order a project's cases anew, and return how many of those named are in its queue.

    Args:
        db: the open database.
        project_id: the project.
        priorities: above 0, a higher one comes first, by pair. Every other case of the project
            goes back to 0 and comes after: two orders have no common scale.
    """
    with db.transaction():
        db.execute(
            "UPDATE queue SET priority = 0, priority_rank = 0"
            " WHERE project_id = ? AND priority <> 0",
            [project_id],
        )
        return db.execute(_SET, [list(priorities), list(priorities.values()), project_id])


def num_ordered(db: Database, project_id: str) -> int:
    """Return how many cases that still need a rater have a priority."""
    return db.count(_ORDERED, {"project": project_id})
