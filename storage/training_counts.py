"""How large the parts of a run would be, counted in the database.

The figures are those of ``gem_backend.training_data.split_training_data`` on the same labels.
"""

from dataclasses import dataclass
from typing import Any

from gem_backend.training_data import KEPT_ASIDE_SHARE, TrainingCounts, reason_to_leave_out
from storage.database import Database
from storage.pairs import SETTLED

# As storage.pairs.training_pairs, without texts. Where a case is settled that label alone counts.
_SAID = f"""
WITH settled AS ({SETTLED}), said AS (
    SELECT
        labels.seq, pairs.seq AS pair_seq, prompt_id, split, is_acceptable,
        if(verdict IN ('a', 'b'), 'preferred', verdict) AS verdict,
        if(verdict = 'b', answer_b, answer_a) AS chosen
    FROM labels
    JOIN pairs USING (pair_id)
    JOIN prompts USING (prompt_id)
    LEFT JOIN settled USING (pair_id)
    WHERE pairs.project_id = $project
        AND (labels.seq = final_seq OR (final_seq IS NULL AND NOT is_final))
), usable AS (
    FROM said WHERE verdict = 'preferred' AND is_acceptable
)
"""  # noqa: S608 - our own text
_COUNTS = f"""{_SAID}
SELECT verdict, is_acceptable, count(*), count(*) FILTER (split = 'held_out')
FROM said GROUP BY verdict, is_acceptable
"""  # noqa: S608 - our own text

# Where nobody held a prompt out: the first of them in the order of their hashes.
_KEPT_ASIDE = f"""{_SAID}, asked AS (
    SELECT prompt_id, any_value(prompt) AS prompt, count(*) AS num_pairs
    FROM usable JOIN prompts USING (prompt_id) GROUP BY prompt_id
)
SELECT prompt_id, num_pairs FROM asked
ORDER BY sha256(prompt) LIMIT (SELECT CAST(floor(count(*) * $share) AS BIGINT) FROM asked)
"""  # noqa: S608 - our own text

_EXAMPLE = f"""{_SAID}
SELECT prompt, chosen FROM usable JOIN prompts USING (prompt_id)
WHERE usable.split <> 'held_out' AND prompt_id NOT IN (SELECT unnest(CAST($aside AS VARCHAR[])))
ORDER BY pair_seq, usable.seq LIMIT 1
"""  # noqa: S608 - our own text

_OPEN_PROMPTS = "SELECT count(*) FROM prompts WHERE project_id = $project AND split <> 'held_out'"


@dataclass(frozen=True, slots=True)
class CountedTraining:
    """The parts of a run in numbers, and the first training pair: prompt and better answer."""

    counts: TrainingCounts
    example: tuple[str, str] | None


def count_training(db: Database, project_id: str) -> CountedTraining:
    """Count what of a project's labels would train, be held out, and be left out."""
    project = {"project": project_id}
    left_out: dict[str, int] = {}
    num_usable, num_held_out = 0, 0
    rows: list[tuple[Any, ...]] = db.query(_COUNTS, project)
    for verdict, is_acceptable, count, count_held_out in rows:
        reason = reason_to_leave_out(verdict, is_acceptable)
        if reason:
            left_out[reason] = left_out.get(reason, 0) + count
        else:
            num_usable, num_held_out = num_usable + count, num_held_out + count_held_out
    aside: list[str] = []
    if not num_held_out:
        kept: list[tuple[Any, ...]] = db.query(_KEPT_ASIDE, {**project, "share": KEPT_ASIDE_SHARE})
        aside = [key for key, _ in kept]
        num_held_out = sum(num_pairs for _, num_pairs in kept)
    counts = TrainingCounts(
        num_train=num_usable - num_held_out,
        num_held_out=num_held_out,
        num_prompts=db.count(_OPEN_PROMPTS, project) - len(aside),
        left_out=tuple(sorted(left_out.items())),
    )
    found = db.query(_EXAMPLE, {**project, "aside": aside})
    example = (str(found[0][0]), str(found[0][1])) if found else None
    return CountedTraining(counts, example)
