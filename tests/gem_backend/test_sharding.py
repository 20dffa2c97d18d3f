"""A model divided among two processes computes what the whole model computes."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from gem_backend.checkpoint import Progress
from gem_backend.config import RunConfig
from gem_backend.errors import TrainingError
from gem_backend.reporter import SilentReporter
from gem_backend.run_dir import RunDir, RunSpec
from gem_backend.trainer import set_up
from gem_backend.types import PreferencePair

ROOT = Path(__file__).parents[2]

PASSES = """
import json

import torch
from accelerate import Accelerator

from gem_backend.config import LoraSettings
from gem_backend.entropy import sequence_logps
from gem_backend.forward import TokenSequence, is_plain_head
from gem_backend.policy import load_policy
from gem_backend.sharding import load_divided
from gem_backend.steps import updating
from gem_backend.trainer import checkpoint_layers, with_adapter

SEQUENCES = [TokenSequence((7, 8, number), (20, 21, 22)[: 1 + number % 3]) for number in range(5)]


def load():
    policy = with_adapter(load_policy("demo", device="cpu"), LoraSettings(rank=2, dropout=0.0), 0)
    torch.manual_seed(1)
    for weight in trained(policy):
        torch.nn.init.normal_(weight, std=0.1)
    return policy


def trained(policy):
    return [weight for weight in policy.model.parameters() if weight.requires_grad]


def read(policy, sequences):
    with torch.no_grad():
        return [sequence_logps(policy.model, [one]).logps[0].sum().item() for one in sequences]


def train(policy, sequences):
    with updating(policy.model):
        for one in sequences:
            sequence_logps(policy.model, [one]).logps[0].sum().backward()


def held(policy):
    '''Numbers of the decoder's layers that this process has.'''
    layers = policy.model.get_base_model().model.layers
    frozen = [weight for weight in layers.parameters() if not weight.requires_grad]
    return sum(getattr(weight, "_local_tensor", weight).numel() for weight in frozen)


if __name__ == "__main__":
    accelerator = Accelerator(cpu=True)
    whole = load()
    expected = read(whole, SEQUENCES)
    policy, in_step = load_divided(load, accelerator)
    is_plain_head(policy.model)  # found out with passes of its own, the first time
    in_step.num_empty = 0
    if accelerator.is_main_process:  # reads while the other trains already
        gaps = [a - b for a, b in zip(read(policy, SEQUENCES), expected)]
        train(policy, SEQUENCES[:1])
    else:
        gaps = [0.0]
        train(policy, SEQUENCES[1:])
    in_step.catch_up()
    train(whole, SEQUENCES)
    gradients = [accelerator.reduce(weight.grad) for weight in trained(policy)]
    wrong = max(
        (one - other.grad).abs().max().item() for one, other in zip(gradients, trained(whole))
    )
    largest = max(weight.grad.abs().max().item() for weight in trained(whole))
    said = {
        "rank": accelerator.process_index, "gap": max(map(abs, gaps)), "wrong": wrong,
        "largest": largest, "held": held(policy), "whole": held(whole), "empty": in_step.num_empty,
    }
    for rank in range(2):
        if rank == accelerator.process_index:
            print(json.dumps(said), flush=True)
        accelerator.wait_for_everyone()
    checkpoint_layers(policy)
    train(policy, SEQUENCES[:2] if accelerator.is_main_process else [])
    in_step.catch_up()
    if not accelerator.is_main_process:
        print(json.dumps({"computed_twice": in_step.num_empty - said["empty"]}), flush=True)
"""


@pytest.mark.parametrize("changed", [{}, {"load_in_4bit": True}])
def test_one_process_alone_refuses_to_divide_a_model(tmp_path, changed):
    pairs = [PreferencePair(f"Case {number}.", "Yes.", "No.") for number in range(40)]
    config = RunConfig(device="cpu", shard_model=True, **changed)
    run = RunDir.create(tmp_path / "run", RunSpec("run", config, tuple(pairs)))
    with pytest.raises(TrainingError, match=r"shard_model.*torchrun"):
        set_up(run, SilentReporter(run), Progress(), started=0.0)


@pytest.fixture(scope="module")
def said(tmp_path_factory):
    """What each of two processes says of its passes."""
    script = tmp_path_factory.mktemp("divided") / "passes.py"
    script.write_text(PASSES, "utf-8")
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
    ended = subprocess.run(
        [*launcher, "--nproc-per-node=2", str(script)],
        env=os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=200,
    )
    lines = [line for line in ended.stdout.splitlines() if line.startswith("{")]
    assert len(lines) == 3, ended.stdout + ended.stderr
    return [json.loads(line) for line in lines]


@pytest.mark.slow
def test_every_process_holds_half_of_the_layers(said):
    assert [one["held"] for one in said[:2]] == [said[0]["whole"] / 2] * 2


@pytest.mark.slow
def test_log_probabilities_and_gradients_are_those_of_the_whole_model(said):
    for one in said[:2]:
        assert one["gap"] < 1e-5
        assert one["wrong"] < 1e-5 * one["largest"]


@pytest.mark.slow
def test_who_has_no_pass_of_the_kind_that_is_due_makes_an_empty_one(said):
    """The first reads five times and then trains once; the other trains four times.

    Training goes first, so the first makes 4 empty passes beside the other's, and the other 5 + 1.
    Then the first trains twice on layers that are computed once more, and the other not at all.
    """
    assert [one["empty"] for one in said[:2]] == [4, 6]
    assert said[2]["computed_twice"] == 2
