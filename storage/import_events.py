"""A label log that comes back: every event with its id, rater and times, each of them once."""

from collections.abc import Collection
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from typing import Annotated, Literal

from pydantic import Field, FiniteFloat, TypeAdapter, ValidationError

from gem_backend.types import Answer, CaseSource, LabelKind, SkippedRow, Verdict
from storage.database import Database
from storage.import_rows import ImportRow, LoggedFacts, Row, RowError, storable

_Text = Annotated[str, Field(min_length=1)]


@dataclass(frozen=True, slots=True)
class LoggedEvent:
    """A line of an exported log; the fields are its keys, in this order.

    ``is_imported`` is said of where the event was first stored.
    """

    event_id: _Text
    created_at: str
    monotonic_s: FiniteFloat
    rater: _Text
    kind: LabelKind
    verdict: Verdict | None
    left: Answer | None
    strength: Annotated[int, Field(ge=1, le=3)]
    is_acceptable: bool
    rationale: str
    reasons: tuple[str, ...]
    elapsed_s: FiniteFloat | None
    is_imported: bool
    part_of: _Text | None
    prompt: _Text
    answer_a: _Text
    answer_b: _Text
    split: Literal["train", "held_out"]
    source: CaseSource
    is_written: bool
    gold_answer: str | None
    is_final: bool = False  # logs from before there were final labels do not say


_EVENT = TypeAdapter(LoggedEvent)

# --- which events may join --------------------------------------------------------------------
# A file is anybody's word, whoever its lines name. So one rule holds for a log as for plain rows:
# what comes from a file is stored as imported, with who brought it, and never as said here. And it
# adds nothing where somebody of this studio spoke for themselves: a rater's label or withdrawal on
# a case keeps all other lines about that rater and case out, and anybody's keeps out all others
# that would settle the case. (A final label that came first gives way in ``storage.pairs``.) The
# studio's own events are known by their ids: there already, as long as they say the same.

_FOREIGN = """
SELECT line FROM staged JOIN label_events USING (event_id)
WHERE staged.pair_id <> label_events.pair_id
"""

# A pair may be stored with its answers the other way round; then the sides change their names.
_VERDICT = """
CASE WHEN staged.answer_a <> pairs.answer_a AND staged.verdict IN ('a', 'b')
    THEN if(staged.verdict = 'a', 'b', 'a') ELSE staged.verdict END
"""
_LEFT = """
CASE WHEN staged.answer_a <> pairs.answer_a AND staged."left" IS NOT NULL
    THEN if(staged."left" = 'a', 'b', 'a') ELSE staged."left" END
"""

_CHANGED = f"""
SELECT line FROM staged JOIN pairs USING (pair_id) JOIN label_events AS said USING (event_id)
WHERE staged.kind = 'event' AND (
    said.rater, said.kind, said.verdict, said."left", said.strength, said.is_acceptable,
    said.rationale, said.reasons, said.is_final, said.created_at, said.part_of
) IS DISTINCT FROM (
    staged.rater, staged.event_kind, {_VERDICT}, {_LEFT}, staged.strength, staged.is_acceptable,
    staged.rationale, staged.reasons, staged.is_final, staged.logged_at, staged.part_of
)
"""  # noqa: S608 - our own text

_NEW = "kind = 'event' AND event_id NOT IN (SELECT event_id FROM label_events)"
_OWN = "label_events WHERE NOT is_imported"

_SAID_HERE = f"""
SELECT line FROM staged
WHERE {_NEW} AND (pair_id, rater) IN (SELECT (pair_id, rater) FROM {_OWN} AND kind <> 'skip')
"""  # noqa: S608 - our own text
_SETTLES = f"""
SELECT line FROM staged
WHERE {_NEW} AND is_final AND pair_id IN (SELECT pair_id FROM {_OWN} AND kind <> 'skip')
"""  # noqa: S608 - our own text
_PART_OF_OWN = f"""
SELECT line FROM staged WHERE {_NEW} AND part_of IN (SELECT event_id FROM {_OWN})
"""  # noqa: S608 - our own text

# A rater's last word is the newest in the order of the log: an older one may not come after it.
_OUTDATED = f"""
SELECT line FROM staged
WHERE {_NEW}
    AND EXISTS (
        FROM label_events AS said
        WHERE said.pair_id = staged.pair_id AND said.rater = staged.rater
            AND said.is_final = staged.is_final AND said.kind <> 'skip'
            AND said.created_at > staged.logged_at
            AND said.event_id NOT IN (SELECT event_id FROM staged WHERE event_id IS NOT NULL)
    )
"""  # noqa: S608 - our own text

CANNOT_ADD = (
    "This rater has said something about this case here; a file cannot add to it or change it."
)
CANNOT_SETTLE = "Somebody has said something about this case here; a file cannot settle it."
_REFUSED = (
    (_FOREIGN, "This event is in the log of another project or case already."),
    (_CHANGED, "This event is in the log here and says something else; it is left as it is."),
    (_SAID_HERE, CANNOT_ADD),
    (_SETTLES, CANNOT_SETTLE),
    (_PART_OF_OWN, "This event would be part of a label of this studio."),
    (_OUTDATED, "This rater has said something newer about this case here."),
)

SAVE_EVENTS = f"""
INSERT INTO label_events (event_id, pair_id, rater, kind, verdict, "left", strength, is_acceptable,
    rationale, reasons, elapsed_s, is_imported, was_imported, imported_by, imported_at, created_at,
    monotonic_s, part_of, is_final)
WITH new AS (
    SELECT staged.* REPLACE ({_VERDICT} AS verdict, {_LEFT} AS "left")
    FROM staged JOIN pairs USING (pair_id) ANTI JOIN label_events USING (event_id)
    WHERE kind = 'event' AND place BETWEEN $start AND $end
    QUALIFY row_number() OVER (PARTITION BY event_id ORDER BY place) = 1
)
SELECT
    event_id, pair_id, rater, event_kind, verdict, "left", strength, is_acceptable, rationale,
    reasons, elapsed_s, true, is_imported, $importer, $now, logged_at, monotonic_s, part_of,
    is_final
FROM new ORDER BY place
"""  # noqa: S608 - our own text


def is_event(columns: Collection[str]) -> bool:
    """Whether rows with these columns are of a label log."""
    return {"event_id", "kind", "monotonic_s"}.issubset(columns)


def parse_event(values: Row) -> ImportRow:
    """Check a line of a log.

    Raises:
        RowError: a value is missing or not understood.
    """
    try:
        event = _EVENT.validate_python(dict(values))
    except ValidationError as error:
        place = error.errors()[0]["loc"]
        raise RowError(f"This event has no usable '{place[0]}'.") from error
    if (event.kind == "label") != (event.verdict is not None):
        raise RowError("A label needs a verdict, and nothing else has one.")
    if event.answer_a == event.answer_b:
        raise RowError("Both answers are the same.")
    for field in fields(event):
        value = getattr(event, field.name)
        for text in value if isinstance(value, tuple) else (value,):
            storable(str(text), field.name)
    if not _is_utc(event.created_at):
        raise RowError("This event has no usable 'created_at'.")
    return ImportRow(
        "event",
        event.prompt,
        event.answer_a,
        event.answer_b,
        verdict=event.verdict,
        strength=event.strength,
        is_acceptable=event.is_acceptable,
        rationale=event.rationale,
        rater=event.rater,
        split=event.split,
        gold_answer=event.gold_answer,
        reasons=event.reasons,
        is_final=event.is_final,
        logged=_facts(event),
    )


def _facts(event: LoggedEvent) -> LoggedFacts:
    return LoggedFacts(
        event_id=event.event_id,
        event_kind=event.kind,
        left=event.left,
        elapsed_s=event.elapsed_s,
        is_imported=event.is_imported,
        logged_at=event.created_at,
        monotonic_s=event.monotonic_s,
        source=event.source,
        part_of=event.part_of,
        is_written=event.is_written,
    )


def refuse_events(db: Database) -> list[SkippedRow]:
    """Unstage the events that may not join this log and return them with the reasons."""
    refused = []
    for query, reason in _REFUSED:
        lines = sorted({int(str(row[0])) for row in db.query(query)})
        refused += [SkippedRow(line, reason) for line in lines]
        db.execute("DELETE FROM staged WHERE line IN (SELECT unnest(CAST(? AS BIGINT[])))", [lines])
    return refused


def _is_utc(moment: str) -> bool:
    try:
        return datetime.fromisoformat(moment).tzinfo == UTC
    except ValueError:
        return False
