"""Runs, for real: a worker process on the embedded model with a handful of pairs."""

import dataclasses
import json
import os
import signal
import subprocess
import sys
import time

import pytest
import torch
from safetensors.torch import load_file

from gem_backend import checkpoint, demo, runner, steps, worker
from gem_backend.candidate_table import read_candidates, read_scores
from gem_backend.config import (
    LoraSettings,
    RunConfig,
    SamplingConfig,
    SegaConfig,
    SftConfig,
    preset_config,
)
from gem_backend.errors import NO_SPACE, RunDirError, TrainingError
from gem_backend.policy import load_policy
from gem_backend.prompting import completion_ids, encode_prompt
from gem_backend.reporter import Reporter
from gem_backend.run_dir import PoolPrompt, RunDir, RunSpec
from gem_backend.scoring import gem_score
from gem_backend.shared_prompts import forward_tokens
from gem_backend.train import run_training
from gem_backend.types import PreferencePair

TINY = RunConfig(
    device="cpu",
    sampling=SamplingConfig(num_candidates=3, max_new_tokens=48),
    lora=LoraSettings(rank=2, alpha=4),
    sft=SftConfig(epochs=2, learning_rate=3e-3, batch_size=4),
    sega=SegaConfig(rounds=2, prompts_per_round=4, prompts_per_step=2, learning_rate=1e-3),
    max_length=256,
)


def demo_pairs(num_train=6, num_held_out=24):
    rows = [json.loads(line) for line in demo.PROJECT_FILE.read_text("utf-8").splitlines()]
    pairs = [
        PreferencePair(
            row["prompt"],
            row["chosen"],
            row["rejected"],
            split=row["split"],
            gold_answer=row["gold_answer"],
        )
        for row in rows
        if "chosen" in row
    ]
    train = [pair for pair in pairs if pair.split == "train"][:num_train]
    held_out = [pair for pair in pairs if pair.split == "held_out"][:num_held_out]
    return (*train, *held_out)


def make_run(folder, config=TINY):
    spec = RunSpec(folder.name, config, demo_pairs(), pool=(PoolPrompt("Age 70, has diabetes."),))
    return RunDir.create(folder, spec)


def metrics(run):
    """What a run measured at each step, the repeated steps of a resumed run counted once."""
    kept = ("loss", "anchor_loss", "mean_score", "kl", "grad_norm")
    return {
        (event.kind, event.step): {name: event.data[name] for name in kept if name in event.data}
        for event in run.events()
        if event.kind in ("sft_step", "sega_step")
    }


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A run carried in this process."""
    run = make_run(tmp_path_factory.mktemp("runs") / "finished")
    reporter = Reporter(run)
    reporter.end(*run_training(run, reporter, resume=False))
    return run


def test_a_run_leaves_what_its_contract_promises(finished):
    assert finished.status().state == "done"
    result = finished.result()
    assert result.before.preference_accuracy.n == result.after.preference_accuracy.n == 16
    assert result.verdict in ("better", "no_change", "worse")
    kinds = [event.kind for event in finished.events()]
    assert kinds[0] == "started"
    assert kinds[-1] == "ended"
    assert kinds.count("sft_step") == 4
    assert [event.seq for event in finished.events()] == list(range(1, len(kinds) + 1))
    files = {path.name for path in finished.path.iterdir()}
    assert {"candidates-before.parquet", "candidates-after.parquet"} <= files
    assert not list(finished.path.rglob("*.bin"))
    weights = load_file(finished.adapter_dir / "adapter_model.safetensors")
    assert any(tensor.abs().max() > 0 for name, tensor in weights.items() if "lora_B" in name)


@pytest.mark.slow
def test_the_same_seed_gives_the_same_figures(finished, tmp_path):
    again = make_run(tmp_path / "again")
    reporter = Reporter(again)
    reporter.end(*run_training(again, reporter, resume=False))
    assert metrics(again) == metrics(finished)
    assert again.result().after == finished.result().after


@pytest.mark.slow
def test_without_room_a_run_goes_on_with_smaller_batches_to_the_same_end(
    finished, tmp_path, monkeypatch
):
    """A device that takes 300 tokens at once in a pass with gradients: 8192 fit in 32 parts.

    It is full from the second pass over the answers on, so the first checkpoint is gone on from.
    """
    whole = steps.sequence_logps
    passes = []

    def bounded(model, sequences):
        passes.append(forward_tokens(model, sequences))
        if len(passes) > 2 and passes[-1] > 300:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")
        return whole(model, sequences)

    monkeypatch.setattr(steps, "sequence_logps", bounded)
    run = make_run(tmp_path / "small")
    reporter = Reporter(run)
    reporter.end(*run_training(run, reporter, resume=False))
    assert max(passes) > 300
    said = [event.data["message"] for event in run.events() if event.kind == "warning"]
    assert [words.split()[-2] for words in said] == ["2", "4", "8", "16", "32"]
    for place, figures in metrics(run).items():
        assert figures == pytest.approx(metrics(finished)[place], abs=1e-5), place
    assert run.result().after.preference_accuracy == finished.result().after.preference_accuracy


@pytest.mark.slow
def test_layers_computed_twice_give_the_same_run(finished, tmp_path):
    config = TINY.model_copy(update={"gradient_checkpointing": True})
    run = make_run(tmp_path / "twice", config)
    reporter = Reporter(run)
    reporter.end(*run_training(run, reporter, resume=False))
    for place, figures in metrics(run).items():
        assert figures == pytest.approx(metrics(finished)[place], abs=1e-5), place
    assert run.result().after.preference_accuracy == finished.result().after.preference_accuracy


@pytest.mark.parametrize("is_allowed", [True, False])
def test_a_run_that_never_fits_says_what_to_change(tmp_path, monkeypatch, is_allowed):
    def full(*_):
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")

    monkeypatch.setattr(steps, "sequence_logps", full)
    run = make_run(tmp_path / "full", TINY.model_copy(update={"halve_batches": is_allowed}))
    assert worker.carry(run, Reporter(run), resume=False) == 1
    assert run.status().state == "failed"
    assert "ran out of memory" in run.status().message
    assert "max_new_tokens" in run.status().message
    warnings = [event for event in run.events() if event.kind == "warning"]
    assert len(warnings) == (5 if is_allowed else 0)


class StopsAt(Reporter):
    """Asks for a stop as soon as an event of a kind, of a phase or stage, is written."""

    def __init__(self, run, kind, name):
        super().__init__(run)
        self.wanted = (kind, name)

    def event(self, kind, step, **data):
        super().event(kind, step, **data)
        if (kind, data.get("stage", data.get("name"))) == self.wanted:
            self.run.request_stop()


def carry(run, reporter, resume):
    started = time.monotonic()
    state, message = run_training(run, reporter, resume=resume)
    reporter.end(state, message)
    run.stop_file.unlink(missing_ok=True)
    return state, message, time.monotonic() - started


@pytest.mark.slow
def test_a_run_with_dropout_stopped_anywhere_goes_on_as_the_unbroken_one(tmp_path):
    """Stopped while measuring, in the warm start, and in the middle of a round."""
    config = TINY.model_copy(update={"lora": LoraSettings(rank=2, alpha=4, dropout=0.1)})
    unbroken, run = (make_run(tmp_path / name, config) for name in ("unbroken", "stopped"))
    carry(unbroken, Reporter(unbroken), resume=False)
    legs = []
    for kind, name, kept in (
        ("phase", "before", "Resume starts from the beginning"),
        ("checkpoint", "epoch-1", "after pass 1 of the warm start is saved"),
        ("candidates", "round", "after the warm start is saved"),
        ("evaluation", "round", "after round 1 is saved"),
    ):
        state, message, seconds = carry(run, StopsAt(run, kind, name), resume=bool(legs))
        assert state == "stopped"
        assert kept in message
        assert [event.kind for event in run.events()][-1] == "ended"
        legs.append(seconds)
    state, _, seconds = carry(run, Reporter(run), resume=True)
    assert state == "done"
    assert metrics(run) == metrics(unbroken)
    assert run.result().after == unbroken.result().after
    assert seconds + 0.5 * legs[1] < run.result().wall_s <= sum(legs) + seconds


@pytest.mark.slow
def test_a_run_started_anew_forgets_the_earlier_checkpoints(finished, tmp_path):
    run = make_run(tmp_path / "anew")
    carry(run, StopsAt(run, "checkpoint", "round-1"), resume=False)
    assert carry(run, StopsAt(run, "phase", "sft"), resume=False)[0] == "stopped"
    assert not list(run.checkpoints_dir.iterdir())
    carry(run, Reporter(run), resume=True)
    assert metrics(run) == metrics(finished)


def answer_lengths(config):
    """Tokens of each training pair's prompt with its chosen answer and the end token."""
    policy = load_policy("demo", device="cpu")
    return sorted(
        len(encode_prompt(policy.tokenizer, pair.prompt, config.prompt))
        + len(completion_ids(policy.tokenizer, pair.chosen, add_eos=True))
        for pair in demo_pairs()
        if pair.split == "train"
    )


def test_pairs_that_are_too_long_are_left_out_with_a_warning_and_never_cut(tmp_path):
    lengths = answer_lengths(TINY)
    room = lengths[-2]
    too_long = sum(length > room for length in lengths)
    assert too_long == 1
    config = TINY.model_copy(update={"max_length": room})
    run = make_run(tmp_path / "long", config)
    carry(run, StopsAt(run, "phase", "before"), resume=False)
    started, warning = list(run.events())[:2]
    assert started.data["num_pairs"] == len(lengths) - 1
    assert started.data["left_out_too_long"] == 1
    assert "left out, nothing was cut: 1 of the training pairs" in warning.data["message"]


def test_a_run_in_which_every_pair_is_too_long_says_so(tmp_path):
    run = make_run(tmp_path / "none", TINY.model_copy(update={"max_length": 8}))
    reporter = Reporter(run)
    with pytest.raises(TrainingError, match="Too few pairs are short enough"):
        run_training(run, reporter, resume=False)
    reporter.end("failed", "")


def test_the_candidates_of_a_run_keep_their_scores_and_places(finished):
    path = finished.path / "candidates-round-1.parquet"
    groups = {}
    for row, candidate in zip(read_scores(path).to_pylist(), read_candidates(path), strict=True):
        score = gem_score(candidate.token_entropy, candidate.spans, TINY.scoring)
        assert row["gem_score"] == pytest.approx(score.value, abs=1e-5)
        groups.setdefault(row["prompt"], []).append((-row["gem_score"], row["rank"]))
    assert len(groups) == 4
    for group in groups.values():
        values = sorted(value for value, _ in group)
        assert all(rank == values.index(value) + 1 for value, rank in group)
    greedy = read_scores(finished.path / "candidates-after.parquet")
    assert set(greedy["rank"].to_pylist()) == {1}


def test_the_round_that_did_best_on_the_validation_part_is_kept(finished):
    """The first of the best, and never a figure of the test part."""
    merits = {}
    for event in finished.events():
        if event.kind == "evaluation" and event.data["name"] in ("sft", "round"):
            assert event.data["part"] == "validation"
            figures = event.data["evaluation"]
            assert figures["preference_accuracy"][3] == 8
            values = [figures[f"{name}_accuracy"][0] for name in ("preference", "final_answer")]
            merits[event.data["round"]] = sum(values) / 2
    assert list(merits) == [0, 1, 2]
    assert finished.result().best_round == max(merits, key=merits.get)


def test_few_labels_are_passed_over_more_often_up_to_twice():
    """Batches of 8: up to 8 pairs are one step a pass, 20 pairs are three; 40 steps are wanted."""
    sft = SftConfig(epochs=10, batch_size=8, min_steps=40)
    assert [sft.num_passes(n) for n in (4, 8, 16, 20, 32, 128)] == [20, 20, 20, 14, 10, 10]
    assert SftConfig(epochs=0, min_steps=40).num_passes(8) == 0


@pytest.mark.parametrize("model", ["demo", "some/model"])
def test_the_paper_presets_are_the_papers_protocol_and_the_others_have_an_anchor(model):
    paper = preset_config("paper", model)
    assert (paper.ranking, paper.sega.update, paper.sega.anchor_weight) == ("paper", "sega", 0.0)
    assert (paper.sega.reward_mapping, paper.sega.normalisation) == ("identity", "sequence")
    assert (paper.sega.negative_weight, paper.sega.trim) == (1.0, 0)
    assert (paper.scoring.lambda_fork, paper.scoring.top_m) == (1.0, 0.1)
    assert paper.sft.epochs > 0
    for preset in ("quick", "standard"):
        assert preset_config(preset, model).sega.anchor_weight > 0


@pytest.mark.slow
def test_a_killed_run_shows_as_interrupted_and_resumes_without_a_gap(finished, tmp_path):
    """kill -9 in the first round: the steps after the resume equal those of the unbroken run."""
    run = make_run(tmp_path / "killed")
    pid = runner.start_worker(run)
    wait_until(lambda: any(event.kind == "sega_step" for event in run.events()))
    os.kill(pid, signal.SIGKILL)
    wait_until(lambda: runner.observe(run).state == "interrupted")
    assert run.result() is None
    seen = [event.seq for event in run.events()]

    runner.start_worker(run, resume=True)
    assert runner.wait_for_end(run, timeout_s=240).state == "done"
    events = list(run.events())
    assert [event.seq for event in events] == list(range(1, len(events) + 1))
    assert events[len(seen) - 1].seq == seen[-1]
    assert [event.kind for event in events].count("resumed") == 1
    figures, unbroken = metrics(run), metrics(finished)
    assert figures.keys() == unbroken.keys()
    for step, values in unbroken.items():
        assert figures[step] == pytest.approx(values, rel=1e-3, abs=1e-4)


@pytest.mark.slow
def test_a_stop_saves_and_a_resume_finishes(tmp_path):
    run = make_run(tmp_path / "stopped")
    runner.start_worker(run)
    wait_until(lambda: any(event.kind == "checkpoint" for event in run.events()))
    status = runner.stop_worker(run, grace_s=60)
    assert status.state == "stopped"
    assert "Resume" in status.message
    assert (run.checkpoints_dir).exists()
    runner.start_worker(run, resume=True)
    assert runner.wait_for_end(run, timeout_s=240).state == "done"
    with pytest.raises(RunDirError, match="finished"):
        runner.start_worker(run, resume=True)


@pytest.mark.slow
def test_a_run_stops_before_the_disk_is_full_and_goes_on_when_there_is_room(tmp_path, monkeypatch):
    """Five checkpoints of this adapter take less than 1 MB, beside the 67 MB that are spared."""
    free = [60e6]
    usage = checkpoint.shutil.disk_usage

    def disk_usage(path):
        return usage(path)._replace(free=free[0])

    monkeypatch.setattr(checkpoint.shutil, "disk_usage", disk_usage)
    run = make_run(tmp_path / "r")
    assert worker.carry(run, Reporter(run), resume=False) == 1
    assert "60 MB are free, the run needs 6" in run.status().message
    assert not run.checkpoints_dir.exists()
    free[0] = 1e9

    class Fills(Reporter):
        def event(self, kind, step, **data):
            super().event(kind, step, **data)
            if kind == "checkpoint":
                free[0] = 1e6

    assert worker.carry(run, Fills(run), resume=True) == 1
    assert "1 MB are free" in run.status().message
    assert [path.name for path in run.checkpoints_dir.iterdir()] == ["epoch-1"]
    free[0] = 1e9
    assert worker.carry(run, Reporter(run), resume=True) == 0
    assert run.status().state == "done"


@pytest.mark.slow
def test_a_run_that_cannot_start_says_why_in_one_sentence(tmp_path):
    config = TINY.model_copy(update={"model": str(tmp_path / "no-model")})
    run = make_run(tmp_path / "failed", config)
    runner.start_worker(run)
    status = runner.wait_for_end(run, timeout_s=120)
    assert status.state == "failed"
    assert "no model folder" in status.message
    assert list(run.events())[-1].data["state"] == "failed"
    assert "Traceback" in run.log_file.read_text()


@pytest.mark.slow
def test_a_run_that_did_harm_says_so_and_offers_no_adapter(tmp_path):
    """Trained on the rejected answers, the model comes out worse on the held-out pairs."""
    swapped = tuple(
        dataclasses.replace(pair, chosen=pair.rejected, rejected=pair.chosen)
        if pair.split == "train"
        else pair
        for pair in demo_pairs(num_train=32, num_held_out=192)
    )
    config = TINY.model_copy(
        update={
            "sft": SftConfig(epochs=6, learning_rate=3e-3),
            "sega": SegaConfig(rounds=0),
            "evaluation_prompts": 8,
        }
    )
    run = RunDir.create(tmp_path / "harm", RunSpec("harm", config, swapped))
    reporter = Reporter(run)
    reporter.end(*run_training(run, reporter, resume=False))
    result = run.result()
    assert result.preference_change.high < 0
    assert result.verdict == "worse"
    assert result.adapter_dir is None
    assert run.status().message.startswith("Worse")


def wait_until(condition, timeout_s=240):
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, "this did not happen in time"
        time.sleep(0.05)


@pytest.mark.slow
def test_a_full_disk_in_mid_run_is_said_and_the_run_resumes(tmp_path):
    """A limit on the size of files stands for the disk; checkpoints are the first to meet it."""
    run = make_run(tmp_path / "full")
    limited = (
        "import resource, signal, sys; from gem_backend import worker\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (66_000, 66_000))\n"
        "sys.exit(worker.main([sys.argv[1]]))"
    )
    command = [sys.executable, "-c", limited, str(run.path)]
    done = subprocess.run(command, capture_output=True, check=False)
    assert done.returncode == 1
    assert (run.status().state, run.status().message) == ("failed", NO_SPACE)
    assert list(run.events())[-1].data["message"] == NO_SPACE
    assert not (run.path / "reserve").exists()
    runner.start_worker(run, resume=True)
    assert runner.wait_for_end(run, timeout_s=240).state == "done"
    seqs = [event.seq for event in run.events()]
    assert seqs == list(range(1, len(seqs) + 1))
