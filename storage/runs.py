"""Runs as the studio remembers them: rows that their folders can rebuild at any time."""

import dataclasses
from collections.abc import Collection
from pathlib import Path

import pyarrow as pa
from pydantic import TypeAdapter, ValidationError

from gem_backend.candidate_table import read_scores, read_table
from gem_backend.errors import GemError
from gem_backend.run_dir import RunDir, RunSpec
from gem_backend.training_data import split_training_data
from gem_backend.types import (
    BeforeAfter,
    Method,
    Ranking,
    RunEvent,
    RunResult,
    RunState,
    RunStatus,
    RunSummary,
)
from storage.calibrations import ingest_calibrations
from storage.candidates import replace_run_candidates, replace_run_scores, run_candidates
from storage.database import Database
from storage.errors import ImportFileError, NotFoundError, StorageError


@dataclasses.dataclass(frozen=True, slots=True)
class RunTraits:
    """What a run must share with another, or not, for their results to be set side by side."""

    method: Method
    ranking: Ranking
    labels_hash: str


_SPEC: TypeAdapter[RunSpec] = TypeAdapter(RunSpec)
_STATUS: TypeAdapter[RunStatus] = TypeAdapter(RunStatus)
_RESULT: TypeAdapter[RunResult] = TypeAdapter(RunResult)
_DATA: TypeAdapter[dict[str, object]] = TypeAdapter(dict[str, object])

_RUN_SUMMARY: TypeAdapter[RunSummary] = TypeAdapter(RunSummary)
_RUN_EVENT: TypeAdapter[RunEvent] = TypeAdapter(RunEvent)

_RUN_TRAITS: TypeAdapter[RunTraits] = TypeAdapter(RunTraits)

_SUMMARY_FIELDS = tuple(field.name for field in dataclasses.fields(RunSummary))
_BEFORE_METHODS = {"method": "gem", "ranking": "paper"}  # of specs older than these settings
_TRAITS = """
SELECT run_id, spec ->> '$.config.method' AS method, spec ->> '$.config.ranking' AS ranking,
    labels_hash
FROM runs WHERE project_id = ?
"""
_SUMMARY = f"SELECT {', '.join(_SUMMARY_FIELDS)} FROM runs"  # noqa: S608 - our own field names


def register_run(db: Database, spec: RunSpec, path: Path, project_id: str | None = None) -> None:
    """Remember a run; nothing changes if it is there already.

    Args:
        db: the open database.
        spec: what the run was asked to do.
        path: its folder.
        project_id: the project that it joins; the spec's own by default.
    """
    config = spec.config
    db.execute(
        "INSERT INTO runs (run_id, project_id, path, spec, preset, model, num_pairs, seed,"
        " labels_hash, created_at, status) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
        " ON CONFLICT DO NOTHING",
        [
            spec.run_id,
            project_id or spec.project_id,
            str(path.resolve()),
            _SPEC.dump_json(spec).decode(),
            config.preset,
            config.model,
            len(split_training_data(spec.pairs, spec.pool).train),
            config.seed,
            spec.labels_hash,
            spec.created_at,
            _STATUS.dump_json(RunStatus(state="queued")).decode(),
        ],
    )


def ingest(db: Database, run_id: str, run_dir: RunDir) -> int:
    """Take over what a run has written since the last time and return the number of new events.

    Call it as often as you like: events count once, a candidate file once per version.

    Raises:
        GemError: a file of the run is missing or damaged.
        NotFoundError: the run is not registered.
    """
    with db.transaction():
        known = db.count("SELECT max(seq) FROM run_events WHERE run_id = ?", [run_id])
        try:
            # The status first: what is written after it is read the next time, never missed.
            status, result = run_dir.status(), run_dir.result()
            events = list(run_dir.events(after_seq=known))
        except ValidationError as error:
            raise StorageError(
                f"A file in the run folder {run_dir.path} is damaged; the run cannot be shown.",
                "Run folder damaged",
            ) from error
        _save_state(db, run_id, status, result)
        if events:
            db.insert("run_events", _event_table(run_id, events))
        if any(event.kind == "calibration" for event in events):
            ingest_calibrations(db, run_id, get_spec(db, run_id).config, events)
        for file in sorted(run_dir.path.glob("candidates-*.parquet")):
            _ingest_candidates(db, run_id, file)
    return len(events)


def import_run_dir(db: Database, path: Path, project_id: str) -> RunSummary:
    """Take in a run that was made elsewhere; once more, and it is only brought up to date.

    Raises:
        ImportFileError: the folder holds no readable run.
    """
    run_dir = RunDir(path)
    try:
        with db.transaction():
            spec = run_dir.spec()
            register_run(db, spec, path, project_id)
            ingest(db, spec.run_id, run_dir)
            return get_run(db, spec.run_id)
    except GemError as error:
        raise ImportFileError(f"This run was not imported. {error.message}") from error


def list_runs(db: Database, project_id: str) -> list[RunSummary]:
    """Return a project's runs, the newest first, with the status they last wrote."""
    order = " WHERE project_id = ? ORDER BY created_at DESC, seq DESC"
    return [_summary(row) for row in db.query(_SUMMARY + order, [project_id])]


def unfinished_runs(db: Database, states: Collection[RunState]) -> list[str]:
    """Return the runs of all projects that were in one of these states when they last wrote."""
    state = "json_extract_string(status, '$.state')"
    rows = db.query(
        f"SELECT run_id FROM runs WHERE list_contains(?, {state}) ORDER BY seq",  # noqa: S608 - ours
        [list(states)],
    )
    return [str(row[0]) for row in rows]


def run_traits(db: Database, project_id: str) -> dict[str, RunTraits]:
    """Return the method, the ranking and the labels of each of a project's runs, by run id."""

    def traits(run_id: str, **found: str | None) -> tuple[str, RunTraits]:
        known = {name: value for name, value in found.items() if value is not None}
        return run_id, _RUN_TRAITS.validate_python(_BEFORE_METHODS | known)

    return dict(db.records(traits, _TRAITS, [project_id]))


def get_run(db: Database, run_id: str) -> RunSummary:
    """Return one run's row of the history.

    Raises:
        NotFoundError: there is none with that id.
    """
    return _summary(_run_row(db, _SUMMARY, run_id))


def get_spec(db: Database, run_id: str) -> RunSpec:
    """Return what a run was asked to do, with its settings and its snapshot of the labels.

    Raises:
        NotFoundError: there is none with that id.
    """
    return _SPEC.validate_json(str(_run_row(db, "SELECT spec FROM runs", run_id)[0]))


def run_path(db: Database, run_id: str) -> Path:
    """Return a run's folder as it was registered.

    Raises:
        NotFoundError: there is none with that id.
    """
    return Path(str(_run_row(db, "SELECT path FROM runs", run_id)[0]))


def run_events(db: Database, run_id: str, after_seq: int = 0) -> list[RunEvent]:
    """Return a run's events that follow ``after_seq``, in order."""
    rows = db.query(
        "SELECT seq, time, kind, step, data FROM run_events"
        " WHERE run_id = ? AND seq > ? ORDER BY seq",
        [run_id, after_seq],
    )
    return [_event(row) for row in rows]


def examples(db: Database, run_id: str) -> list[BeforeAfter]:
    """Return the answers before and after to each prompt that has both.

    Raises:
        NotFoundError: there is no such run.
    """
    gold = {pair.prompt: pair.gold_answer for pair in get_spec(db, run_id).pairs}
    after = {one.prompt: one for one in run_candidates(db, run_id, "after")}
    return [
        BeforeAfter(before.prompt, gold.get(before.prompt), before, after[before.prompt])
        for before in run_candidates(db, run_id, "before")
        if before.prompt in after
    ]


def _run_row(db: Database, select: str, run_id: str) -> tuple[object, ...]:
    rows = db.query(select + " WHERE run_id = ?", [run_id])
    if not rows:
        raise NotFoundError("This run is no longer there; choose another one.")
    return rows[0]


def _summary(row: tuple[object, ...]) -> RunSummary:
    fields = dict(zip(_SUMMARY_FIELDS, row, strict=True))
    fields["status"] = _STATUS.validate_json(str(fields["status"]))
    if fields["result"] is not None:
        fields["result"] = _RESULT.validate_json(str(fields["result"]))
    return _RUN_SUMMARY.validate_python(fields)


def _event(row: tuple[object, ...]) -> RunEvent:
    *fields, data = row
    values = dict(zip(("seq", "time", "kind", "step"), fields, strict=True))
    return _RUN_EVENT.validate_python({**values, "data": _DATA.validate_json(str(data))})


def _event_table(run_id: str, events: list[RunEvent]) -> pa.Table:
    return pa.Table.from_pylist(
        [
            {
                "run_id": run_id,
                "seq": event.seq,
                "time": event.time,
                "kind": event.kind,
                "step": event.step,
                "data": _DATA.dump_json(event.data).decode(),
            }
            for event in events
        ]
    )


def _save_state(db: Database, run_id: str, status: RunStatus, result: RunResult | None) -> None:
    state = _STATUS.dump_json(status).decode()
    outcome = None if result is None else _RESULT.dump_json(result).decode()
    stored = _run_row(db, "SELECT status, result FROM runs", run_id)
    if stored != (state, outcome):
        db.execute(
            "UPDATE runs SET status = ?, result = ? WHERE run_id = ?", [state, outcome, run_id]
        )


def save_lost(db: Database, run_id: str, status: RunStatus) -> None:
    """Remember that a run's folder is gone; what was taken over from it stays."""
    with db.transaction():
        _save_state(db, run_id, status, get_run(db, run_id).result)


def _ingest_candidates(db: Database, run_id: str, file: Path) -> None:
    facts = file.stat()
    version = (facts.st_size, facts.st_mtime_ns)
    key = [run_id, file.name]
    if db.query("SELECT size, mtime_ns FROM run_files WHERE run_id = ? AND name = ?", key) == [
        version
    ]:
        return
    db.execute("DELETE FROM run_files WHERE run_id = ? AND name = ?", key)
    db.execute("INSERT INTO run_files VALUES (?, ?, ?, ?)", [*key, *version])
    replace_run_candidates(db, run_id, read_table(file))
    replace_run_scores(db, run_id, read_scores(file), get_spec(db, run_id).config.scoring)
