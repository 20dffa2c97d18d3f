"""Storing staged rows: prompts with their splits, pairs, and labels.

What is there already is left as it is, so storing may be broken off and done again. It goes part by
part, each a short transaction, for others label meanwhile; a label counts from the moment when the
last parts say that it stands.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

from gem_backend.types import ImportReport
from storage.database import Database
from storage.identity import monotonic_s
from storage.import_events import SAVE_EVENTS, refuse_events
from storage.import_refusals import (
    VERDICT,
    refuse_conflicts,
    refuse_overruling,
    refuse_overtaken,
)
from storage.import_rows import Refused
from storage.import_staging import Owner
from storage.standing import stand_touched

Part: TypeAlias = dict[str, int]  # the first and the last place of it

# One split for each prompt: the one it has, or the first that a row names, or one by its hash.
_DECIDE_SPLITS = """
CREATE TEMP TABLE decided AS
WITH asked AS (
    SELECT
        prompt_id,
        min(place) AS place,
        arg_min(split, place) FILTER (split <> 'pool') AS named,
        arg_min(gold_answer, place) AS gold_answer,
        bool_and(kind = 'prompt') AS is_pool,
        bool_and(kind <> 'case') AND bool_and(is_held_out) AS is_held_out
    FROM staged GROUP BY prompt_id
)
SELECT
    prompt_id, place, asked.gold_answer,
    prompts.prompt_id IS NULL AS is_new,
    CASE
        WHEN prompts.split <> 'pool' THEN prompts.split
        WHEN named IS NOT NULL THEN named
        WHEN is_pool THEN 'pool'
        WHEN is_held_out
            AND NOT EXISTS (FROM staged WHERE split IS NOT NULL AND kind <> 'prompt')
            THEN 'held_out'
        ELSE 'train'
    END AS split
FROM asked LEFT JOIN prompts USING (prompt_id)
"""

_SAVE_PROMPTS = """
INSERT INTO prompts (prompt_id, project_id, prompt, split, gold_answer, created_at)
SELECT prompt_id, $project, prompt, decided.split, decided.gold_answer, $now
FROM staged JOIN decided USING (prompt_id, place)
WHERE place BETWEEN $start AND $end AND is_new ORDER BY place
ON CONFLICT DO NOTHING
"""

_UPDATE_PROMPTS = """
UPDATE prompts SET
    split = if(prompts.split = 'pool', decided.split, prompts.split),
    gold_answer = coalesce(prompts.gold_answer, decided.gold_answer)
FROM decided
WHERE prompts.prompt_id = decided.prompt_id AND place BETWEEN $start AND $end
    AND (
        (prompts.split = 'pool' AND decided.split <> 'pool')
        OR (prompts.gold_answer IS NULL AND decided.gold_answer IS NOT NULL)
    )
"""

_COUNT_PROMPTS = """
SELECT count(*) FROM staged JOIN decided USING (prompt_id, place) WHERE kind = 'prompt' AND is_new
"""

_NEW_PAIRS = """
CREATE OR REPLACE TEMP TABLE new_pairs AS
SELECT pair_id, min(place) AS place FROM staged
WHERE kind <> 'prompt' AND pair_id NOT IN (SELECT pair_id FROM pairs)
GROUP BY pair_id
"""

# In parts: the texts of all at once would have to be sorted in memory.
_SAVE_PAIRS = """
INSERT INTO pairs
    (pair_id, project_id, prompt_id, answer_a, answer_b, source, is_written, created_at)
SELECT
    pair_id, $project, prompt_id, answer_a, answer_b, coalesce(source, 'imported'),
    coalesce(is_written, false), $now
FROM staged JOIN new_pairs USING (pair_id, place)
WHERE place BETWEEN $start AND $end ORDER BY place
ON CONFLICT DO NOTHING
"""
# What is gone through, by the numbers in ``place``.
_PROMPTS = "decided"
_PAIRS = "new_pairs"
_LABEL_ROWS = "staged WHERE kind = 'label'"
_EVENT_ROWS = "staged WHERE kind = 'event'"
_CASES = "touched"
# Rows, fewer than DuckDB's row group of 122,880: DuckDB 2.0 shows none of the rows of a larger
# insert that follows an empty one into the same table in one transaction, until it is opened again.
_PART = 10_000
_LABELS = 10_000  # rows: each part looks through the whole log
_LEAST = 5_000  # rows of a part, where the machine is slow
_PART_S = 0.2  # ours: after a longer part the next one is smaller, for others wait so long
_PAUSE_S = 0.01  # between parts, in which those who wait for the lock get it

# A written answer's pair, or one of an order, was no case so far.
_MAKE_CASES = """
UPDATE pairs SET is_written = false
WHERE is_written AND pair_id IN (SELECT pair_id FROM staged WHERE kind = 'case')
"""

_COUNT_CASES = (
    "SELECT count(*) FROM staged JOIN new_pairs USING (pair_id, place) WHERE kind = 'case'"
)

# A judgement is there already if it holds now, or if it was imported before, even when the rater
# has changed their mind since. In parts too: sorting out what is new takes memory for every row.
_SAVE_LABELS = f"""
INSERT INTO label_events (event_id, pair_id, rater, kind, verdict, strength, is_acceptable,
    rationale, reasons, is_imported, imported_by, imported_at, created_at, monotonic_s,
    is_final)
WITH said AS (
    SELECT
        place, pair_id, rater, strength, staged.is_acceptable, rationale, reasons, is_final,
        {VERDICT} AS verdict
    FROM staged JOIN pairs USING (pair_id)
    WHERE kind = 'label' AND place BETWEEN $start AND $end
), known AS (
    SELECT pair_id, rater, verdict, strength, is_acceptable, rationale, reasons, is_final
    FROM labels
    WHERE pair_id IN (SELECT pair_id FROM said)
    UNION ALL
    SELECT pair_id, rater, verdict, strength, is_acceptable, rationale, reasons, is_final
    FROM label_events WHERE is_imported AND pair_id IN (SELECT pair_id FROM said)
), new AS (
    SELECT
        min(place) AS place, pair_id, rater, strength, is_acceptable, rationale, reasons, is_final,
        verdict
    FROM said
    ANTI JOIN known
    USING (pair_id, rater, verdict, strength, is_acceptable, rationale, reasons, is_final)
    GROUP BY ALL
)
SELECT
    replace(CAST(uuid() AS VARCHAR), '-', ''), pair_id, rater, 'label', verdict, strength,
    is_acceptable, rationale, reasons, true, $importer, $now, $now, $monotonic, is_final
FROM new ORDER BY place
"""  # noqa: S608 - our own text

# The pairs of which a row speaks; what stands on them is worked out anew.
_TOUCHED = """
CREATE TEMP TABLE touched AS
SELECT pair_id, row_number() OVER (ORDER BY min(place)) - 1 AS place FROM staged
WHERE kind <> 'prompt' GROUP BY pair_id
"""


@dataclass(frozen=True, slots=True)
class StoringPlan:
    """What was decided about the staged rows, besides what the temporary tables hold.

    ``newest`` is the number of the newest event that it takes into account.
    """

    newest: int
    skipped: Refused


def plan_storing(db: Database, skipped: Refused) -> StoringPlan:
    """Decide what is stored and how, in temporary tables; nobody waits for it.

    Args:
        db: the open database.
        skipped: the rows that were refused before; rows refused here join them.
    """
    with db.aside():
        newest = db.count("SELECT max(seq) FROM label_events")
        db.execute_script(_DECIDE_SPLITS)
        skipped.add(*refuse_conflicts(db, "decided"), *refuse_events(db), *refuse_overruling(db))
        db.execute_script(_NEW_PAIRS)
        db.execute_script(_TOUCHED)
    return StoringPlan(newest, skipped)


def store_staged(
    db: Database,
    owner: Owner,
    plan: StoringPlan,
    on_part: Callable[[int, int], object] = lambda *_: None,
) -> ImportReport:
    """Store what is staged and say what became of every row.

    Args:
        db: the open database.
        owner: the project that gets the rows, and who brings them.
        plan: what was decided.
        on_part: told before each part how much is done, and of how much.
    """
    db.execute(_MAKE_CASES)
    imported = _save_in_parts(db, owner, plan, on_part)
    rows = db.count("SELECT count(*) FROM staged")
    db.execute_script("DROP TABLE decided; DROP TABLE new_pairs; DROP TABLE touched")
    listed = tuple(sorted(plan.skipped.rows, key=lambda row: row.line))
    return ImportReport(imported, rows - imported, listed, plan.skipped.num_unlisted)


def _save_in_parts(
    db: Database,
    owner: Owner,
    plan: StoringPlan,
    on_part: Callable[[int, int], object],
) -> int:
    """Store everything; return how many prompts, cases, judgements and events are new."""
    where = {"project": owner.project_id, "now": owner.now}
    brought = {"importer": owner.imported_by, "now": owner.now}
    monotonic = monotonic_s()

    def save_prompts(part: Part) -> int:
        db.execute(_UPDATE_PROMPTS, part)
        db.execute(_SAVE_PROMPTS, {**part, **where})
        return 0

    def save_pairs(part: Part) -> int:
        db.execute(_SAVE_PAIRS, {**part, **where})
        return 0

    def save_labels(part: Part) -> int:
        plan.skipped.add(*refuse_overtaken(db, plan.newest, part["start"]))
        return db.execute(_SAVE_LABELS, {**part, **brought, "monotonic": monotonic})

    def save_events(part: Part) -> int:
        plan.skipped.add(*refuse_overtaken(db, plan.newest, part["start"]))
        return db.execute(SAVE_EVENTS, {**part, **brought})

    def stand(part: Part) -> int:
        stand_touched(db, part)
        return 0

    parts = _Parts(db, on_part)
    parts.run(_PROMPTS, save_prompts, _PART)
    _keep_to_splits(db, plan)
    new = db.count(_COUNT_PROMPTS) + db.count(_COUNT_CASES)
    parts.run(_PAIRS, save_pairs, _PART)
    new += parts.run(_LABEL_ROWS, save_labels, _LABELS)
    new += parts.run(_EVENT_ROWS, save_events, _PART)
    parts.run(_CASES, stand, _PART)
    return new


def _keep_to_splits(db: Database, plan: StoringPlan) -> None:
    """Refuse the rows of questions that somebody entered, and so put in a split, since the plan.

    From here on no question that has answers changes its split.
    """
    with db.aside():
        if refused := refuse_conflicts(db, "prompts"):
            plan.skipped.add(*refused)
            db.execute_script(_NEW_PAIRS)


class _Parts:
    """Goes through tables part by part, each a short transaction; tells how far it is."""

    def __init__(self, db: Database, on_part: Callable[[int, int], object]) -> None:
        self._db = db
        self._on_part = on_part
        self._done = 0
        self._ends = {
            of: self._end(of) for of in (_PROMPTS, _PAIRS, _LABEL_ROWS, _EVENT_ROWS, _CASES)
        }

    def _end(self, of: str) -> int:
        return self._db.count(f"SELECT max(place) + 1 FROM {of}")  # noqa: S608 - ours

    def run(self, of: str, save: Callable[[Part], int], most: int) -> int:
        """Save one table, at most so many rows at a time; return the sum of what ``save`` said."""
        start, rows, saved, end = 0, most, 0, self._end(of)  # its rows may have changed meanwhile
        while start < end:
            self._on_part(self._done + start, sum(self._ends.values()))
            with self._db.transaction():
                began = time.perf_counter()
                saved += save({"start": start, "end": start + rows - 1})
            start += rows
            rows = _next_size(rows, most, time.perf_counter() - began)
            time.sleep(_PAUSE_S)
        self._done += self._ends[of]
        return saved


def _next_size(rows: int, most: int, took_s: float) -> int:
    """How many rows the next part gets, after one of so many took so long."""
    if took_s > _PART_S:
        return max(rows // 2, min(_LEAST, rows))
    return min(rows * 2, most) if took_s < _PART_S / 4 else rows
