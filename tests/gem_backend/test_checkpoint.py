"""Checkpoints: exact, whole at any moment, and never without the latest and the best."""

import os
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch.optim import AdamW

from gem_backend.checkpoint import (
    Progress,
    latest_checkpoint,
    load_adapter_weights,
    load_checkpoint,
    prune,
    read_progress,
    save_checkpoint,
)
from gem_backend.errors import TrainingError
from gem_backend.outcome import stop_message

WARM = Progress(step=4, epoch=1)
ROUNDS = [
    Progress(step=8, epoch=2, round=0, best_round=0, best_accuracy=0.5),
    Progress(step=10, epoch=2, round=1, best_round=0, best_accuracy=0.5, stale_rounds=1),
    Progress(step=12, epoch=2, round=2, best_round=2, best_accuracy=0.7, worked_s=12.5),
]


class Killed(BaseException):
    """Stands for a kill: nobody catches it."""


@pytest.fixture
def model(adapted_policy):
    return adapted_policy.model


def names(folder):
    return {path.name for path in folder.iterdir() if not path.name.startswith(".")}


def save_and_prune(folder, model, progress):
    """The order in which a run does it."""
    save_checkpoint(folder, model, None, progress)
    prune(folder, keep={progress.name, progress.best_name})


def test_weights_optimizer_and_progress_come_back_equal(tmp_path, model):
    parameters = [p for name, p in model.named_parameters() if "lora_" in name]
    optimizer = AdamW(parameters, lr=0.1)
    for parameter in parameters:
        parameter.grad = torch.ones_like(parameter)
    optimizer.step()
    save_checkpoint(tmp_path, model, optimizer, ROUNDS[2])
    kept = [parameter.detach().clone() for parameter in parameters]
    with torch.no_grad():
        for parameter in parameters:
            parameter.zero_()
    other = AdamW(parameters, lr=0.1)
    assert load_checkpoint(tmp_path / "round-2", model, other) == ROUNDS[2]
    assert all(torch.equal(a, b) for a, b in zip(parameters, kept, strict=True))
    assert other.state_dict()["state"][0]["step"] == 1


def test_another_adapters_checkpoint_is_refused(tmp_path, model):
    save_checkpoint(tmp_path, model, None, WARM)
    file = tmp_path / "epoch-1" / "adapter_model.safetensors"
    weights = load_file(file)
    weights.popitem()
    save_file(weights, file)
    with pytest.raises(TrainingError, match="another adapter"):
        load_adapter_weights(tmp_path / "epoch-1", model)


def test_the_latest_and_the_best_are_kept(tmp_path, model):
    kept = []
    for progress in (WARM, *ROUNDS):
        save_and_prune(tmp_path, model, progress)
        kept.append(names(tmp_path))
    assert kept == [{"epoch-1"}, {"round-0"}, {"round-0", "round-1"}, {"round-2"}]
    assert read_progress(latest_checkpoint(tmp_path)) == ROUNDS[2]


@pytest.mark.parametrize("progress", [WARM, *ROUNDS], ids=lambda p: p.name)
@pytest.mark.parametrize("function", ["fsync", "rename", "rmtree"])
def test_a_kill_at_any_point_of_saving_leaves_a_whole_latest_and_best(
    tmp_path, model, monkeypatch, progress, function
):
    """Killed at the first, second, ... call of each function that touches the disk."""
    earlier = [one for one in (WARM, *ROUNDS) if one.step < progress.step]
    number = 0
    while True:
        folder = tmp_path / str(number)
        folder.mkdir()
        for one in earlier:
            save_and_prune(folder, model, one)
        with monkeypatch.context() as patch:
            kill_at(patch, function, number)
            try:
                save_and_prune(folder, model, progress)
                break
            except Killed:
                pass
        for name in names(folder):
            load_checkpoint(folder / name, model, None)
        latest = latest_checkpoint(folder)
        if latest is None:
            assert not earlier
        else:
            stands = load_checkpoint(latest, model, None)
            assert stands in (progress, *earlier[-1:])
            load_adapter_weights(folder / stands.best_name, model)
            save_and_prune(folder, model, progress)  # the resumed run does it again
            left = {path.name for path in folder.iterdir()}
            assert left == {progress.name, progress.best_name}
        number += 1
    assert number > 0 or function == "rmtree"


def kill_at(patch, function, number):
    owner = {"fsync": os, "rename": Path, "rmtree": shutil}[function]
    original, calls = getattr(owner, function), []

    def killing(path, *arguments, **options):
        exists = function != "rmtree" or path.exists()
        if exists and len(calls) == number:
            if function == "rmtree":  # it dies half way
                (path / "adapter_model.safetensors").unlink(missing_ok=True)
            raise Killed
        calls.extend([path] * exists)
        return original(path, *arguments, **options)

    patch.setattr(owner, function, killing)


def test_what_a_crash_left_half_done_is_ignored_and_cleared_away(tmp_path, model):
    save_checkpoint(tmp_path, model, None, WARM)
    for name in (".round-9.tmp", ".round-8.old"):
        shutil.copytree(tmp_path / "epoch-1", tmp_path / name)
    assert latest_checkpoint(tmp_path) == tmp_path / "epoch-1"
    prune(tmp_path, keep={"epoch-1"})
    assert [path.name for path in tmp_path.iterdir()] == ["epoch-1"]


def test_a_checkpoint_of_the_same_name_is_replaced(tmp_path, model):
    for worked_s in (1.0, 2.0):
        save_checkpoint(tmp_path, model, None, Progress(4, 1, worked_s=worked_s))
    assert read_progress(tmp_path / "epoch-1").worked_s == 2.0
    assert [path.name for path in tmp_path.iterdir()] == ["epoch-1"]


def test_a_run_without_checkpoints_has_nothing_to_prune_or_to_go_on_from(tmp_path):
    prune(tmp_path / "none", keep=set())
    assert latest_checkpoint(tmp_path / "none") is None


@pytest.mark.parametrize(
    ("kept", "sentence"),
    [
        (None, "Resume starts from the beginning"),
        (Progress(step=12, epoch=3), "after pass 3 of the warm start is saved"),
        (ROUNDS[0], "after the warm start is saved"),
        (ROUNDS[1], "after round 1 is saved"),
    ],
)
def test_a_stopped_run_says_what_is_kept(kept, sentence):
    assert sentence in stop_message(kept)
