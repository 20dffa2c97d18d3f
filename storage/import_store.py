"""Storing staged rows: prompts with their splits, pairs, and labels.

What is there already is left as it is, so storing may be broken off and done again. It goes part by
part, each a short transaction, for others label meanwhile; a label counts from the moment when the
last parts say that it stands.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

from gem_backend.types import ImportReport, SkippedRow
from storage.database import Database
from storage.identity import monotonic_s
from storage.import_events import CANNOT_ADD, CANNOT_SETTLE, SAVE_EVENTS, refuse_events
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

_CONFLICTS = """
SELECT DISTINCT staged.line, decided.split FROM staged JOIN decided USING (prompt_id)
WHERE kind <> 'prompt' AND staged.split <> decided.split
"""

_DROP_CONFLICTS = """
DELETE FROM staged USING decided
WHERE staged.prompt_id = decided.prompt_id
    AND staged.kind <> 'prompt' AND staged.split <> decided.split
"""

# Somebody may have entered the question since the plan was made, and so put it in a split.
_SPLIT_SINCE = """
staged.kind <> 'prompt' AND prompts.split <> 'pool' AND staged.split <> prompts.split
"""
_CONFLICTS_SINCE = (
    "SELECT DISTINCT staged.line, prompts.split FROM staged JOIN prompts USING (prompt_id)"  # noqa: S608 - ours
    f" WHERE {_SPLIT_SINCE}"
)
_DROP_CONFLICTS_SINCE = (
    "DELETE FROM staged USING prompts"  # noqa: S608 - our own text
    f" WHERE staged.prompt_id = prompts.prompt_id AND {_SPLIT_SINCE}"
)

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
CREATE TEMP TABLE new_pairs AS
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

# A pair may be stored with its answers the other way round.
_VERDICT = "CASE WHEN verdict <> 'a' OR staged.answer_a = pairs.answer_a THEN verdict ELSE 'b' END"

# A judgement is there already if it holds now, or if it was imported before, even when the rater
# has changed their mind since. In parts too: sorting out what is new takes memory for every row.
_SAVE_LABELS = f"""
INSERT INTO label_events (event_id, pair_id, rater, kind, verdict, strength, is_acceptable,
    rationale, reasons, is_imported, imported_by, imported_at, created_at, monotonic_s,
    is_final)
WITH said AS (
    SELECT
        place, pair_id, rater, strength, staged.is_acceptable, rationale, reasons, is_final,
        {_VERDICT} AS verdict
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

# What somebody said here, a withdrawal too, is newer than what a file says of them; only their own
# hand changes it, and no file settles a case of which anybody here has spoken. A row that was
# imported before is no news.
_OVERRULING = f"""
WITH own AS (
    SELECT pair_id, rater, is_final FROM label_events WHERE NOT is_imported AND kind <> 'skip'
), said AS (
    SELECT
        place, line, pair_id, rater, strength, staged.is_acceptable, rationale, reasons, is_final,
        {_VERDICT} AS verdict
    FROM staged JOIN pairs USING (pair_id)
    WHERE kind = 'label' AND if(
        is_final,
        pair_id IN (SELECT pair_id FROM own),
        (pair_id, rater) IN (SELECT (pair_id, rater) FROM own WHERE NOT is_final)
    )
), known AS (
    SELECT
        pair_id, rater, verdict, strength, is_acceptable, rationale, reasons, is_final, seq,
        is_imported
    FROM label_events WHERE kind = 'label' AND pair_id IN (SELECT pair_id FROM said)
)
SELECT place, line, 'label', is_final FROM said
ANTI JOIN (
    SELECT * FROM known WHERE is_imported OR seq IN (SELECT label_seq FROM standing)
) USING (pair_id, rater, verdict, strength, is_acceptable, rationale, reasons, is_final)
"""  # noqa: S608 - our own text
_SAID_HERE = "This rater has judged this case here, in other words; reopen that label to change it."

# What was said here since the plan was made is newer too; a skip says nothing of a case.
_SAID_SINCE = """
SELECT pair_id, rater FROM label_events
WHERE seq > $newest AND NOT is_imported AND kind <> 'skip'
"""
_OVERTAKEN = f"""
WITH said AS ({_SAID_SINCE})
SELECT place, line, kind, is_final FROM staged
WHERE place >= $start AND kind IN ('label', 'event') AND if(
    is_final IS TRUE,
    pair_id IN (SELECT pair_id FROM said),
    (pair_id, rater) IN (SELECT (pair_id, rater) FROM said)
)
"""  # noqa: S608 - our own text

# The pairs of which a row speaks; what stands on them is worked out anew.
_TOUCHED = """
CREATE TEMP TABLE touched AS
SELECT pair_id, row_number() OVER (ORDER BY min(place)) - 1 AS place FROM staged
WHERE kind <> 'prompt' GROUP BY pair_id
"""

_SPLIT_WORDS = {"train": "training", "held_out": "evaluation"}


@dataclass(frozen=True, slots=True)
class StoringPlan:
    """What was decided about the staged rows: ``num_new`` prompts and cases come of them.

    ``newest`` is the number of the newest event that it takes into account.
    """

    num_new: int
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
        for line, split in db.query(_CONFLICTS):
            skipped.add(SkippedRow(int(str(line)), _conflict(str(split))))
        db.execute(_DROP_CONFLICTS)
        skipped.add(*refuse_events(db), *_unstage(db, db.query(_OVERRULING)))
        db.execute_script(_NEW_PAIRS)
        db.execute_script(_TOUCHED)
        num_new = db.count(_COUNT_PROMPTS) + db.count(_COUNT_CASES)
    return StoringPlan(num_new, newest, skipped)


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
    skipped = plan.skipped
    imported = plan.num_new + _save_in_parts(db, owner, plan, on_part)
    rows = db.count("SELECT count(*) FROM staged")
    db.execute_script("DROP TABLE decided; DROP TABLE new_pairs; DROP TABLE touched")
    listed = tuple(sorted(skipped.rows, key=lambda row: row.line))
    return ImportReport(imported, rows - imported, listed, skipped.num_unlisted)


def _save_in_parts(
    db: Database,
    owner: Owner,
    plan: StoringPlan,
    on_part: Callable[[int, int], object],
) -> int:
    """Store everything; return how many judgements and events are new."""
    where = {"project": owner.project_id, "now": owner.now}
    brought = {"importer": owner.imported_by, "now": owner.now}
    monotonic = monotonic_s()

    def save_prompts(part: Part) -> int:
        db.execute(_UPDATE_PROMPTS, part)
        db.execute(_SAVE_PROMPTS, {**part, **where})
        for line, split in db.query(_CONFLICTS_SINCE):
            plan.skipped.add(SkippedRow(int(str(line)), _conflict(str(split))))
        db.execute(_DROP_CONFLICTS_SINCE)
        return 0

    def save_pairs(part: Part) -> int:
        db.execute(_SAVE_PAIRS, {**part, **where})
        return 0

    def save_labels(part: Part) -> int:
        plan.skipped.add(*_refuse_overtaken(db, plan.newest, part["start"]))
        return db.execute(_SAVE_LABELS, {**part, **brought, "monotonic": monotonic})

    def save_events(part: Part) -> int:
        plan.skipped.add(*_refuse_overtaken(db, plan.newest, part["start"]))
        return db.execute(SAVE_EVENTS, {**part, **brought})

    def stand(part: Part) -> int:
        stand_touched(db, part)
        return 0

    stages: tuple[tuple[str, Callable[[Part], int], int], ...] = (
        ("decided", save_prompts, _PART),
        ("new_pairs", save_pairs, _PART),
        ("staged WHERE kind = 'label'", save_labels, _LABELS),
        ("staged WHERE kind = 'event'", save_events, _PART),
        ("touched", stand, _PART),
    )
    ends = [db.count(f"SELECT max(place) + 1 FROM {of}") for of, *_ in stages]  # noqa: S608 - ours
    done, saved = 0, 0
    for end, (_, save, size) in zip(ends, stages, strict=True):
        start, rows = 0, size
        while start < end:
            on_part(done + start, sum(ends))
            with db.transaction():
                began = time.perf_counter()
                saved += save({"start": start, "end": start + rows - 1})
            start += rows
            rows = _next_size(rows, size, time.perf_counter() - began)
            time.sleep(_PAUSE_S)
        done += end
    return saved


def _next_size(rows: int, most: int, took_s: float) -> int:
    """How many rows the next part gets, after one of so many took so long."""
    if took_s > _PART_S:
        return max(rows // 2, min(_LEAST, rows))
    return min(rows * 2, most) if took_s < _PART_S / 4 else rows


def _refuse_overtaken(db: Database, newest: int, start: int) -> list[SkippedRow]:
    """Unstage the rows, from a place on, of which their raters have said something since."""
    since = {"newest": newest}
    if not db.query(f"{_SAID_SINCE} LIMIT 1", since):
        return []
    return _unstage(db, db.query(_OVERTAKEN, {**since, "start": start}))


def _unstage(db: Database, found: list[tuple[object, ...]]) -> list[SkippedRow]:
    """Leave rows out, (place, line, kind, is final), that people here have spoken about."""
    places = [place for place, *_ in found]
    db.execute("DELETE FROM staged WHERE place IN (SELECT unnest(CAST(? AS BIGINT[])))", [places])
    reasons = {
        int(str(line)): CANNOT_SETTLE if is_final else CANNOT_ADD if kind == "event" else _SAID_HERE
        for _, line, kind, is_final in found
    }
    return [SkippedRow(line, reasons[line]) for line in sorted(reasons)]


def _conflict(split: str) -> str:
    return f"This question is already used for {_SPLIT_WORDS[split]}; it cannot be in two splits."
