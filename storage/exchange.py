"""Importing files: rows are staged in a temporary table, then stored in one go or not at all.

What is there already is left as it is, so importing a file twice adds nothing.
"""

from collections.abc import Iterator
from dataclasses import asdict, fields
from pathlib import Path

import pyarrow as pa

from gem_backend.types import ImportReport, SkippedRow
from storage.database import Database
from storage.errors import ImportFileError
from storage.identity import is_held_out, monotonic_s, pair_id, prompt_id, utc_now
from storage.import_files import NOT_JSON, NOT_NAMED, read_rows
from storage.import_rows import NO_PROMPT, ImportRow, RawRow, RowError, parse_row
from storage.projects import get_project

_BATCH = 500  # rows; the most that is in memory at once

_STAGED = pa.schema(
    [
        ("line", pa.int64()),
        ("prompt_id", pa.string()),
        ("pair_id", pa.string()),
        ("is_held_out", pa.bool_()),
        *((field.name, pa.string()) for field in fields(ImportRow)),
    ]
)
for _name, _type in (
    ("strength", pa.int32()),
    ("is_acceptable", pa.bool_()),
    ("reasons", pa.list_(pa.string())),
):
    _STAGED = _STAGED.set(_STAGED.get_field_index(_name), pa.field(_name, _type))

_CREATE_STAGED = """
CREATE TEMP TABLE staged (
    line BIGINT, prompt_id VARCHAR, pair_id VARCHAR, is_held_out BOOLEAN, kind VARCHAR,
    prompt VARCHAR, answer_a VARCHAR, answer_b VARCHAR, verdict VARCHAR, strength INTEGER,
    is_acceptable BOOLEAN, rationale VARCHAR, rater VARCHAR, split VARCHAR, gold_answer VARCHAR,
    reasons VARCHAR[]
)
"""

# One split for each prompt: the one it has, or the first that a row names, or one by its hash.
_DECIDE_SPLITS = """
CREATE TEMP TABLE decided AS
WITH asked AS (
    SELECT
        prompt_id,
        min(line) AS line,
        arg_min(split, line) FILTER (split <> 'pool') AS named,
        bool_and(kind = 'prompt') AS is_pool,
        bool_and(kind <> 'case') AND bool_and(is_held_out) AS is_held_out
    FROM staged GROUP BY prompt_id
)
SELECT
    prompt_id, line,
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
SELECT staged.line, decided.split FROM staged JOIN decided USING (prompt_id)
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
    arg_min(gold_answer, staged.line), $now
FROM staged JOIN decided USING (prompt_id)
GROUP BY prompt_id ORDER BY min(staged.line)
ON CONFLICT (prompt_id) DO UPDATE SET
    split = excluded.split, gold_answer = coalesce(gold_answer, excluded.gold_answer)
"""

_COUNT_PROMPTS = """
SELECT count(*) FROM staged JOIN decided USING (prompt_id, line) WHERE kind = 'prompt' AND is_new
"""

_NEW_PAIRS = """
CREATE TEMP TABLE new_pairs AS
SELECT pair_id, min(line) AS line FROM staged
WHERE kind <> 'prompt' AND pair_id NOT IN (SELECT pair_id FROM pairs)
GROUP BY pair_id
"""

_SAVE_PAIRS = """
INSERT INTO pairs (pair_id, project_id, prompt_id, answer_a, answer_b, source, created_at)
SELECT pair_id, $project, prompt_id, answer_a, answer_b, 'imported', $now
FROM staged JOIN new_pairs USING (pair_id, line) ORDER BY line
"""

_COUNT_CASES = (
    "SELECT count(*) FROM staged JOIN new_pairs USING (pair_id, line) WHERE kind = 'case'"
)

# A pair may be stored with its answers the other way round. A judgement is there already if it
# holds now, or if it was imported before, even when the rater has changed their mind since.
_SAVE_LABELS = """
INSERT INTO label_events (event_id, pair_id, rater, kind, verdict, strength, is_acceptable,
    rationale, reasons, is_imported, created_at, monotonic_s)
WITH said AS (
    SELECT
        line, pair_id, rater, strength, staged.is_acceptable, rationale, reasons,
        CASE
            WHEN verdict <> 'a' OR staged.answer_a = pairs.answer_a THEN verdict ELSE 'b'
        END AS verdict
    FROM staged JOIN pairs USING (pair_id)
    WHERE kind = 'label'
), new AS (
    SELECT min(line) AS line, pair_id, rater, strength, is_acceptable, rationale, reasons, verdict
    FROM said
    ANTI JOIN (
        SELECT pair_id, rater, verdict, strength, is_acceptable, rationale, reasons FROM labels
        UNION ALL
        SELECT pair_id, rater, verdict, strength, is_acceptable, rationale, reasons
        FROM label_events WHERE is_imported
    ) USING (pair_id, rater, verdict, strength, is_acceptable, rationale, reasons)
    GROUP BY ALL
)
SELECT
    replace(CAST(uuid() AS VARCHAR), '-', ''), pair_id, rater, 'label', verdict, strength,
    is_acceptable, rationale, reasons, true, $now, $monotonic
FROM new ORDER BY line
"""

_SPLIT_WORDS = {"train": "training", "held_out": "evaluation"}


def import_file(db: Database, project_id: str, path: Path) -> ImportReport:
    """Import a JSONL or CSV file; bad rows are left out and named, good ones are stored together.

    Args:
        db: the open database.
        project_id: the project that gets the rows.
        path: ``.csv`` and ``.tsv`` are read as tables, all else as JSON Lines; UTF-8.

    Raises:
        ImportFileError: nothing of the file can be read; nothing is stored.
        NotFoundError: there is no such project.
    """
    with db.transaction():
        get_project(db, project_id)
        db.execute_script(_CREATE_STAGED)
        skipped: list[SkippedRow] = []
        for batch in _batches(_checked_rows(project_id, path, skipped)):
            db.insert("staged", batch)
        _refuse_unreadable(db, skipped)
        report = _store(db, project_id, skipped)
        db.execute_script("DROP TABLE staged; DROP TABLE decided; DROP TABLE new_pairs")
        return report


def _checked_rows(
    project_id: str, path: Path, skipped: list[SkippedRow]
) -> Iterator[dict[str, object]]:
    """Yield the good rows ready to stage and note the others in ``skipped``."""
    for raw in read_rows(path):
        try:
            yield _staged_row(project_id, raw)
        except RowError as error:
            skipped.append(SkippedRow(raw.line, str(error)))


def _staged_row(project_id: str, raw: RawRow) -> dict[str, object]:
    if raw.values is None:
        raise RowError(raw.reason)
    row = parse_row(raw.values)
    prompt_key = prompt_id(project_id, row.prompt)
    has_answers = row.answer_a is not None and row.answer_b is not None
    return {
        "line": raw.line,
        "prompt_id": prompt_key,
        "pair_id": pair_id(prompt_key, row.answer_a or "", row.answer_b or "")
        if has_answers
        else None,
        "is_held_out": is_held_out(row.prompt),
        **asdict(row),
    }


def _batches(rows: Iterator[dict[str, object]]) -> Iterator[pa.Table]:
    batch: list[dict[str, object]] = []
    for row in rows:
        batch.append(row)
        if len(batch) == _BATCH:
            yield pa.Table.from_pylist(batch, schema=_STAGED)
            batch = []
    if batch:
        yield pa.Table.from_pylist(batch, schema=_STAGED)


def _refuse_unreadable(db: Database, skipped: list[SkippedRow]) -> None:
    """Raise if not one row was good and they all failed on the form of the file."""
    if db.count("SELECT count(*) FROM staged"):
        return
    reasons = {row.reason for row in skipped}
    if not reasons:
        raise ImportFileError("The file is empty.")
    if reasons == {NOT_JSON}:
        raise ImportFileError("No line of the file is valid JSON; is it a JSON Lines file?")
    if reasons <= {NO_PROMPT, NOT_JSON, NOT_NAMED}:
        raise ImportFileError(
            "No row has a value 'prompt'; name the values prompt, chosen, rejected."
        )


def _store(db: Database, project_id: str, skipped: list[SkippedRow]) -> ImportReport:
    moment = {"now": utc_now()}
    owner = {"project": project_id, **moment}
    db.execute_script(_DECIDE_SPLITS)
    for line, split in db.query(_CONFLICTS):
        skipped.append(SkippedRow(int(str(line)), _conflict(str(split))))
    db.execute(_DROP_CONFLICTS)
    rows = db.count("SELECT count(*) FROM staged")
    imported = db.count(_COUNT_PROMPTS)
    db.execute(_SAVE_PROMPTS, owner)
    db.execute_script(_NEW_PAIRS)
    imported += db.count(_COUNT_CASES)
    db.execute(_SAVE_PAIRS, owner)
    imported += db.execute(_SAVE_LABELS, {**moment, "monotonic": monotonic_s()})
    skipped.sort(key=lambda row: row.line)
    return ImportReport(imported, rows - imported, tuple(skipped))


def _conflict(split: str) -> str:
    return f"This question is already used for {_SPLIT_WORDS[split]}; it cannot be in two splits."
