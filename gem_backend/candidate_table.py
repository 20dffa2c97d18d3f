"""Candidates as an Arrow table: one row each, one column per field, exact both ways.

The fields of ``Spans`` and ``Provenance`` stand beside those of ``Candidate`` as they are named;
``branch`` becomes ``parent_id`` and ``branch_token``, which files of earlier versions do not have.
Per-token arrays are float32: a value that float32 cannot hold comes back rounded to it. A file may
also hold each candidate's score and place; ``read_scores`` reads these, the others ignore them.
"""

import contextlib
import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import TypeAdapter

from gem_backend.errors import DataError
from gem_backend.types import Candidate, Provenance, RankedCandidate, Spans, Stage

_POSITIONS = pa.list_(pa.int32())
_SPAN = _POSITIONS  # [start, end], end-exclusive
_FLOATS = pa.list_(pa.float32())  # one per token, or five per token
_TEXTS = pa.list_(pa.string())

SCHEMA = pa.schema(
    [
        ("candidate_id", pa.string()),
        ("prompt", pa.string()),
        ("text", pa.string()),
        ("answer", pa.string()),
        ("token_ids", pa.list_(pa.int32())),
        ("token_texts", _TEXTS),
        ("token_entropy", _FLOATS),
        ("token_logprob", _FLOATS),
        ("top_tokens", _TEXTS),
        ("top_probs", _FLOATS),
        ("cot_span", _SPAN),
        ("final_span", _SPAN),
        ("is_committed", pa.bool_()),
        ("is_finished", pa.bool_()),
        ("model", pa.string()),
        ("adapter", pa.string()),
        ("seed", pa.int64()),
        ("temperature", pa.float64()),
        ("top_p", pa.float64()),
        ("engine", pa.string()),
        ("versions", pa.string()),
        ("parent_id", pa.string()),
        ("branch_token", pa.int32()),
    ]
)

SCORE_SCHEMA = pa.schema(
    [
        ("gem_score", pa.float64()),
        ("final_entropy", pa.float64()),
        ("fork_entropy", pa.float64()),
        ("fork_tokens", _POSITIONS),
        ("rank", pa.int32()),  # within the prompt's group, 1 for the best
    ]
)
_SCORED = ["candidate_id", "prompt", "stage", "round", *SCORE_SCHEMA.names]

_CANDIDATE: TypeAdapter[Candidate] = TypeAdapter(Candidate)


def to_table(candidates: Sequence[Candidate], **extra: Sequence[object]) -> pa.Table:
    """Return the candidates as a table with the columns of ``SCHEMA``.

    Args:
        candidates: the rows, in order.
        extra: further columns by name, one value for each candidate.
    """
    rows = [_row(candidate) for candidate in candidates]
    columns = [pa.array([row[field.name] for row in rows], field.type) for field in SCHEMA]
    table = pa.Table.from_arrays(columns, schema=SCHEMA)
    for name, values in extra.items():
        table = table.append_column(name, pa.array(values))
    return table


def from_table(table: pa.Table) -> list[Candidate]:
    """Return the candidates of a table in its order; columns that are not theirs are ignored.

    Raises:
        DataError: a column is missing or holds something else.
    """
    try:
        return [_candidate(row) for row in table.select(SCHEMA.names).to_pylist()]
    except (KeyError, ValueError) as error:
        raise DataError(f"The table of candidates is not complete: {error}.") from error


def write_candidates(
    path: Path,
    candidates: Sequence[Candidate],
    stage: Stage,
    round: int = 0,
    ranked: Sequence[RankedCandidate] | None = None,
) -> None:
    """Write a parquet file in one piece: a reader sees the old file or the new one, whole.

    Args:
        path: the file to make or replace, in a folder that exists.
        candidates: the rows.
        stage: when they were sampled; a column.
        round: the SEGA round, 0 outside of rounds; a column.
        ranked: each candidate's score and its place among those of its prompt, in the order of
            ``candidates``; None leaves these columns out.
    """
    count = len(candidates)
    table = to_table(candidates, stage=[stage] * count, round=[round] * count)
    if ranked is not None:
        rows = [_score_row(one) for one in ranked]
        for field in SCORE_SCHEMA:
            column = pa.array([row[field.name] for row in rows], field.type)
            table = table.append_column(field, column)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with temporary.open("wb") as file:
            pq.write_table(table, file, compression="zstd")
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    finally:
        with contextlib.suppress(FileNotFoundError):
            temporary.unlink()


def read_table(path: Path) -> pa.Table:
    """Read a file of ``write_candidates`` with its columns ``stage`` and ``round``.

    Raises:
        DataError: the file is missing, damaged or something else.
    """
    try:
        with path.open("rb") as file:
            table = _with_branches(pq.read_table(file))
            return table.select([*SCHEMA.names, "stage", "round"])
    except (OSError, KeyError, pa.ArrowException) as error:
        raise DataError(f"The candidates in {path.name} cannot be read: {error}.") from error


def read_scores(path: Path) -> pa.Table:
    """Read the scores that a run gave its candidates, one row each, in the file's order.

    Returns:
        The columns ``candidate_id``, ``prompt``, ``stage`` and ``round``, then those of
        ``SCORE_SCHEMA``, under the scoring settings of the run's spec; no rows for a file without
        scores, as earlier versions wrote them.

    Raises:
        DataError: the file is missing, damaged or something else.
    """
    try:
        with path.open("rb") as file:
            table = pq.read_table(file)
        if "gem_score" not in table.column_names:
            table = table.slice(0, 0)
            for field in SCORE_SCHEMA:
                table = table.append_column(field, pa.array([], field.type))
        return table.select(_SCORED)
    except (OSError, KeyError, pa.ArrowException) as error:
        raise DataError(f"The scores in {path.name} cannot be read: {error}.") from error


def read_candidates(path: Path) -> list[Candidate]:
    """Read the candidates of a file of ``write_candidates``.

    Raises:
        DataError: the file is missing, damaged or something else.
    """
    return from_table(read_table(path))


def _with_branches(table: pa.Table) -> pa.Table:
    for name in {"parent_id", "branch_token"}.difference(table.column_names):
        field = SCHEMA.field(name)
        table = table.append_column(field, pa.nulls(len(table), field.type))
    return table


def _score_row(ranked: RankedCandidate) -> dict[str, object]:
    score = ranked.score
    return {
        "gem_score": score.value,
        "final_entropy": score.final_entropy,
        "fork_entropy": score.fork_entropy,
        "fork_tokens": score.fork_tokens,
        "rank": ranked.rank,
    }


def _row(candidate: Candidate) -> dict[str, object]:
    row: dict[str, object] = {
        name: getattr(candidate, name) for name in SCHEMA.names if hasattr(candidate, name)
    }
    row |= candidate.spans._asdict()
    row |= {name: getattr(candidate.provenance, name) for name in Provenance.__slots__}
    row["parent_id"], row["branch_token"] = candidate.branch or (None, None)
    return row


def _candidate(row: Mapping[str, object]) -> Candidate:
    spans = {name: row[name] for name in Spans._fields}
    provenance = {name: row[name] for name in Provenance.__slots__}
    parent_id, token = row["parent_id"], row["branch_token"]
    branch = None if parent_id is None else (parent_id, token)
    return _CANDIDATE.validate_python(
        {**row, "spans": spans, "provenance": provenance, "branch": branch}
    )
