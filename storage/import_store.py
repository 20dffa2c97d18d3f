"""Storing staged rows: prompts with their splits, pairs, and labels, all at once.

What is there already is left as it is.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from gem_backend.types import ImportReport, SkippedRow
from storage.database import Database
from storage.identity import monotonic_s, utc_now
from storage.import_events import CANNOT_SETTLE, SAVE_EVENTS, refuse_events
from storage.import_rows import Refused
from storage.standing import stand_project

CREATE_STAGED = """
CREATE TEMP TABLE staged (
    place BIGINT, line BIGINT, prompt_id VARCHAR, pair_id VARCHAR, is_held_out BOOLEAN,
    kind VARCHAR, prompt VARCHAR, answer_a VARCHAR, answer_b VARCHAR, verdict VARCHAR,
    strength INTEGER, is_acceptable BOOLEAN, rationale VARCHAR, rater VARCHAR, split VARCHAR,
    gold_answer VARCHAR, reasons VARCHAR[], event_id VARCHAR, event_kind VARCHAR, "left" VARCHAR,
    elapsed_s DOUBLE, is_imported BOOLEAN, logged_at VARCHAR, monotonic_s DOUBLE, source VARCHAR,
    part_of VARCHAR, is_written BOOLEAN, is_final BOOLEAN
)
"""

# One split for each prompt: the one it has, or the first that a row names, or one by its hash.
_DECIDE_SPLITS = """
CREATE TEMP TABLE decided AS
WITH asked AS (
    SELECT
        prompt_id,
        min(place) AS place,
        arg_min(split, place) FILTER (split <> 'pool') AS named,
        bool_and(kind = 'prompt') AS is_pool,
        bool_and(kind <> 'case') AND bool_and(is_held_out) AS is_held_out
    FROM staged GROUP BY prompt_id
)
SELECT
    prompt_id, place,
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

_SAVE_PROMPTS = """
INSERT INTO prompts (prompt_id, project_id, prompt, split, gold_answer, created_at)
SELECT
    prompt_id, $project, any_value(prompt), any_value(decided.split),
    arg_min(gold_answer, staged.place), $now
FROM staged JOIN decided USING (prompt_id)
GROUP BY prompt_id ORDER BY min(staged.place)
ON CONFLICT (prompt_id) DO UPDATE SET
    split = excluded.split, gold_answer = coalesce(gold_answer, excluded.gold_answer)
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
"""
# Rows, fewer than DuckDB's row group of 122,880: DuckDB 2.0 shows none of the rows of a larger
# insert that follows an empty one into the same table in one transaction, until it is opened again.
_PART = 10_000
_LABELS = 50_000  # rows: each part looks through the whole log

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

# What somebody said here is newer than what a file says of them; only their own hand changes it,
# and no file settles a case on which anybody here has a label. A row that was imported before is no
# news.
_OVERRULING = f"""
WITH own AS (
    SELECT pair_id, rater, is_final FROM labels WHERE NOT is_imported
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
SELECT place, line, is_final FROM said
ANTI JOIN (
    SELECT * FROM known WHERE is_imported OR seq IN (SELECT label_seq FROM standing)
) USING (pair_id, rater, verdict, strength, is_acceptable, rationale, reasons, is_final)
"""  # noqa: S608 - our own text
_SAID_HERE = "This rater has judged this case here, in other words; reopen that label to change it."

_SPLIT_WORDS = {"train": "training", "held_out": "evaluation"}


@dataclass(frozen=True, slots=True)
class Owner:
    """Where rows go, and who brings them."""

    project_id: str
    imported_by: str


def store_staged(
    db: Database,
    owner: Owner,
    skipped: Refused,
    on_part: Callable[[int, int], object] = lambda *_: None,
) -> ImportReport:
    """Store what is staged, drop the staging tables, and say what became of every row.

    Args:
        db: the open database, in a transaction.
        owner: the project that gets the rows, and who brings them.
        skipped: the rows that were refused before; rows refused here join them.
        on_part: told before each part how much is done, and of how much; an error it raises ends
            the work.
    """
    project_id, now = owner.project_id, utc_now()
    where = {"project": project_id, "now": now}
    db.execute_script(_DECIDE_SPLITS)
    for line, split in db.query(_CONFLICTS):
        skipped.add(SkippedRow(int(str(line)), _conflict(str(split))))
    db.execute(_DROP_CONFLICTS)
    skipped.add(*refuse_events(db), *_refuse_overruling(db))
    rows = db.count("SELECT count(*) FROM staged")
    imported = db.count(_COUNT_PROMPTS)
    db.execute(_SAVE_PROMPTS, where)
    db.execute_script(_NEW_PAIRS)
    imported += db.count(_COUNT_CASES)
    db.execute(_MAKE_CASES)
    imported += _save_in_parts(db, where, owner.imported_by, on_part)
    stand_project(db, project_id)
    db.execute_script("DROP TABLE staged; DROP TABLE decided; DROP TABLE new_pairs")
    listed = tuple(sorted(skipped.rows, key=lambda row: row.line))
    return ImportReport(imported, rows - imported, listed, skipped.num_unlisted)


def _save_in_parts(
    db: Database,
    where: dict[str, str],
    importer: str,
    on_part: Callable[[int, int], object],
) -> int:
    """Store the pairs, then judgements and events; return how many of these are new."""
    brought = {"now": where["now"], "importer": importer}
    stages: tuple[tuple[str, str, int, dict[str, Any]], ...] = (
        ("new_pairs", _SAVE_PAIRS, _PART, where),
        (
            "staged WHERE kind = 'label'",
            _SAVE_LABELS,
            _LABELS,
            {**brought, "monotonic": monotonic_s()},
        ),
        ("staged WHERE kind = 'event'", SAVE_EVENTS, _PART, brought),
    )
    last = [db.count(f"SELECT max(place) FROM {of}") for of, *_ in stages]  # noqa: S608 - ours
    done, saved = 0, []
    for end, (_, sql, size, values) in zip(last, stages, strict=True):
        saved.append(0)
        for start in range(0, end + 1, size):
            on_part(done + start, sum(last) + 1)
            saved[-1] += db.execute(sql, {**values, "start": start, "end": start + size - 1})
        done += end
    return sum(saved[1:])


def _refuse_overruling(db: Database) -> list[SkippedRow]:
    """Unstage the judgements that would replace what their raters said here."""
    rows = [
        (int(str(place)), int(str(line)), final) for place, line, final in db.query(_OVERRULING)
    ]
    places = [place for place, *_ in rows]
    db.execute("DELETE FROM staged WHERE place IN (SELECT unnest(CAST(? AS BIGINT[])))", [places])
    reasons = {line: CANNOT_SETTLE if final else _SAID_HERE for _, line, final in rows}
    return [SkippedRow(line, reasons[line]) for line in sorted(reasons)]


def _conflict(split: str) -> str:
    return f"This question is already used for {_SPLIT_WORDS[split]}; it cannot be in two splits."
