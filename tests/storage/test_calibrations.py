from dataclasses import asdict

import pytest

from gem_backend.config import CalibrationConfig, RunConfig, ScoringConfig
from gem_backend.run_dir import EventLog, RunDir, RunSpec
from gem_backend.types import Calibration, Estimate, ExpertOrder, FeatureWeight, Span, Spans
from storage.calibrations import (
    CalibrationRecord,
    Evidence,
    JudgedAnswer,
    calibration_evidence,
    latest_calibration,
    run_calibration,
    save_calibration,
)
from storage.runs import import_run_dir, ingest, register_run, run_events

WEIGHT = FeatureWeight("mean_logprob", 0.0, Estimate(0.75, 0.25, 1.25, 32), -1.5, 0.5)
CALIBRATION = Calibration(
    weights=(WEIGHT,),
    covariance=((0.0625,),),
    residual_scale=0.5,
    tie_weight=0.25,
    num_comparisons=32,
    num_raters=2,
    agreement_before=Estimate(0.5, 0.25, 0.75, 32),
    agreement_after=None,
)
EVIDENCE = Evidence(
    answers=(
        JudgedAnswer(
            (0.5, 0.25, 0.125),
            Spans(Span(0, 2), Span(2, 3), True),
            {"mean_logprob": -0.5, "implicit_reward": 0.0, "answer_agreement": 1.0},
        ),
        JudgedAnswer(
            (1.5,),
            Spans(Span(0, 0), Span(0, 1), False),
            {"mean_logprob": -2.5, "implicit_reward": 0.5, "answer_agreement": 0.0},
        ),
    ),
    orders=(ExpertOrder(((0,), (1,)), 2, "ann"), ExpertOrder(((0, 1),), 1, "ben")),
    groups=(0, 0),
)
SPEC = RunSpec(
    run_id="run-1",
    config=RunConfig(ranking="calibrated", scoring=ScoringConfig(lambda_fork=0.25)),
    pairs=(),
    labels_hash="abc",
    created_at="2026-01-01T10:00:00",
)


def record(**changed):
    given = {
        "project_id": "p",
        "model": "demo",
        "adapter": None,
        "scoring": ScoringConfig(lambda_fork=0.5),
        "config": CalibrationConfig(weight_scale=2.0),
        "calibration": CALIBRATION,
        "labels_hash": "abc",
        "num_left_out": 3,
    }
    return CalibrationRecord(**given | changed)


@pytest.fixture
def run_dir(tmp_path):
    return RunDir.create(tmp_path / "run-1", SPEC)


@pytest.fixture
def log(run_dir):
    log = EventLog(run_dir)
    yield log
    log.close()


def test_calibration_comes_back_as_it_was_stored(db):
    stored = record()
    save_calibration(db, stored, EVIDENCE)
    assert latest_calibration(db, "p", "demo", None) == stored
    assert calibration_evidence(db, stored.calibration_id) == EVIDENCE


def test_newest_of_the_same_project_model_and_adapter_is_given(db):
    first, second, other = record(), record(), record(adapter="run-1")
    for one in (first, second, other):
        save_calibration(db, one, EVIDENCE)
    assert latest_calibration(db, "p", "demo", None) == second
    assert latest_calibration(db, "p", "demo", "run-1") == other
    assert latest_calibration(db, "p", "/a/model", None) is None
    assert latest_calibration(db, "q", "demo", None) is None


def test_evidence_is_kept_for_the_newest_alone(db):
    first, second, other = record(), record(), record(adapter="run-1")
    for one in (first, other, second):
        save_calibration(db, one, EVIDENCE)
    assert calibration_evidence(db, first.calibration_id) == Evidence()
    for one in (second, other):
        assert calibration_evidence(db, one.calibration_id) == EVIDENCE


def test_calibration_without_evidence_is_the_prior(db):
    stored = record(num_left_out=0)
    save_calibration(db, stored, Evidence())
    assert latest_calibration(db, "p", "demo", None) == stored
    assert calibration_evidence(db, stored.calibration_id) == Evidence()


def test_a_runs_calibration_is_taken_over_once_and_is_not_one_of_explore(db, run_dir, log):
    register_run(db, SPEC, run_dir.path, "p")
    log.append("started", 0)
    log.append("calibration", 3, calibration=asdict(CALIBRATION), round=0)
    for _ in range(2):
        ingest(db, "run-1", run_dir)
        import_run_dir(db, run_dir.path, "p")
    assert db.count("SELECT count(*) FROM calibrations") == 1
    found = run_calibration(db, "run-1")
    assert (found.calibration, found.run_id, found.project_id) == (CALIBRATION, "run-1", "p")
    assert (found.scoring, found.labels_hash) == (SPEC.config.scoring, "abc")
    assert latest_calibration(db, "p", "demo", None) is None


def test_calibration_that_cannot_be_read_hides_nothing_else_of_the_run(db, run_dir, log):
    register_run(db, SPEC, run_dir.path, "p")
    log.append("calibration", 3, calibration={"weights": "none"}, round=0)
    log.append("calibration", 3)
    log.append("warning", 3, message="still here")
    ingest(db, "run-1", run_dir)
    assert run_calibration(db, "run-1") is None
    assert [event.kind for event in run_events(db, "run-1")][-1] == "warning"
