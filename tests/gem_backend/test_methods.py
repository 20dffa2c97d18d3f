"""Runs by other rankings and methods, for real, on the embedded model with a handful of pairs."""

import dataclasses
import json
from typing import get_args

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from gem_backend import demo, rounds
from gem_backend.anchor import chosen_anchor
from gem_backend.config import (
    BaselineConfig,
    CalibrationConfig,
    LoraSettings,
    RunConfig,
    SamplingConfig,
    ScoringConfig,
    SegaConfig,
    SftConfig,
)
from gem_backend.reporter import Reporter
from gem_backend.run_dir import PoolPrompt, RunDir, RunSpec
from gem_backend.train import run_training
from gem_backend.types import Calibration, Feature, PreferencePair

SEGA = SegaConfig(rounds=2, prompts_per_round=4, prompts_per_step=4, learning_rate=1e-3)
TINY = RunConfig(
    device="cpu",
    sampling=SamplingConfig(num_candidates=3, max_new_tokens=48),
    lora=LoraSettings(rank=2, alpha=4),
    sft=SftConfig(epochs=2, learning_rate=3e-3, batch_size=4),
    sega=SEGA,
    baseline=BaselineConfig(learning_rate=1e-3, batch_size=4, budget_tokens=1500),
    max_length=256,
    evaluation_prompts=8,
)
ALL_FEATURES = get_args(Feature)


def demo_pairs(num_train=8, num_held_out=24):
    rows = [json.loads(line) for line in demo.PROJECT_FILE.read_text("utf-8").splitlines()]
    fields = ("prompt", "chosen", "rejected", "split", "gold_answer")
    pairs = [PreferencePair(**{k: row[k] for k in fields}) for row in rows if "chosen" in row]
    train = [pair for pair in pairs if pair.split == "train"][:num_train]
    held_out = [pair for pair in pairs if pair.split == "held_out"][:num_held_out]
    return (*train, *held_out)


def carry(folder, pairs=None, **changes):
    config = TINY.model_copy(update=changes)
    pool = (PoolPrompt("Age 70, has diabetes."),)
    run = RunDir.create(folder, RunSpec(folder.name, config, pairs or demo_pairs(), pool))
    reporter = Reporter(run)
    reporter.end(*run_training(run, reporter, resume=False))
    return run


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A run with everything, which the ablations are held against."""
    return carry(tmp_path_factory.mktemp("runs") / "whole")


def events(run, kind):
    return [event.data for event in run.events() if event.kind == kind]


def adapter(run):
    return load_file(run.adapter_dir / "adapter_model.safetensors")


@pytest.fixture(scope="module")
def calibrated(tmp_path_factory):
    """A calibrated run with everything that a group can hold."""
    pairs = demo_pairs()
    tie = dataclasses.replace(pairs[0], prompt="Age 81, no stroke.", verdict="tie", rater="second")
    return carry(
        tmp_path_factory.mktemp("runs") / "calibrated",
        (*pairs, tie),
        ranking="calibrated",
        calibration=CalibrationConfig(features=ALL_FEATURES),
        sega=SEGA.model_copy(update={"group_labels": True, "trim": 1, "negative_weight": 0.2}),
    )


@pytest.mark.slow
def test_a_calibrated_run_says_what_the_labels_say(calibrated):
    (data,) = events(calibrated, "calibration")
    found = data["calibration"]
    assert found.keys() == {field.name for field in dataclasses.fields(Calibration)}
    assert [row["feature"] for row in found["weights"]] == list(ALL_FEATURES)
    assert found["num_comparisons"] == 9  # a tie counts, and never trains
    assert found["num_raters"] == 2
    assert events(calibrated, "started")[0]["num_pairs"] == 8
    assert found["agreement_before"][3] == found["agreement_after"][3] == 8
    evidence = json.loads((calibrated.path / "evidence.json").read_bytes())
    assert [set(item) for item in evidence["items"]] == [set(ALL_FEATURES)] * 18
    for row in found["weights"]:
        value, low, high, n = row["weight"]
        assert low < value < high
        assert n == 9


@pytest.mark.slow
def test_the_same_seed_gives_the_same_calibrated_run(calibrated, tmp_path):
    again = carry(
        tmp_path / "calibrated",
        calibrated.spec().pairs,
        ranking="calibrated",
        calibration=calibrated.spec().config.calibration,
        sega=calibrated.spec().config.sega,
    )
    first, second = adapter(calibrated), adapter(again)
    assert all(torch.equal(first[name], second[name]) for name in first)


@pytest.mark.slow
def test_one_pass_does_what_scoring_first_does(tmp_path, monkeypatch):
    """A round of one step: the paper's method in one pass, and the same with it forbidden."""
    assert rounds.is_one_pass(TINY, 4)
    one_pass = carry(tmp_path / "one")
    monkeypatch.setattr(rounds, "is_one_pass", lambda *_: False)
    two_passes = carry(tmp_path / "two")
    for first, second in zip(
        events(one_pass, "sega_step"), events(two_passes, "sega_step"), strict=True
    ):
        assert first.pop("tokens") >= second.pop("tokens")  # it meets groups that teach nothing too
        assert first == pytest.approx(second, rel=1e-3, abs=1e-5)


@pytest.mark.parametrize(
    "changes",
    [
        {"ranking": "calibrated"},
        {"scoring": ScoringConfig(use_filtering=False)},
        {"sega": SEGA.model_copy(update={"trim": 1})},
        {"sega": SEGA.model_copy(update={"kl_weight": 0.1})},
        {"sega": SEGA.model_copy(update={"negative_weight": 0.5})},
        {"sega": SEGA.model_copy(update={"update": "dpo"})},
        {"sega": SEGA.model_copy(update={"prompts_per_step": 3})},
        {"lora": LoraSettings(dropout=0.1)},
    ],
)
def test_whatever_one_pass_cannot_do_is_not_asked_of_it(changes):
    assert not rounds.is_one_pass(TINY.model_copy(update=changes), 4)


@pytest.mark.parametrize(
    "changes",
    [
        {"scoring": ScoringConfig(use_terminal_entropy=False)},
        {"scoring": ScoringConfig(use_branching_entropy=False)},
        {"sega": SEGA.model_copy(update={"update": "dpo"})},
        {
            "scoring": ScoringConfig(use_filtering=False),
            "sega": SEGA.model_copy(update={"update": "dpo"}),
        },
    ],
    ids=["no terminal", "no branching", "filter and dpo", "none"],
)
@pytest.mark.slow
def test_the_ablations_run_and_differ_from_the_whole(whole, changes, tmp_path):
    part = carry(tmp_path / "part", **changes)
    assert part.status().state == "done"
    losses = [[step["loss"] for step in events(run, "sega_step")] for run in (whole, part)]
    assert losses[0] != losses[1]


def test_the_anchor_goes_by_where_most_pairs_come_from():
    def pairs(*sources):
        return [PreferencePair("q", "good", "bad", source=source) for source in sources]

    assert chosen_anchor("auto", pairs("sampled", "imported", "sampled")) == "sft"
    assert chosen_anchor("auto", pairs("sampled", "entered")) == "dpo"
    assert chosen_anchor("sft", pairs("imported")) == "sft"
    assert chosen_anchor("dpo", pairs("sampled")) == "dpo"


@pytest.mark.slow
def test_an_anchor_of_pairs_starts_at_ln_2_and_falls(tmp_path):
    """The reference is the warm start, where DPO's loss of a pair is ln 2."""
    run = carry(tmp_path / "anchor", sega=SEGA.model_copy(update={"anchor": "dpo"}))
    losses = [step["anchor_loss"] for step in events(run, "sega_step")]
    assert losses[0] == pytest.approx(np.log(2), rel=1e-3)
    assert losses[-1] < losses[0]


@pytest.mark.parametrize("method", ["sft", "dpo", "ipo", "rm_ppo"])
@pytest.mark.slow
def test_a_rival_is_a_run_like_any_other(method, tmp_path):
    run = carry(tmp_path / method, method=method)
    result = run.result()
    assert result.verdict in ("better", "no_change", "worse")
    steps = events(run, "baseline_step")
    assert steps[-1]["tokens"] >= TINY.baseline.budget_tokens
    assert all(np.isfinite(step["loss"]) for step in steps[:-1])
    checked = [e["round"] for e in events(run, "evaluation") if e["name"] == "round"]
    assert checked == [1, 2]
    assert not events(run, "sega_step")
    assert adapter(run)


@pytest.mark.slow
def test_an_interrupted_rival_starts_again_from_the_warm_start(tmp_path):
    unbroken = carry(tmp_path / "unbroken", method="dpo")
    config = TINY.model_copy(update={"method": "dpo"})
    run = RunDir.create(tmp_path / "broken", RunSpec("broken", config, demo_pairs()))

    class StopsAfterItsFirstCheck(Reporter):
        def event(self, kind, step, **data):
            super().event(kind, step, **data)
            if kind == "checkpoint" and data["round"] == 1:
                self.run.request_stop()

    reporter = StopsAfterItsFirstCheck(run)
    state, message = run_training(run, reporter, resume=False)
    reporter.end(state, message)
    assert state == "stopped"
    run.stop_file.unlink()
    reporter = Reporter(run)
    reporter.end(*run_training(run, reporter, resume=True))
    first, second = adapter(unbroken), adapter(run)
    assert all(torch.allclose(first[name], second[name], atol=1e-6) for name in first)
