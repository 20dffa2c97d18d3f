"""Rows that give way: to the split of their question, and to what people of this studio said."""

from typing import Literal

from gem_backend.types import SkippedRow
from storage.database import Database
from storage.import_events import CANNOT_ADD, CANNOT_SETTLE

# A pair may be stored with its answers the other way round.
VERDICT = "CASE WHEN verdict <> 'a' OR staged.answer_a = pairs.answer_a THEN verdict ELSE 'b' END"

# What somebody said here, a withdrawal too, is newer than what a file says of them; only their own
# hand changes it, and no file settles a case of which anybody here has spoken. A row that was
# imported before is no news.
_OVERRULING = f"""
WITH own AS (
    SELECT pair_id, rater, is_final FROM label_events WHERE NOT is_imported AND kind <> 'skip'
), said AS (
    SELECT
        place, line, pair_id, rater, strength, staged.is_acceptable, rationale, reasons, is_final,
        {VERDICT} AS verdict
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

_SPLIT_WORDS = {"train": "training", "held_out": "evaluation"}


def refuse_conflicts(db: Database, table: Literal["decided", "prompts"]) -> list[SkippedRow]:
    """Unstage the rows that name another split than their question has, in that table."""
    other = f"staged.kind <> 'prompt' AND staged.split <> {table}.split"
    found = db.query(
        f"SELECT DISTINCT staged.line, {table}.split FROM staged JOIN {table} USING (prompt_id)"  # noqa: S608 - ours
        f" WHERE {other}"
    )
    db.execute(
        f"DELETE FROM staged USING {table}"  # noqa: S608 - ours
        f" WHERE staged.prompt_id = {table}.prompt_id AND {other}"
    )
    return [
        SkippedRow(
            int(str(line)),
            f"This question is already used for {_SPLIT_WORDS[str(split)]}; it cannot be in two"
            " splits.",
        )
        for line, split in found
    ]


def refuse_overruling(db: Database) -> list[SkippedRow]:
    """Unstage the labels of raters who have spoken of their cases here."""
    return _unstage(db, db.query(_OVERRULING))


def refuse_overtaken(db: Database, newest: int, start: int) -> list[SkippedRow]:
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
