from dataclasses import replace

import pytest

from gem_backend.candidate_table import write_candidates
from gem_backend.config import RunConfig
from gem_backend.run_dir import EventLog, RunDir, RunSpec
from gem_backend.types import Estimate, Evaluation, PreferencePair, RunResult, RunStatus
from storage.candidates import run_candidates
from storage.errors import ImportFileError, NotFoundError, StorageError
from storage.runs import (
    RunTraits,
    examples,
    get_run,
    get_spec,
    import_run_dir,
    ingest,
    list_runs,
    register_run,
    run_events,
    run_path,
    run_traits,
)

PAIRS = (
    *(PreferencePair(f"Q{number}", "yes", "no") for number in range(3)),
    PreferencePair("Q8", "yes", "no", verdict="tie"),
    PreferencePair("Q9", "yes", "no", split="held_out", gold_answer="yes"),
)
SPEC = RunSpec(
    run_id="run-1",
    config=RunConfig(preset="standard", seed=7),
    pairs=PAIRS,
    project_id="p",
    created_at="2026-01-01T10:00:00",
    labels_hash="abc",
)
EVALUATION = Evaluation(Estimate(0.5, 0.25, 0.75, 4), Estimate(0.5, 0.25, 0.75, 4), None)
RESULT = RunResult(
    "run-1", "better", EVALUATION, EVALUATION, Estimate(0.5, 0.0, 1.0, 4), None, 2, 12.5
)


@pytest.fixture
def run_dir(tmp_path):
    return RunDir.create(tmp_path / "run-1", SPEC)


@pytest.fixture
def log(run_dir):
    log = EventLog(run_dir)
    yield log
    log.close()


def test_registered_run_is_in_the_history(db, run_dir):
    for _ in range(2):
        register_run(db, SPEC, run_dir.path)
    [summary] = list_runs(db, "p")
    assert summary == get_run(db, "run-1")
    assert (summary.preset, summary.model, summary.seed) == ("standard", "demo", 7)
    assert summary.num_pairs == 3  # the tie and the held-out pair do not train
    assert (summary.status.state, summary.result) == ("queued", None)
    assert get_spec(db, "run-1") == SPEC
    assert run_path(db, "run-1") == run_dir.path


def test_history_has_the_newest_run_first(db, run_dir):
    for day in (2, 3, 1):
        spec = replace(SPEC, run_id=f"day-{day}", created_at=f"2026-01-0{day}T10:00:00")
        register_run(db, spec, run_dir.path)
    assert [run.run_id for run in list_runs(db, "p")] == ["day-3", "day-2", "day-1"]


def test_history_knows_method_ranking_and_labels_of_each_run(db, run_dir):
    config = SPEC.config.model_copy(update={"method": "dpo", "ranking": "calibrated"})
    register_run(db, replace(SPEC, config=config), run_dir.path)
    register_run(db, replace(SPEC, run_id="run-2", labels_hash="def"), run_dir.path)
    assert run_traits(db, "p") == {
        "run-1": RunTraits("dpo", "calibrated", "abc"),
        "run-2": RunTraits("gem", "paper", "def"),
    }
    assert run_traits(db, "other") == {}


def test_events_are_taken_over_once_however_often_one_asks(db, run_dir, log):
    register_run(db, SPEC, run_dir.path)
    log.append("sft_step", 1, epoch=0, loss=0.5, lr=1e-4)
    assert ingest(db, "run-1", run_dir) == 1
    assert ingest(db, "run-1", run_dir) == 0
    log.append("checkpoint", 2, name="round-1", round=1, is_best=True)
    log.append("warning", 2, message="‏${odd}")
    assert ingest(db, "run-1", run_dir) == 2
    assert run_events(db, "run-1") == list(run_dir.events())
    assert [event.seq for event in run_events(db, "run-1", after_seq=2)] == [3]
    metrics = dict(db.query("SELECT name, value FROM step_metrics WHERE step = 1"))
    assert metrics == {"epoch": 0.0, "loss": 0.5, "lr": 1e-4}
    assert db.query("SELECT name, round, is_best FROM checkpoints") == [("round-1", 1, True)]


def test_status_and_result_follow_the_folder(db, run_dir):
    register_run(db, SPEC, run_dir.path)
    status = RunStatus("done", pid=42, heartbeat=1.5, step=9, total_steps=9)
    run_dir.write_status(status)
    ingest(db, "run-1", run_dir)
    assert (get_run(db, "run-1").status, get_run(db, "run-1").result) == (status, None)
    run_dir.write_result(RESULT)
    ingest(db, "run-1", run_dir)
    assert get_run(db, "run-1").result == RESULT


def test_candidate_files_are_read_once_per_version(db, run_dir, make_candidate):
    register_run(db, SPEC, run_dir.path)
    path = run_dir.path / "candidates-round-1.parquet"
    write_candidates(path, [make_candidate("c1")], "round", 1)
    for _ in range(2):
        ingest(db, "run-1", run_dir)
        assert len(run_candidates(db, "run-1", "round", 1)) == 1
    write_candidates(path, [make_candidate("c2"), make_candidate("c3")], "round", 1)
    ingest(db, "run-1", run_dir)
    stored = run_candidates(db, "run-1", "round", 1)
    assert [candidate.candidate_id for candidate in stored] == ["c2", "c3"]


def test_examples_join_before_and_after_by_prompt(db, run_dir, make_candidate):
    register_run(db, SPEC, run_dir.path)
    before, after = make_candidate("b", "Q9"), make_candidate("a", "Q9")
    write_candidates(run_dir.path / "candidates-before.parquet", [before], "before")
    ingest(db, "run-1", run_dir)
    assert examples(db, "run-1") == []
    write_candidates(
        run_dir.path / "candidates-after.parquet", [make_candidate("x", "Q7"), after], "after"
    )
    ingest(db, "run-1", run_dir)
    [example] = examples(db, "run-1")
    assert (example.prompt, example.gold_answer) == ("Q9", "yes")
    assert (example.before, example.after) == (before, after)


def test_run_from_elsewhere_is_imported_once(db, run_dir, log, project_id):
    log.append("sft_step", 1, loss=0.5)
    run_dir.write_result(RESULT)
    first = import_run_dir(db, run_dir.path, project_id)
    assert first == import_run_dir(db, run_dir.path, project_id)
    assert (first.project_id, first.result) == (project_id, RESULT)
    assert len(run_events(db, "run-1")) == 1


def test_folder_without_a_run_is_refused(db, tmp_path, project_id):
    with pytest.raises(ImportFileError, match="holds no run"):
        import_run_dir(db, tmp_path, project_id)
    assert list_runs(db, project_id) == []


def test_damaged_run_is_refused_and_leaves_nothing(db, run_dir, project_id):
    run_dir.events_file.write_text("not an event\n")
    with pytest.raises(StorageError, match="damaged"):
        import_run_dir(db, run_dir.path, project_id)
    assert list_runs(db, project_id) == []


def test_unknown_run_is_not_found(db, run_dir):
    with pytest.raises(NotFoundError):
        get_run(db, "nowhere")
    with pytest.raises(NotFoundError):
        ingest(db, "nowhere", run_dir)


def test_the_last_word_is_not_lost_when_it_comes_while_reading(db, run_dir, log):
    """A worker that ends between two reads: a row that is "done" has its "ended" event too."""

    class EndsWhileRead(RunDir):
        def status(self):
            if not self.result_file.exists():
                log.append("ended", 1, state="done")
                self.write_result(RESULT)
                self.write_status(replace(super().status(), state="done"))
            return super().status()

    register_run(db, SPEC, run_dir.path)
    log.append("started", 0)
    ingest(db, "run-1", EndsWhileRead(run_dir.path))
    assert get_run(db, "run-1").status.state == "done"
    assert [event.kind for event in run_events(db, "run-1")] == ["started", "ended"]
