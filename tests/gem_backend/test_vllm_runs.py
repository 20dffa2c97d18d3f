"""Whole runs whose answers vLLM draws, on the processor."""

import json

import psutil
import pytest

from gem_backend import runner
from gem_backend.bench.speed import bench_speed
from gem_backend.candidate_table import read_candidates
from gem_backend.run_dir import RunDir
from gem_backend.vllm_engine import GONE
from tests.gem_backend.test_run import TINY, make_run, wait_until

pytestmark = [pytest.mark.vllm, pytest.mark.slow, pytest.mark.timeout(1200)]


def test_a_whole_demo_comes_to_the_verdict_that_it_comes_to_without_vllm(run_python, tmp_path):
    found = {}
    for engine in ("vllm", "transformers"):
        words = ["demo", "--engine", engine, "--seed", "1", "--json"]
        done = run_python("-m", "app.cli", *words, "--data-dir", tmp_path / engine, timeout_s=580)
        assert done.returncode == 0, done.stderr
        found[engine] = json.loads(done.stdout.splitlines()[-1])
    theirs, ours = found["vllm"], found["transformers"]
    assert theirs["verdict"] == ours["verdict"] == "better"
    for figure in ("preference_accuracy", "final_answer_accuracy"):
        low, high = ours[figure]["after_interval"]
        assert low <= theirs[figure]["after"] <= high
        assert theirs[figure]["before"] == pytest.approx(ours[figure]["before"], abs=0.02)
    [run] = (tmp_path / "vllm" / "runs").iterdir()
    assert [event.kind for event in RunDir(run).events()].count("canary") == 1
    assert not (run / "engine").exists()
    drawn = read_candidates(run / "candidates-round-1.parquet")
    assert {one.provenance.engine for one in drawn} == {"vllm"}


def test_an_engine_killed_in_mid_run_leaves_a_run_that_resumes(tmp_path):
    run = make_run(tmp_path / "run", TINY.model_copy(update={"engine": "vllm"}))
    worker = psutil.Process(runner.start_worker(run))
    wait_until(lambda: any(event.kind == "checkpoint" for event in run.events()))
    max(worker.children(), key=lambda child: child.memory_info().rss).kill()
    status = runner.wait_for_end(run, timeout_s=240)
    assert (status.state, status.message) == ("failed", GONE)
    runner.start_worker(run, resume=True)
    assert runner.wait_for_end(run, timeout_s=240).state == "done"
    events = list(run.events())
    assert [event.seq for event in events] == list(range(1, len(events) + 1))
    assert [event.kind for event in events].count(
        "canary"
    ) == 2  # each leg has an engine of its own


def test_the_speed_benchmark_has_a_row_for_it():
    rows = bench_speed(
        "demo", "cpu", num_prompts=2, max_new_tokens=16, repeats=1, engine={"engine": "vllm"}
    )
    drawn = {row["method"]: row for row in rows if row["phase"] == "sample"}
    assert {"gem", "vllm", "naive", "trl_grpo"} <= drawn.keys()
    assert 0 < drawn["vllm"]["tokens"] <= 2 * 5 * 16
    assert drawn["vllm"]["ratio_to_gem"] > 0
