"""What an export holds: the rows of a project under the field's column names."""

from collections.abc import Callable, Iterator
from typing import Literal, NamedTuple

import pyarrow as pa

from gem_backend.training_data import split_training_data
from storage.database import Database
from storage.pairs import HELD_LABELS, training_pairs

Contents = Literal["trains", "labels", "unjudged"]
Batches = Iterator[pa.RecordBatch]

COLUMNS = (
    "prompt",
    "chosen",
    "rejected",
    "verdict",
    "strength",
    "rationale",
    "rater",
    "split",
    "gold_answer",
    "is_acceptable",
    "reasons",
)
FINAL = "is_final"  # a column of files in which a case is settled, and of no others
TRAINS = ("prompt", "chosen", "rejected")  # TRL's, and nothing that it would not know
UNJUDGED = ("prompt", "answer_a", "answer_b", "split", "gold_answer")

_TYPES = {
    "strength": pa.int32(),
    "is_acceptable": pa.bool_(),
    "is_final": pa.bool_(),
    "reasons": pa.list_(pa.string()),
}
# Two answers of which none is preferred have an order of their own, so that they come out alike
# whichever of them a pair was stored with in front.
_ANSWERS = {
    "chosen": "if(verdict = 'preferred', chosen, least(chosen, rejected)) AS chosen",
    "rejected": "if(verdict = 'preferred', rejected, greatest(chosen, rejected)) AS rejected",
}
_IS_SETTLED = f"SELECT count(*) FROM ({HELD_LABELS}) WHERE is_final"  # noqa: S608 - our own text

# Cases without a label, then questions without a case.
_UNJUDGED = """
SELECT prompt, answer_a, answer_b, split, gold_answer FROM (
    SELECT prompt, answer_a, answer_b, split, gold_answer, 0 AS part, pairs.seq
    FROM pairs JOIN prompts USING (prompt_id)
    WHERE pairs.project_id = $project AND NOT is_written
        AND pair_id NOT IN (SELECT pair_id FROM labels)
    UNION ALL
    SELECT prompt, NULL, NULL, split, gold_answer, 1, seq
    FROM prompts WHERE project_id = $project AND split = 'pool'
)
ORDER BY part, seq
"""


class Rows(NamedTuple):
    """The rows of an export: their columns, the splits they may have, and a way to read them.

    ``batches`` gives the rows of one split, or with None of all of them.
    """

    schema: pa.Schema
    splits: tuple[str, ...]
    batches: Callable[[str | None], Batches]


def export_rows(db: Database, project_id: str, contents: Contents) -> Rows:
    """Return what an export of a project holds.

    Args:
        db: the open database.
        project_id: the project.
        contents: "trains", exactly the rows that a run would train on now; "labels", every label
            that holds, of all raters and splits, and where a case is settled the final one too;
            "unjudged", cases that nobody has a label on, and questions without answers.
    """
    if contents == "trains":
        return _trains(db, project_id)
    return _labels(db, project_id) if contents == "labels" else _unjudged(db, project_id)


def _trains(db: Database, project_id: str) -> Rows:
    """Take the same labels through the same door as a run."""

    def batches(split: str | None = None) -> Batches:
        train = split_training_data(training_pairs(db, project_id)).train
        rows = [{name: getattr(pair, name) for name in TRAINS} for pair in train]
        yield pa.RecordBatch.from_pylist(rows, schema=_schema(TRAINS))

    return Rows(_schema(TRAINS), ("train",), batches)


def _labels(db: Database, project_id: str) -> Rows:
    names = (*COLUMNS, FINAL) if db.count(_IS_SETTLED, [project_id]) else COLUMNS
    selected = ", ".join(_ANSWERS.get(name, name) for name in names)
    sql = f"SELECT {selected} FROM ({HELD_LABELS})"  # noqa: S608 - our own text

    def batches(split: str | None = None) -> Batches:
        if split is None:
            return db.arrow_batches(sql, [project_id])
        return db.arrow_batches(sql + " WHERE split = ?", [project_id, split])

    return Rows(_schema(names), ("train", "held_out"), batches)


def _unjudged(db: Database, project_id: str) -> Rows:
    def batches(split: str | None = None) -> Batches:
        where = {"project": project_id, "split": split}
        sql = f"SELECT * FROM ({_UNJUDGED}) WHERE $split IS NULL OR split = $split"  # noqa: S608 - ours
        return db.arrow_batches(sql, where)

    return Rows(_schema(UNJUDGED), ("train", "held_out", "pool"), batches)


def _schema(names: tuple[str, ...]) -> pa.Schema:
    return pa.schema([(name, _TYPES.get(name, pa.string())) for name in names])
