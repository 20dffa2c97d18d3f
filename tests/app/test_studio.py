"""The studio's use cases on the real storage, engine and run worker."""

import dataclasses
import os
import shutil
import signal
import time
from pathlib import Path

import pytest

from app.desks.sampling import distinct_answers
from app.run_facts import eta_s
from app.studio import Studio
from gem_backend.config import RunConfig, SamplingConfig, ScoringConfig, SegaConfig, SftConfig
from gem_backend.errors import EngineError, ModelLoadError
from gem_backend.run_dir import RunDir
from gem_backend.types import RunEvent, RunStatus
from storage.audit import label_log
from storage.candidates import save_group
from storage.errors import DatabaseInUseError, EntryError, NotFoundError
from storage.orders import AnswerOrder
from storage.pairs import Judgement
from tests.app.fakes import GOOD, POOR, make_candidate

HOSTILE = "${alert(1)} `x` <img src=x onerror=alert(1)> \\frac{a}{b} \\u12 \u202eabc {{value}}"
QUICK = RunConfig(
    device="cpu",
    sampling=SamplingConfig(num_candidates=2, max_new_tokens=48),
    sft=SftConfig(epochs=1, learning_rate=3e-3),
    sega=SegaConfig(rounds=1, prompts_per_round=4, prompts_per_step=4),
    evaluation_prompts=8,
    max_length=256,
)


@pytest.fixture
def studio(tmp_path):
    with Studio(tmp_path / "data", device="cpu") as studio:
        yield studio


def wait_until(condition, timeout_s=240):
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, "this did not happen in time"
        time.sleep(0.1)


def test_opens_on_the_demo_project_with_work_to_do(studio):
    project = studio.projects()[0]
    assert studio.label_progress(project.project_id).pending == 24
    plan = studio.plan(project.project_id, studio.preset("quick"))
    assert (plan.num_train, plan.num_held_out) == (32, 192)
    assert plan.obstacle == ""
    assert plan.expected_s is None
    assert studio.header(project.project_id).adapter == "none yet"


def test_label_skip_and_undo_come_back_as_they_were_said(studio):
    first = studio.next_turn("demo").case
    studio.skip_case(first)
    second = studio.next_turn("demo").case
    assert second.comparison.pair_id != first.comparison.pair_id
    studio.save_label(second, Judgement(second.left, 2, rationale=HOSTILE))
    progress = studio.label_progress("demo")
    assert (progress.done, progress.skipped, progress.pending) == (225, 1, 22)
    [label] = studio.recent_labels("demo")
    assert studio.is_judged(second)
    assert studio.undo("demo") == label
    assert (label.case, label.judgement.rationale) == (second, HOSTILE)
    assert studio.undo("demo") is None


def imported(studio, project_id, path):
    studio.start_import(project_id, path)
    wait_until(lambda: not studio.import_state(project_id).is_under_way)
    return studio.import_state(project_id).report


def test_a_typed_pair_keeps_hostile_text_and_which_answer_was_better(studio, tmp_path):
    project = studio.create_project("Typed")
    long = HOSTILE + "ab " * 17_000
    case = studio.enter_pair(project.project_id, HOSTILE, long, "plain")
    studio.save_label(case, Judgement("b"))
    # the same pair, turned
    assert studio.enter_pair(project.project_id, HOSTILE, "plain", long) == case
    exported = studio.export_file(project.project_id, "jsonl")
    other = studio.create_project("Copy")
    report = imported(studio, other.project_id, exported)
    assert (report.imported, report.skipped) == (1, ())
    again = studio.export_file(other.project_id, "jsonl")
    assert again.read_bytes() == exported.read_bytes()
    with pytest.raises(EntryError, match="same"):
        studio.enter_pair(project.project_id, "p", "x", "x")


def test_zipped_folder_goes_out_and_in_under_the_name_of_who_brought_it(studio):
    project = studio.create_project("Zipped").project_id
    studio.save_label(studio.enter_pair(project, "Q", "yes", "no"), Judgement("a"))
    studio.enter_pair(project, "R", "yes", "no")
    path = studio.export_file(project, "zip")
    waiting = studio.export_file(project, "jsonl", "unjudged")
    assert (path.name, waiting.name) == ("zipped.zip", "zipped-unjudged.jsonl")
    other = studio.create_project("Copy of it").project_id
    assert imported(studio, other, path).imported == 1
    assert imported(studio, other, waiting).imported == 1
    [event] = label_log(studio._db, other)
    assert (event.rater, event.imported_by) == ("expert", "expert")
    assert studio.label_progress(other).pending == 1


def test_sampling_keeps_a_scored_group_and_a_case_joins_the_queue(studio):
    prompt = studio.find_prompts("demo").prompts[0]
    config = SamplingConfig(num_candidates=3, max_new_tokens=32, seed=1)
    studio.start_sampling(prompt.prompt_id, config, None)
    wait_until(lambda: studio.sampling_state(prompt.prompt_id).state != "running")
    assert studio.sampling_state(prompt.prompt_id).state == "done"
    group = studio.candidates(prompt.prompt_id)
    assert [candidate.provenance.seed for candidate in group] == [1, 1, 1]

    studio.start_sampled_case("demo")
    wait_until(lambda: studio.sampled_case_state("demo").state != "running")
    assert studio.sampled_case_state("demo").error == ""
    case = studio.next_turn("demo").case
    assert case.comparison.source == "sampled"
    assert case.left_text != case.right_text


def test_a_candidate_brings_its_own_group_within_its_project_only(studio):
    prompt = studio.find_prompts("demo").prompts[0]
    first, second = (
        dataclasses.replace(make_candidate(GOOD, seed, f"one-{seed}"), prompt=prompt.prompt)
        for seed in (1, 2)
    )
    for one in (first, second):
        save_group(studio._db, prompt.prompt_id, [one])
    found = studio.group_with("demo", "one-1")
    assert found is not None
    assert found[0] == prompt
    assert [one.candidate_id for one in found[1].candidates] == ["one-1"]
    assert studio.group_with("demo", "none") is None
    assert studio.group_with(studio.create_project("Other").project_id, "one-1") is None


@pytest.mark.slow
def test_several_sampled_answers_are_all_compared_and_can_be_ranked(studio):
    before = studio.label_progress("demo").pending
    studio.start_sampled_case("demo", 3)
    wait_until(lambda: studio.sampled_case_state("demo").state != "running")
    assert studio.sampled_case_state("demo").error == ""
    offered = studio.answers_to_order(studio.next_turn("demo").case)
    assert len(offered) == 3
    assert studio.label_progress("demo").pending == before + 3
    studio.save_order(studio.next_turn("demo").case, AnswerOrder((offered[:1], offered[1:])))
    assert studio.label_progress("demo").pending == before


@pytest.mark.parametrize("count", [1, 0, 6, 1000])
def test_only_so_many_answers_can_be_asked_for(studio, count):
    with pytest.raises(EntryError, match="2 to 5"):
        studio.start_sampled_case("demo", count)


def test_answers_of_different_results_come_first():
    texts = (GOOD, f"Again: {GOOD}", " ", GOOD, POOR)
    group = [make_candidate(words, seed) for seed, words in enumerate(texts)]
    assert distinct_answers(group, 2) == [GOOD, POOR]
    assert distinct_answers(group, 5) == [GOOD, POOR, f"Again: {GOOD}"]


@pytest.mark.slow
def test_labels_of_the_demo_calibrate_the_ranking_without_held_out_ones(studio):
    studio.start_calibration("demo", None)
    wait_until(lambda: studio.calibration_state("demo", None).state != "running")
    assert studio.calibration_state("demo", None).error == ""
    view = studio.calibration("demo", None)
    assert (view.num_labels, view.is_stale, view.calibration.num_comparisons) == (32, False, 32)
    moved = studio.calibration("demo", None, ScoringConfig(lambda_fork=0.0)).calibration
    assert moved.agreement_before != view.calibration.agreement_before
    assert studio.calibration("demo", "some-run").calibration is None
    with pytest.raises(NotFoundError):
        studio.start_calibration("demo", "some-run")


@pytest.mark.slow
def test_waiting_cases_are_ordered_by_entropy_and_then_by_what_labels_taught(studio):
    def order():
        studio.start_ordering("demo", None)
        wait_until(lambda: studio.ordering_state("demo").state != "running")
        assert studio.ordering_state("demo").error == ""
        return studio.queue_order("demo"), studio.next_turn("demo").case.comparison.pair_id

    assert studio.queue_order("demo") is None
    by_entropy, _ = order()
    assert (by_entropy.num_cases, by_entropy.is_by_labels) == (24, False)
    studio.start_calibration("demo", None)
    wait_until(lambda: studio.calibration_state("demo", None).state != "running")
    by_labels, first = order()
    assert (by_labels.num_cases, by_labels.is_by_labels) == (24, True)
    assert priorities(studio)[first] == max(priorities(studio).values()) < 1
    with pytest.raises(NotFoundError):
        studio.start_ordering("demo", "some-run")


def priorities(studio):
    return dict(studio._db.query("SELECT pair_id, priority FROM queue WHERE priority > 0"))


@pytest.mark.slow
def test_a_run_takes_the_device_gives_it_back_and_offers_its_adapter(studio, monkeypatch):
    studio.warm_up()
    wait_until(lambda: studio._engine.pid is not None)
    run_id = studio.start_run("demo", QUICK)
    assert studio._engine.pid is None
    assert studio.active_run("demo") == run_id
    with pytest.raises(EngineError, match="run has the model"):
        studio.start_sampling(
            studio.find_prompts("demo").prompts[0].prompt_id, SamplingConfig(), None
        )
    with pytest.raises(EngineError, match="run has the model"):
        studio.start_calibration("demo", None)
    with pytest.raises(EngineError, match="run has the model"):
        studio.start_ordering("demo", None)
    with pytest.raises(EngineError, match="run has the model"):
        studio.start_rereading("demo", [make_candidate(GOOD)], None)
    wait_until(lambda: studio.active_run("demo") is None)
    wait_until(lambda: studio.runs("demo")[0].result is not None)
    view = studio.run(run_id)
    assert view.summary.status.state == "done"
    assert view.events[-1].kind == "ended"
    assert len(studio.examples(run_id)) == 8
    sampled = studio._db.count("SELECT count(*) FROM candidates WHERE stage = 'round'")
    scored = "SELECT count(*) FROM scores JOIN candidates USING (group_id, candidate_id)"
    assert sampled == studio._db.count(scored + " WHERE stage = 'round'") > 0
    assert studio.plan("demo", QUICK).expected_from_runs == 1
    wait_until(lambda: studio._engine.pid is not None)

    assert view.summary.result.adapter_dir
    assert [run.run_id for run in studio.adapters("demo")] == [run_id]
    prompt = studio.find_prompts("demo").prompts[1]
    studio.start_sampling(prompt.prompt_id, QUICK.sampling, run_id)
    wait_until(lambda: studio.sampling_state(prompt.prompt_id).state != "running")
    group = studio.candidates(prompt.prompt_id)
    assert group[0].provenance.adapter == run_id

    check_readings(studio, group, run_id)
    monkeypatch.setattr(studio, "_model", "/another/model")
    assert studio.adapters("demo") == []
    with pytest.raises(NotFoundError, match="no adapter for this model"):
        studio.start_sampling(prompt.prompt_id, SamplingConfig(), run_id)


def check_readings(studio, group, run_id):
    assert studio.reading(group) is None
    for adapter in (run_id, None):  # its own figures come back as they were, the base's differ
        studio.start_rereading("demo", group, adapter)
        wait_until(lambda: studio.rereading_state(group).state != "running")
        reading = studio.reading(group)
        assert (reading.adapter, len(reading.group)) == (adapter, len(group))
        assert [one.token_ids for one in reading.group] == [one.token_ids for one in group]
        changes = [
            abs(after - before)
            for one, other in zip(group, reading.group, strict=True)
            for before, after in zip(one.token_entropy, other.token_entropy, strict=True)
        ]
        assert (max(changes) < 1e-4) is (adapter == run_id)


@pytest.mark.slow
def test_runs_wait_for_the_device_and_begin_one_after_the_other(tmp_path):
    """Also when the studio is closed meanwhile; one that is taken out of the line can come back."""
    folder = tmp_path / "data"

    def state(studio, run_id):
        return studio.run(run_id).summary.status.state

    def kill(studio, run_id):
        wait_until(lambda: state(studio, run_id) == "running")
        os.kill(studio.run(run_id).summary.status.pid, signal.SIGKILL)

    with Studio(folder, device="cpu") as studio:
        first, second, third = (studio.start_run("demo", QUICK) for _ in range(3))
        assert [(one.run.run_id, one.num_ahead) for one in studio.line("demo")] == [
            (first, None), (second, 1), (third, 2),
        ]  # fmt: skip
        assert studio.plan("demo", QUICK).num_ahead == 3
        assert studio.active_run("demo") == first
        assert [studio.run(one).num_ahead for one in (first, second, third)] == [None, 1, 2]
        studio.stop_run(second)
        assert (state(studio, second), studio.run(third).num_ahead) == ("stopped", 1)
        studio.resume_run(second)
        assert studio.run(second).num_ahead == 2
    with Studio(folder, device="cpu") as studio:
        kill(studio, first)
        wait_until(lambda: state(studio, third) == "running")
        assert state(studio, second) == "queued"
        assert studio.active_run("demo") == third
        with pytest.raises(EngineError, match="run has the model"):
            studio.start_calibration("demo", None)
        studio.stop_run(third)
        wait_until(lambda: state(studio, second) == "running")
        kill(studio, second)
        wait_until(lambda: studio.active_run("demo") is None)
        wait_until(lambda: studio._engine.pid is not None)
        assert studio.line("demo") == ()


@pytest.mark.slow
def test_each_gpu_carries_a_run_and_explore_keeps_its_own_until_it_is_the_last(
    tmp_path, monkeypatch
):
    """Two GPUs by what the driver says; the runs themselves compute where they can."""
    driver = tmp_path / "bin" / "nvidia-smi"
    driver.parent.mkdir()
    driver.write_text("#!/bin/sh\n" + "".join(
        f"echo 'GPU {number}: NVIDIA H200 (UUID: GPU-{name})'\n" for number, name in enumerate("ab")
    ))  # fmt: skip
    driver.chmod(0o755)
    monkeypatch.setenv("PATH", f"{driver.parent}:{os.environ['PATH']}")
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)

    def device(run_id):
        return studio._supervisor.run_dir(run_id).status().device

    def told(run_id):
        pid = studio.run(run_id).summary.status.pid
        environment = Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
        return [one for one in environment if one.startswith(b"CUDA_VISIBLE_DEVICES=")]

    with Studio(tmp_path / "data") as studio:
        config = QUICK.model_copy(update={"device": "auto"})
        first = studio.start_run("demo", config)
        assert (device(first), studio._engine.is_held) == ("GPU-b", False)
        assert studio.plan("demo", config).num_ahead == 0
        second, third = (studio.start_run("demo", config) for _ in range(2))
        assert (device(second), studio._engine.is_held) == ("GPU-a", True)
        assert (device(third), studio.run(third).num_ahead) == ("auto", 1)
        wait_until(lambda: studio.run(first).summary.status.state == "running")
        assert told(first) == [b"CUDA_VISIBLE_DEVICES=GPU-b"]
        studio.stop_run(first)
        wait_until(lambda: device(third) == "GPU-b")
        studio.stop_run(second)
        wait_until(lambda: not studio._engine.is_held)
        assert studio.active_run("demo") == third
        studio.stop_run(third)
        wait_until(lambda: studio.active_run("demo") is None)


@pytest.mark.slow
def test_a_run_whose_start_fails_lets_the_next_one_begin(studio):
    first, second, third = (studio.start_run("demo", QUICK) for _ in range(3))
    log = studio._supervisor.run_dir(second).log_file
    log.mkdir()
    studio.stop_run(first)
    wait_until(lambda: studio.active_run("demo") == third)
    log.rmdir()
    failed = studio.run(second).summary.status
    assert failed.state == "failed"
    assert "could not be started" in failed.message
    studio.stop_run(third)


@pytest.mark.slow
def test_a_killed_worker_shows_as_interrupted_and_survives_a_restarted_studio(tmp_path):
    folder = tmp_path / "data"
    with Studio(folder, device="cpu") as studio:
        run_id = studio.start_run("demo", QUICK)
        wait_until(lambda: any(e.kind == "sft_step" for e in studio.run(run_id).events))
    with Studio(folder, device="cpu") as studio:
        assert studio.active_run("demo") == run_id
        pid = studio.run(run_id).summary.status.pid
        os.kill(pid, signal.SIGKILL)
        wait_until(lambda: studio.active_run("demo") is None)
        assert studio.runs("demo")[0].status.state == "interrupted"
        studio.resume_run(run_id)
        assert studio.active_run("demo") == run_id
        wait_until(lambda: studio.run(run_id).summary.status.state == "done")
        seqs = [event.seq for event in studio.run(run_id).events]
        assert seqs == list(range(1, len(seqs) + 1))


def removed(folder):
    """Delete a run's folder, if need be again: a look at its lock may put the lock's file back."""
    shutil.rmtree(folder, ignore_errors=True)
    return not folder.exists()


def test_a_run_whose_folder_is_gone_is_failed_and_blocks_nothing(tmp_path):
    folder = tmp_path / "data"
    with Studio(folder, device="cpu") as studio:
        run_id = studio.start_run("demo", QUICK)
        run = RunDir(folder / "runs" / run_id)
        wait_until(lambda: run.status().state == "running" and run.status().pid > 0)
        os.kill(run.status().pid, signal.SIGKILL)
        wait_until(lambda: studio.runs("demo")[0].status.state == "interrupted")
        wait_until(lambda: removed(run.path))
        wait_until(lambda: studio.runs("demo")[0].status.state == "failed")
        assert studio.header("demo").activity == ""
        assert studio.plan("demo", QUICK).obstacle == ""
    with Studio(folder, device="cpu") as studio:
        studio.warm_up()
        assert studio.runs("demo")[0].status.state == "failed"


def test_time_left_goes_by_earlier_runs_else_by_the_pace_of_the_steps():
    """30 s in, 10 of 20 steps done. Such runs took 50 s: 20 left; by the pace 30 s more.

    Resumed 10 s ago at step 8, two steps ago: 5 s a step, 10 steps to go, 50 s.
    """
    status = RunStatus("running", heartbeat=130.0, step=10, total_steps=20)
    started = RunEvent(1, 100.0, "started", 0)
    assert eta_s(status, [], 50.0) is None
    assert eta_s(status, [started], 50.0) == 20.0
    assert eta_s(status, [started], None) == 30.0
    assert eta_s(status, [started], 10.0) == 5.0
    resumed = [started, RunEvent(9, 120.0, "resumed", 8)]
    assert eta_s(status, resumed, 50.0) == 50.0
    assert eta_s(dataclasses.replace(status, state="done"), [started], 50.0) is None


@pytest.mark.slow
def test_a_second_studio_on_the_same_folder_is_refused(studio, tmp_path, run_python):
    code = (
        "import sys; from pathlib import Path; from app.studio import Studio\n"
        "try: Studio(Path(sys.argv[1]))\n"
        "except Exception as error: print(type(error).__name__, error.message)"
    )
    said = run_python("-c", code, str(tmp_path / "data")).stdout
    assert said.startswith(DatabaseInUseError.__name__)
    assert "already open" in said


def test_a_missing_model_folder_is_refused_before_anything_opens(tmp_path):
    with pytest.raises(ModelLoadError, match="no model folder"):
        Studio(tmp_path / "data", str(tmp_path / "no-model"))
    assert not (tmp_path / "data").exists()
