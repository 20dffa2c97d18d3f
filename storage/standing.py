"""What the log of labels adds up to, kept beside it in the same transaction.

Two tables, so that the next case and a label that holds are found without reading the whole log:
``standing`` has each rater's last word on each pair, ``queue`` the cases, held-out ones among them,
with the number of raters who have a label on each. Both are worked out from the log alone.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from gem_backend.types import Answer, Comparison, LabelKind
from storage.database import Database

_PROJECT = "pair_id IN (SELECT pair_id FROM pairs WHERE project_id = $project)"

# A skip settles nothing, so a label before it holds; a later label or undo settles the skip.
_STAND_PROJECT = f"""
INSERT INTO standing
    (pair_id, rater, project_id, pair_seq, label_seq, skip_seq, is_own, is_final, "left")
SELECT
    pair_id,
    rater,
    any_value(project_id),
    any_value(pairs.seq),
    CASE
        WHEN arg_max(kind, label_events.seq) FILTER (kind <> 'skip') = 'label'
            THEN max(label_events.seq) FILTER (kind <> 'skip')
    END,
    CASE WHEN arg_max(kind, label_events.seq) = 'skip' THEN max(label_events.seq) END,
    arg_max(kind = 'label' AND NOT is_imported AND part_of IS NULL, label_events.seq)
        FILTER (kind <> 'skip') IS TRUE,
    is_final,
    arg_min("left", label_events.seq) FILTER ("left" IS NOT NULL)
FROM label_events JOIN pairs USING (pair_id)
WHERE {_PROJECT}
GROUP BY pair_id, rater, is_final
ON CONFLICT (pair_id, rater, is_final) DO UPDATE
SET label_seq = excluded.label_seq, skip_seq = excluded.skip_seq, is_own = excluded.is_own,
    "left" = excluded."left"
"""  # noqa: S608 - our own text

_QUEUE_PROJECT = f"""
INSERT INTO queue (pair_id, project_id, seq, is_first, num_labels)
SELECT
    pair_id,
    pairs.project_id,
    pairs.seq,
    pairs.source <> 'imported',
    coalesce(num_labels, 0)
FROM pairs
LEFT JOIN (
    SELECT pair_id, count(label_seq) AS num_labels FROM standing
    WHERE NOT is_final AND {_PROJECT} GROUP BY pair_id
) AS judged USING (pair_id)
WHERE NOT pairs.is_written AND {_PROJECT}
ON CONFLICT (pair_id) DO UPDATE
SET is_first = excluded.is_first, num_labels = excluded.num_labels
"""  # noqa: S608 - our own text

# The same for a part of the pairs that an import speaks of, see storage.import_store.
_PART = "pair_id IN (SELECT pair_id FROM touched WHERE place BETWEEN $start AND $end)"
_STAND_PART = _STAND_PROJECT.replace(_PROJECT, _PART)
_QUEUE_PART = _QUEUE_PROJECT.replace(_PROJECT, _PART)

_STAND_FIRST = """
INSERT INTO standing
    (pair_id, rater, project_id, is_final, label_seq, skip_seq, is_own, "left", pair_seq)
SELECT $1, $2, $3, $4, $5, $6, $7, $8, seq FROM pairs WHERE pair_id = $1
"""
_STAND_AGAIN = """
UPDATE standing SET label_seq = ?, skip_seq = ?, is_own = ?, "left" = coalesce("left", ?)
WHERE rowid = ?
"""
_LEFTS = 'SELECT rater, "left", is_final FROM standing WHERE pair_id = ?'

_QUEUE = """
INSERT INTO queue (pair_id, project_id, seq, is_first, num_labels)
SELECT
    pair_id, pairs.project_id, pairs.seq, pairs.source <> 'imported',
    (SELECT count(label_seq) FROM standing WHERE pair_id = $pair AND NOT is_final)
FROM pairs
WHERE pair_id = $pair AND NOT is_written
ON CONFLICT DO NOTHING
"""


@dataclass(frozen=True, slots=True)
class _Standing:
    """A row of ``standing`` and where it is."""

    place: int
    rater: str
    label_seq: int | None
    is_own: bool
    is_final: bool


def held_label(db: Database, pair_id: str, rater: str, is_final: bool = False) -> int | None:
    """Return the ``seq`` of a rater's label on a pair that holds, None without one.

    A final label is another thing than what the same person said as a rater.
    """
    standing = _standing(db, pair_id, rater, is_final)
    return standing.label_seq if standing else None


def seen_lefts(db: Database, pair_id: str) -> dict[str, Answer]:
    """Return which answer each rater who said something of a pair saw on the left, at first."""
    rows = db.query(_LEFTS, [pair_id])
    return {
        str(rater): "a" if left == "a" else "b"
        for rater, left, is_final in rows
        if left is not None and not is_final
    }


def _standing(db: Database, pair_id: str, rater: str, is_final: bool) -> _Standing | None:
    # The index answers for the pair; asked for the rater too, DuckDB 2.0 reads the whole table.
    rows = db.records(
        _Standing,
        "SELECT rowid AS place, rater, label_seq, is_own, is_final FROM standing WHERE pair_id = ?",
        [pair_id],
    )
    return next((row for row in rows if (row.rater, row.is_final) == (rater, is_final)), None)


@dataclass(frozen=True, slots=True)
class Appended:
    """An event that was appended to the log as number ``seq``.

    ``left`` is the answer on the left, None where it was not seen on two sides. ``is_part``: it is
    a label that came with another one. ``is_final``: see the log.
    """

    comparison: Comparison
    rater: str
    kind: LabelKind
    seq: int
    left: Answer | None
    is_part: bool = False
    is_final: bool = False


def note_event(db: Database, event: Appended) -> None:
    """Take a new event into account; inside the transaction that appended it."""
    pair_id = event.comparison.pair_id
    before = _standing(db, pair_id, event.rater, event.is_final)
    held = before.label_seq if before else None
    after = {"label": event.seq, "undo": None, "skip": held}[event.kind]
    skip = event.seq if event.kind == "skip" else None
    was_own = before is not None and before.is_own
    is_own = was_own if event.kind == "skip" else event.kind == "label" and not event.is_part
    if before:
        db.execute(_STAND_AGAIN, [after, skip, is_own, event.left, before.place])
    else:
        key = [pair_id, event.rater, event.comparison.project_id, event.is_final]
        db.execute(_STAND_FIRST, [*key, after, skip, is_own, event.left])
    change = (after is not None) - (held is not None)
    if change and not event.is_final:
        db.execute(
            "UPDATE queue SET num_labels = num_labels + ? WHERE pair_id = ?", [change, pair_id]
        )


def enqueue(db: Database, pair_id: str) -> None:
    """Make a stored pair a case that raters are asked about, unless it was written as none."""
    db.execute(_QUEUE, {"pair": pair_id})


def stand_project(db: Database, project_id: str) -> None:
    """Bring all pairs of a project up to date, after many rows at once."""
    db.execute(_STAND_PROJECT, {"project": project_id})
    db.execute(_QUEUE_PROJECT, {"project": project_id})


def stand_touched(db: Database, part: Mapping[str, int]) -> None:
    """Bring a part of the pairs in the table ``touched`` up to date: places start to end."""
    db.execute(_STAND_PART, part)
    db.execute(_QUEUE_PART, part)
