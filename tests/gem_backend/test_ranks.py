"""One run carried by two processes is the run that one process carries."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from safetensors.torch import load_file

from gem_backend import demo
from gem_backend.candidate_table import read_candidates
from gem_backend.config import (
    LoraSettings,
    RunConfig,
    SamplingConfig,
    SegaConfig,
    SftConfig,
    preset_config,
)
from gem_backend.run_dir import PoolPrompt, RunDir, RunSpec
from gem_backend.types import PreferencePair

ROOT = Path(__file__).parents[2]
PAPER = RunConfig(
    device="cpu",
    sampling=SamplingConfig(num_candidates=3, max_new_tokens=48),
    lora=LoraSettings(rank=2, alpha=4, dropout=0.0),
    sft=SftConfig(epochs=2, learning_rate=3e-3, batch_size=4),
    sega=SegaConfig(rounds=2, prompts_per_round=5, prompts_per_step=3, learning_rate=1e-3),
    max_length=256,
    evaluation_prompts=8,
)


def calibrated(**sega):
    """The embedded model's own recipe, short, with every term of the loss."""
    config = preset_config("quick", "demo", 3)
    updates = {
        "device": "cpu",
        "evaluation_prompts": 8,
        "sampling": config.sampling.model_copy(update={"num_candidates": 3, "max_new_tokens": 48}),
        "sft": config.sft.model_copy(update={"epochs": 2, "batch_size": 4}),
        "sega": config.sega.model_copy(
            update={"rounds": 2, "prompts_per_round": 5, "prompts_per_step": 2, "kl_weight": 0.1}
            | sega
        ),
    }
    return config.model_copy(update=updates)


def make_run(folder, config):
    rows = [json.loads(line) for line in demo.PROJECT_FILE.read_text("utf-8").splitlines()]
    pairs = [
        PreferencePair(
            *(row[name] for name in ("prompt", "chosen", "rejected")), split=row["split"]
        )
        for row in rows
        if "chosen" in row
    ]
    train = [pair for pair in pairs if pair.split == "train"][:7]
    held_out = [pair for pair in pairs if pair.split == "held_out"][:24]
    spec = RunSpec(folder.name, config, (*train, *held_out), pool=(PoolPrompt("Age 70, fever."),))
    return RunDir.create(folder, spec)


CARRY = """
import sys
from gem_backend.worker import main

if __name__ == "__main__":
    for run_dir in sys.argv[1:]:
        main([run_dir])
"""


def carry(script, runs, processes):
    """Carry runs, one after the other, in so many processes; return what they printed."""
    script.write_text(CARRY, "utf-8")
    command = [str(script), *(str(run.path) for run in runs)]
    if processes > 1:
        launcher = ["-m", "torch.distributed.run", "--standalone"]
        command = [*launcher, f"--nproc-per-node={processes}", *command]
    ended = subprocess.run(
        [sys.executable, *command],
        env=os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=280,
    )
    return ended.stdout + ended.stderr


def figures(run, *kinds):
    """All numbers of a run's events, but for those of the clock."""
    return [
        {name: value for name, value in event.data.items() if name != "worked_s"}
        for event in run.events()
        if event.kind in kinds
    ]


def assert_close(one, other):
    """Compare nested figures, to 1e-5."""
    assert type(one) is type(other)
    if isinstance(one, dict):
        assert one.keys() == other.keys()
        for name in one:
            assert_close(one[name], other[name])
    elif isinstance(one, list):
        assert len(one) == len(other)
        for first, second in zip(one, other, strict=True):
            assert_close(first, second)
    elif isinstance(one, float):
        assert one == pytest.approx(other, abs=1e-5, rel=1e-5)
    else:
        assert one == other


CONFIGS = {
    "paper": PAPER,
    "calibrated": calibrated(),
    "contrasts": calibrated(anchor="dpo", update="dpo", group_labels=True),
}
# Beside "calibrated" in one process: the model divided among two, in more and smaller passes.
DIVIDED = {"shard_model": True, "gradient_checkpointing": True, "micro_batch_tokens": 512}


@pytest.fixture(scope="module")
def carried(tmp_path_factory):
    """A run of each configuration in one process and in two, and what those printed.

    They are carried one after the other: to begin takes a process longer than such a run.
    """
    folder, done = tmp_path_factory.mktemp("ranks"), []
    divided = calibrated().model_copy(update=DIVIDED)
    for processes, configs in ((1, CONFIGS), (2, CONFIGS | {"divided": divided})):
        runs = {
            name: make_run(folder / f"{name}-{processes}", config)
            for name, config in configs.items()
        }
        done.append((runs, carry(folder / "carry.py", runs.values(), processes)))
    return done


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "together"), [*((name, name) for name in CONFIGS), ("calibrated", "divided")]
)
def test_two_processes_do_what_one_does(carried, name, together):
    (runs, words), (others, other_words) = carried
    alone, together, said = runs[name], others[together], words + other_words
    assert alone.status().state == together.status().state == "done", said
    kinds = ("started", "sft_step", "sega_step", "calibration", "evaluation")
    assert len(figures(alone, "sega_step")) > 1
    assert_close(figures(alone, *kinds), figures(together, *kinds))
    weights, others = (load_file(run.adapter_dir / "adapter_model.safetensors")
                       for run in (alone, together))  # fmt: skip
    for weight in weights:
        np.testing.assert_allclose(weights[weight], others[weight], atol=1e-5)
    sampled, theirs = (read_candidates(run.path / "candidates-round-2.parquet")
                       for run in (alone, together))  # fmt: skip
    assert [one.text for one in sampled] == [one.text for one in theirs]


@pytest.mark.slow
def test_a_rival_in_two_processes_is_refused_in_one_sentence(tmp_path):
    run = make_run(tmp_path / "rival", PAPER.model_copy(update={"method": "sft"}))
    carry(tmp_path / "carry.py", [run], 2)
    assert run.status().state == "failed"
    assert "several processes" in run.status().message
