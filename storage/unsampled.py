"""Which of a project's prompts a model has answered in Explore, and which still wait for it.

Held-out prompts are left alone, but for those that somebody has explored by hand.
"""

from storage.database import Database

_ANSWERED = """
SELECT prompt_id FROM candidates
WHERE prompt_id IS NOT NULL AND model = $model AND adapter IS NOT DISTINCT FROM $adapter
"""
_OF_PROJECT = """
FROM prompts
WHERE project_id = $project AND (
    split <> 'held_out'
    OR prompt_id IN (SELECT prompt_id FROM candidates WHERE prompt_id IS NOT NULL)
)
"""
_ALL = f"SELECT count(*) {_OF_PROJECT}"
_DONE = f"{_ALL} AND prompt_id IN ({_ANSWERED})"
_WAITING = f"SELECT prompt_id {_OF_PROJECT} AND prompt_id NOT IN ({_ANSWERED}) ORDER BY seq"


def count_sampled(
    db: Database, project_id: str, model: str, adapter: str | None
) -> tuple[int, int]:
    """Return how many of a project's prompts a model has answered, and of how many.

    Args:
        db: the open database.
        project_id: the project.
        model: as candidates know it.
        adapter: a run id, None for the base model.
    """
    known = {"project": project_id, "model": model, "adapter": adapter}
    return db.count(_DONE, known), db.count(_ALL, {"project": project_id})


def unsampled_prompts(db: Database, project_id: str, model: str, adapter: str | None) -> list[str]:
    """Return the ids of the prompts that a model has not answered, in the order they came."""
    known = {"project": project_id, "model": model, "adapter": adapter}
    return [str(prompt_id) for (prompt_id,) in db.query(_WAITING, known)]


def is_sampled(db: Database, prompt_id: str, model: str, adapter: str | None) -> bool:
    """Whether a model has answered a prompt in Explore."""
    known = {"prompt": prompt_id, "model": model, "adapter": adapter}
    return bool(db.query(f"{_ANSWERED} AND prompt_id = $prompt LIMIT 1", known))
