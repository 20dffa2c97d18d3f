"""The devices of this machine that runs can have, one run on each, and the line for them; no torch.

Explore's model sits on one of them, and gives it up for a run only when all others are taken.
"""

import os
import re
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

from gem_backend import runner
from gem_backend.types import RunStatus

CPU = "cpu"
LIST_S = 20.0  # ours: how long the driver may take to name its GPUs
_GPU = re.compile(r"^GPU \d+: .*\(UUID: (GPU-[^)\s]+)\)", re.MULTILINE)


def is_gpu(wanted: str) -> bool:
    """Whether a run that asks for "auto", "cpu" or "cuda" would compute on a GPU."""
    return wanted == "cuda" or (wanted == "auto" and shutil.which("nvidia-smi") is not None)


def device_words(wanted: str) -> str:
    """Name where a run would compute."""
    return "graphics processor (GPU)" if is_gpu(wanted) else "processor (CPU)"


def list_gpus() -> tuple[str, ...]:
    """Return this machine's GPUs, by names that ``CUDA_VISIBLE_DEVICES`` takes.

    Those that it names already are all there are; empty where nobody can say.
    """
    if (chosen := os.environ.get("CUDA_VISIBLE_DEVICES")) is not None:
        return tuple(name for name in map(str.strip, chosen.split(",")) if name not in ("", "-1"))
    program = shutil.which("nvidia-smi")
    if program is None:
        return ()
    try:
        said = subprocess.run(
            [program, "-L"], capture_output=True, text=True, timeout=LIST_S, check=False
        ).stdout
    except (OSError, subprocess.TimeoutExpired):
        return ()
    return tuple(_GPU.findall(said))


@dataclass(frozen=True, slots=True)
class Devices:
    """What runs can have: each of the GPUs, and the processor; ``of_engine`` is where Explore is.

    A GPU that could not be listed has no name, "".
    """

    gpus: tuple[str, ...]
    of_engine: str

    @classmethod
    def find(cls, engine_wants: str) -> Self:
        """Look what there is; the engine takes the first GPU unless it wants the processor."""
        gpus = list_gpus()
        return cls(gpus, (*gpus, "")[0] if is_gpu(engine_wants) else CPU)

    def for_run(self, wanted: str) -> tuple[str, ...]:
        """Return the devices on which a run can compute, the engine's last."""
        if not is_gpu(wanted):
            return (CPU,)
        return tuple(sorted(self.gpus or ("",), key=lambda gpu: gpu == self.of_engine))


@dataclass(frozen=True, slots=True)
class Line:
    """Which runs are at work here and which wait, the next one first, at one moment.

    The status of each says which device it has, or what kind it waits for.
    """

    devices: Devices
    at_work: Mapping[str, RunStatus]
    waiting: Mapping[str, RunStatus]

    @classmethod
    def of(cls, devices: Devices, active: Mapping[str, RunStatus]) -> Self:
        """Sort the runs that are active, here or elsewhere."""
        waiting = [(status.queued_at, run) for run, status in active.items()
                   if runner.is_waiting(status)]  # fmt: skip
        return cls(
            devices,
            {run: status for run, status in active.items() if runner.is_at_work_here(status)},
            {run: active[run] for _, run in sorted(waiting)},
        )

    @property
    def taken(self) -> list[str]:
        """The device of each run at work."""
        return [status.device or self.devices.of_engine for status in self.at_work.values()]

    @property
    def is_engine_free(self) -> bool:
        """Whether no run has the device on which Explore's model sits."""
        return self.devices.of_engine not in self.taken

    def free_for(self, wanted: str) -> str | None:
        """Return a device that a run can have now, None where all are taken."""
        return next((one for one in self.devices.for_run(wanted) if one not in self.taken), None)

    @property
    def can_begin(self) -> bool:
        """Whether a run that waits could have a device now."""
        wanted = {status.device or "auto" for status in self.waiting.values()}
        return any(self.free_for(one) is not None for one in wanted)

    def num_ahead(self, wanted: str, before: str | None = None) -> int:
        """Return how many runs have to end before one begins that waits for this kind of device.

        Args:
            wanted: what it asks for.
            before: its own id, if it waits already; None for one that would come last.
        """
        mine = self.devices.for_run(wanted)
        ahead = 0
        for run, status in self.waiting.items():
            if run == before:
                break
            ahead += self.devices.for_run(status.device or "auto") == mine
        return ahead + max(0, sum(one in mine for one in self.taken) - len(mine) + 1)
