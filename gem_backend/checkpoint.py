"""Checkpoints: what a run needs to go on as if nothing had happened.

The adapter is written in safetensors by peft. Data order and sampling derive from the run's seed
and the position, so no generator state is kept.
"""

import shutil
from dataclasses import dataclass
from pathlib import Path

import torch
from peft import PeftModel, get_peft_model_state_dict, set_peft_model_state_dict
from pydantic import TypeAdapter
from safetensors.torch import load_file
from torch.optim import Optimizer

from gem_backend.errors import TrainingError
from gem_backend.types import Evaluation


@dataclass(frozen=True, slots=True)
class Progress:
    """Where a run stands: ``epoch`` of the warm start and ``round`` of SEGA that are finished."""

    step: int = 0
    epoch: int = 0
    round: int = 0
    best_round: int = -1
    best_accuracy: float = -1.0
    stale_rounds: int = 0


@dataclass(frozen=True, slots=True)
class Baseline:
    """What the base model did on the test part, kept so that "after" is paired with it case by
    case.
    """

    evaluation: Evaluation
    is_preferred: tuple[bool, ...]
    is_answer_right: tuple[bool, ...]


_PROGRESS = TypeAdapter(Progress)
_ADAPTER = "adapter_model.safetensors"


def save_checkpoint(
    folder: Path, model: PeftModel, optimizer: Optimizer | None, progress: Progress
) -> None:
    """Write a checkpoint whole or not at all: into a folder beside it, then renamed."""
    temporary = folder.with_name(f".{folder.name}.tmp")
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir(parents=True)
    model.save_pretrained(str(temporary))
    if optimizer is not None:
        torch.save(optimizer.state_dict(), temporary / "optimizer.pt")
    (temporary / "progress.json").write_bytes(_PROGRESS.dump_json(progress))
    shutil.rmtree(folder, ignore_errors=True)
    temporary.rename(folder)


def load_checkpoint(folder: Path, model: PeftModel, optimizer: Optimizer | None) -> Progress:
    """Put a checkpoint's weights into the model (and the optimizer) and return where it stood."""
    load_adapter_weights(folder, model)
    if optimizer is not None:
        state = torch.load(folder / "optimizer.pt", map_location="cpu", weights_only=True)
        optimizer.load_state_dict(state)
    return read_progress(folder)


def load_adapter_weights(folder: Path, model: PeftModel) -> None:
    """Replace the adapter's weights by those of a checkpoint.

    Raises:
        TrainingError: the checkpoint does not hold exactly this adapter's weights.
    """
    weights = load_file(folder / _ADAPTER)
    if weights.keys() != get_peft_model_state_dict(model).keys():
        raise TrainingError(f"The checkpoint {folder} belongs to another adapter.")
    set_peft_model_state_dict(model, weights)


def read_progress(folder: Path) -> Progress:
    """Return where a checkpoint stands."""
    return _PROGRESS.validate_json((folder / "progress.json").read_bytes())


def latest_checkpoint(checkpoints_dir: Path) -> Path | None:
    """Return the checkpoint that got furthest, None if there is none."""
    folders = [path.parent for path in checkpoints_dir.glob("[!.]*/progress.json")]
    return max(folders, key=lambda folder: read_progress(folder).step, default=None)


def prune(checkpoints_dir: Path, keep: set[str]) -> None:
    """Delete every checkpoint but the named ones."""
    for folder in checkpoints_dir.glob("[!.]*"):
        if folder.name not in keep:
            shutil.rmtree(folder)
