"""Checkpoints: what a run needs to go on as if nothing had happened.

The adapter is written in safetensors by peft. Data order and sampling derive from the run's seed
and the position, so no generator state is kept.

A folder whose name does not start with a dot is always whole: it comes by a rename after its files
are on the disk, and goes by a rename before they are deleted. A new checkpoint is in its place
before older ones go, and the best one stays. So a crash at any moment leaves the latest and the
best checkpoint of before or of after, and at most a hidden folder that the next ``prune`` removes.
"""

import os
import shutil
from dataclasses import dataclass
from pathlib import Path

import torch
from peft import PeftModel, get_peft_model_state_dict, set_peft_model_state_dict
from pydantic import TypeAdapter
from safetensors.torch import load_file
from torch.optim import Optimizer

from gem_backend.errors import NoSpaceError, TrainingError
from gem_backend.types import Evaluation

WARM_START = "round-0"
MOST_CHECKPOINTS = 5  # the warm start, the best, the latest, the one being written, the adapter
SPARE_BYTES = 64 * 1024**2  # ours: what a run leaves to whatever else writes to the disk


@dataclass(frozen=True, slots=True)
class Progress:
    """Where a run stands: ``epoch`` of the warm start and ``round`` of SEGA that are finished.

    ``worked_s`` are the seconds of all legs up to here, without the pauses between them.
    """

    step: int = 0
    epoch: int = 0
    round: int = 0
    best_round: int = -1
    best_accuracy: float = -1.0
    stale_rounds: int = 0
    worked_s: float = 0.0

    @property
    def name(self) -> str:
        """The checkpoint's folder: by the pass of the warm start, or the round, that is done."""
        return f"epoch-{self.epoch}" if self.best_round < 0 else f"round-{self.round}"

    @property
    def best_name(self) -> str:
        """The folder of the best round so far; of this checkpoint before the first is measured."""
        return self.name if self.best_round < 0 else f"round-{self.best_round}"

    @property
    def names(self) -> set[str]:
        """The folders that are needed: the warm start, the best round, and this checkpoint."""
        return {WARM_START, self.best_name, self.name}


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
    checkpoints_dir: Path, model: PeftModel, optimizer: Optimizer | None, progress: Progress
) -> None:
    """Write the checkpoint of ``progress`` whole or not at all: into a hidden folder, renamed."""
    folder = checkpoints_dir / progress.name
    temporary = checkpoints_dir / f".{progress.name}.tmp"
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir(parents=True)
    # a rival may have lent the model an adapter of its own while it trains
    model.save_pretrained(str(temporary), selected_adapters=["default"])
    if optimizer is not None:
        torch.save(optimizer.state_dict(), temporary / "optimizer.pt")
    (temporary / "progress.json").write_bytes(_PROGRESS.dump_json(progress))
    for file in temporary.iterdir():
        with file.open("rb") as written:
            os.fsync(written.fileno())
    if folder.exists():
        _discard(folder)
    temporary.rename(folder)


def check_space(folder: Path, model: PeftModel, checkpoints: int) -> None:
    """Refuse to fill a disk: so many checkpoints, each with the optimizer's state, must find room.

    Args:
        folder: of the run.
        model: whose adapter they hold; AdamW keeps two figures for each of its weights.
        checkpoints: that are to be written before others go.

    Raises:
        NoSpaceError: they would leave less than the studio's database needs beside them.
    """
    weights = [weight for weight in model.parameters() if weight.requires_grad]
    needed = 3 * checkpoints * sum(weight.numel() * weight.element_size() for weight in weights)
    free = shutil.disk_usage(folder).free
    if free < needed + SPARE_BYTES:
        raise NoSpaceError(
            f"The disk is nearly full: {free / 1e6:,.0f} MB are free, the run needs "
            f"{(needed + SPARE_BYTES) / 1e6:,.0f} MB. Free some space, then resume the run."
        )


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
    """Delete every checkpoint but the named ones, and what an earlier crash left half done."""
    if not checkpoints_dir.exists():
        return
    for folder in list(checkpoints_dir.iterdir()):
        if folder.name.startswith("."):
            shutil.rmtree(folder)
        elif folder.name not in keep:
            _discard(folder)


def _discard(folder: Path) -> None:
    """Delete a folder so that no half of it is ever taken for a checkpoint."""
    hidden = folder.with_name(f".{folder.name}.old")
    shutil.rmtree(hidden, ignore_errors=True)
    folder.rename(hidden)
    shutil.rmtree(hidden)
