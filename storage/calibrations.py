"""What labels say about the features of answers: the calibrations of Explore and of runs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import pyarrow as pa
from pydantic import TypeAdapter, ValidationError

from gem_backend.config import CalibrationConfig, RunConfig, ScoringConfig
from gem_backend.types import Calibration, ExpertOrder, Feature, RunEvent, Span, Spans
from storage.database import Database
from storage.identity import content_id, new_id, utc_now

STORED_FEATURES: tuple[Feature, ...] = ("mean_logprob", "implicit_reward", "answer_agreement")


@dataclass(frozen=True, slots=True)
class JudgedAnswer:
    """What a fit needs of an answer that somebody judged.

    ``token_entropy`` is in nats. ``features`` are ``STORED_FEATURES``, which no weight of the score
    changes.
    """

    token_entropy: tuple[float, ...]
    spans: Spans
    features: Mapping[Feature, float]


@dataclass(frozen=True, slots=True)
class Evidence:
    """The orders that experts gave, whose numbers are places in ``answers``.

    ``groups`` has the number of each order's prompt.
    """

    answers: tuple[JudgedAnswer, ...] = ()
    orders: tuple[ExpertOrder, ...] = ()
    groups: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class CalibrationRecord:
    """A calibration with what it was made from; ``run_id`` is None for one made in Explore.

    ``num_left_out`` counts comparisons whose answers the model could not read.
    """

    project_id: str
    model: str
    adapter: str | None
    scoring: ScoringConfig
    config: CalibrationConfig
    calibration: Calibration
    labels_hash: str
    num_left_out: int = 0
    run_id: str | None = None
    calibration_id: str = field(default_factory=new_id)
    created_at: str = field(default_factory=utc_now)


_CALIBRATION: TypeAdapter[Calibration] = TypeAdapter(Calibration)
_STORED: TypeAdapter[CalibrationRecord] = TypeAdapter(CalibrationRecord)
_ORDERS: TypeAdapter[list[tuple[ExpertOrder, int]]] = TypeAdapter(list[tuple[ExpertOrder, int]])

_RECORD = """
SELECT calibration_id, project_id, run_id, model, adapter, scoring, config, calibration,
    num_left_out, labels_hash, created_at FROM calibrations
"""
_NEWEST = " ORDER BY seq DESC LIMIT 1"
_ANSWERS = """
SELECT token_entropy, cot_span, final_span, is_committed, mean_logprob, implicit_reward,
    answer_agreement
FROM calibration_answers WHERE calibration_id = ? ORDER BY place
"""
_OLDER = """
DELETE FROM calibration_answers WHERE calibration_id IN (
    SELECT calibration_id FROM calibrations
    WHERE project_id = ? AND model = ? AND adapter IS NOT DISTINCT FROM ?
)
"""


def save_calibration(db: Database, record: CalibrationRecord, evidence: Evidence) -> None:
    """Store a calibration made in Explore with its evidence; that of earlier ones is dropped."""
    with db.transaction():
        db.execute(_OLDER, [record.project_id, record.model, record.adapter])
        _insert(db, record, evidence)
        if evidence.answers:
            db.insert("calibration_answers", _answer_table(record.calibration_id, evidence.answers))


def latest_calibration(
    db: Database, project_id: str, model: str, adapter: str | None
) -> CalibrationRecord | None:
    """Return the newest calibration made in Explore for a model and adapter, None without one."""
    where = (
        " WHERE run_id IS NULL AND project_id = ? AND model = ? AND adapter IS NOT DISTINCT FROM ?"
    )
    return db.one(_record, _RECORD + where + _NEWEST, [project_id, model, adapter])


def run_calibration(db: Database, run_id: str) -> CalibrationRecord | None:
    """Return the newest calibration of a run, None where it made none."""
    return db.one(_record, _RECORD + " WHERE run_id = ?" + _NEWEST, [run_id])


def calibration_evidence(db: Database, calibration_id: str) -> Evidence:
    """Return what a calibration was fitted on; empty for a run's, or where a newer one exists."""
    answers = tuple(db.records(_answer, _ANSWERS, [calibration_id]))
    stored = db.query("SELECT orders FROM calibrations WHERE calibration_id = ?", [calibration_id])
    if not answers or not stored:
        return Evidence()
    orders = _ORDERS.validate_json(str(stored[0][0]))
    return Evidence(answers, tuple(one for one, _ in orders), tuple(group for _, group in orders))


def ingest_calibrations(
    db: Database, run_id: str, config: RunConfig, events: Sequence[RunEvent]
) -> None:
    """Store the calibrations among a run's events, each once however often it comes."""
    for event in events:
        calibration = _of_event(event) if event.kind == "calibration" else None
        if calibration is None:
            continue
        [(project_id, labels_hash)] = db.query(
            "SELECT project_id, labels_hash FROM runs WHERE run_id = ?", [run_id]
        )
        record = CalibrationRecord(
            project_id=str(project_id),
            model=config.model,
            adapter=None,
            scoring=config.scoring,
            config=config.calibration,
            calibration=calibration,
            labels_hash=str(labels_hash),
            run_id=run_id,
            calibration_id=content_id("calibration", run_id, str(event.seq)),
        )
        _insert(db, record, Evidence())


def _of_event(event: RunEvent) -> Calibration | None:
    """None where the event holds none: a run in trouble must still be shown."""
    try:
        return _CALIBRATION.validate_python(event.data.get("calibration"))
    except ValidationError:
        return None


def _insert(db: Database, record: CalibrationRecord, evidence: Evidence) -> None:
    orders = list(zip(evidence.orders, evidence.groups, strict=True))
    db.execute(
        "INSERT INTO calibrations (calibration_id, project_id, run_id, model, adapter, scoring,"
        " config, calibration, num_comparisons, num_left_out, labels_hash, orders, created_at)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
        [
            record.calibration_id,
            record.project_id,
            record.run_id,
            record.model,
            record.adapter,
            record.scoring.model_dump_json(),
            record.config.model_dump_json(),
            _CALIBRATION.dump_json(record.calibration).decode(),
            record.calibration.num_comparisons,
            record.num_left_out,
            record.labels_hash,
            _ORDERS.dump_json(orders).decode(),
            record.created_at,
        ],
    )


def _record(scoring: str, config: str, calibration: str, **rest: object) -> CalibrationRecord:
    return _STORED.validate_python(
        {
            **rest,
            "scoring": ScoringConfig.from_json(scoring),
            "config": CalibrationConfig.from_json(config),
            "calibration": _CALIBRATION.validate_json(calibration),
        }
    )


def _answer(
    token_entropy: list[float],
    cot_span: list[int],
    final_span: list[int],
    is_committed: bool,
    **features: float,
) -> JudgedAnswer:
    spans = Spans(Span(*cot_span), Span(*final_span), is_committed)
    return JudgedAnswer(
        tuple(token_entropy), spans, {name: features[name] for name in STORED_FEATURES}
    )


def _answer_table(calibration_id: str, answers: Sequence[JudgedAnswer]) -> pa.Table:
    rows = [
        {
            "calibration_id": calibration_id,
            "place": place,
            "token_entropy": list(answer.token_entropy),
            "cot_span": list(answer.spans.cot_span),
            "final_span": list(answer.spans.final_span),
            "is_committed": answer.spans.is_committed,
            **{name: answer.features[name] for name in STORED_FEATURES},
        }
        for place, answer in enumerate(answers)
    ]
    return pa.Table.from_pylist(rows)
