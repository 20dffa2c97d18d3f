"""The benchmark of a large model's run, on sizes that a processor carries."""

import json

import pytest


@pytest.mark.slow
def test_a_run_of_random_weights_says_its_rates_and_its_memory(run_python, tmp_path):
    given = ("--model", "tiny-shape", "--device", "cpu", "--rounds", "1", "--work", str(tmp_path))
    done = run_python("-m", "benchmarks.large_run", *given, "--set", "lora.rank=4", timeout_s=280)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["steps"] == 12  # twice 32 pairs by 8, and 32 prompts by 8
    assert found["peak_memory_bytes"] > 0 and found["is_within_estimate"]
    assert 0 < found["share_of_ceiling"] < 1
    assert found["warm_start_tokens_per_s"] > 0
    for name in ("sampled_and_scored_tokens_per_s", "trained_tokens_per_s"):
        assert found[name]["low"] > 0 and found[name]["n"] == 1
    [run] = tmp_path.glob("run-*")
    assert json.loads((run / "spec.json").read_text())["config"]["lora"]["rank"] == 4


@pytest.mark.parametrize("given", [("--set", "lora.rank"), ("--set", "lora.rnk=4")])
def test_a_setting_that_is_none_is_refused_in_one_sentence(run_python, tmp_path, given):
    command = ("-m", "benchmarks.large_run", "--model", str(tmp_path), "--device", "cpu")
    done = run_python(*command, *given)
    assert done.returncode != 0
    assert "lora" in done.stderr and "Traceback" not in done.stderr
