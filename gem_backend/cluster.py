"""A job file for a run folder, for a cluster's own scheduler: Slurm, or SkyPilot.

The job starts ``gem_backend.worker`` under torchrun, and nothing else: a run folder is all that a
run needs, and what comes back is imported as it is.
"""

import json
import shlex
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from gem_backend.errors import ConfigError
from gem_backend.model_folder import find_model
from gem_backend.run_dir import RunDir, RunSpec, write_whole
from gem_backend.runner import ACTIVE, observe

Target = Literal["slurm", "skypilot"]

STUDIO = Path(__file__).resolve().parent.parent
CORES_PER_PROCESS = 8  # ours: tokenizing and feeding one device
NOTICE_S = 300  # ours: before its time is up a job is told, and saves


@dataclass(frozen=True, slots=True)
class JobSize:
    """What a job asks for: machines, processes on each (one for each GPU), and hours."""

    num_nodes: int = 1
    processes_per_node: int = 1
    hours: int = 4


def write_job(run: RunDir, target: Target, size: JobSize, out: Path | None = None) -> Path:
    """Write a run's job file and return its path.

    Args:
        run: a run that has not begun, or that can be resumed.
        target: the scheduler.
        size: what the job asks for.
        out: the file; in the run's folder by default.

    Raises:
        ConfigError: SkyPilot was asked for several machines, which share no folder; or a model is
            to be divided among one process.
        RunDirError: there is no run in the folder.
    """
    spec, status = run.spec(), observe(run)
    if status.state == "done" or (status.state in ACTIVE and status.host):
        state = "finished" if status.state == "done" else "still going"
        raise ConfigError(f"This run is {state}; a job has nothing to do.", "Job not written")
    if target == "skypilot" and size.num_nodes > 1:
        raise ConfigError(
            "SkyPilot's machines share no folder; ask for one machine, or write a job for Slurm.",
            "Job not written",
        )
    if spec.config.shard_model and size.num_nodes * size.processes_per_node == 1:
        raise ConfigError(
            "This run divides its model among several processes ('shard_model'); ask for more.",
            "Job not written",
        )
    name, text = _JOBS[target]
    path = out or run.path / name
    write_whole(path, text(run.path.resolve(), spec, size).encode())
    return path


def _slurm(run: Path, spec: RunSpec, size: JobSize) -> str:
    processes = size.processes_per_node
    gpus = "" if spec.config.device == "cpu" else f"\n#SBATCH --gpus-per-node={processes}"
    return f"""#!/usr/bin/env bash
# Carries a run of GEM Studio under Slurm. Add what your cluster asks for, such as --partition.
# Its folder and the program's must be where every node sees them. Sent once more, it goes on where
# it stopped; afterwards: python launch.py import RUN_DIR --project NAME
#SBATCH --job-name=gem-{_short(spec)}
#SBATCH --nodes={size.num_nodes}
#SBATCH --ntasks-per-node=1
#SBATCH --cpus-per-task={CORES_PER_PROCESS * processes}{gpus}
#SBATCH --time={size.hours}:00:00
#SBATCH --signal=B:TERM@{NOTICE_S}
set -euo pipefail

run_dir={shlex.quote(str(run))}
studio={shlex.quote(str(STUDIO))}
python={shlex.quote(sys.executable)}

# Before the job's time is up Slurm says so, and the run is asked to save and stop.
trap 'touch "$run_dir/stop"' TERM
rm -f "$run_dir/stop"
cd "$studio"
head_node=$(scontrol show hostnames "$SLURM_JOB_NODELIST" | head -n 1)
port=$((20000 + SLURM_JOB_ID % 10000)) # two jobs may share a node
srun --kill-on-bad-exit=1 "$python" -m torch.distributed.run \\
  --nnodes "$SLURM_JOB_NUM_NODES" --nproc-per-node {processes} \\
  --rdzv-backend c10d --rdzv-id "$SLURM_JOB_ID" --rdzv-endpoint "$head_node:$port" \\
  -m gem_backend.worker "$run_dir" --resume &
step=$!
code=0
wait "$step" || code=$?
while kill -0 "$step" 2>/dev/null; do # the signal ended the wait, not the step
  code=0
  wait "$step" || code=$?
done
exit "$code"
"""


def _skypilot(run: Path, spec: RunSpec, size: JobSize) -> str:
    processes = size.processes_per_node
    device = "" if spec.config.device == "cpu" else f"  accelerators: A100-80GB:{processes}\n"
    source = find_model(spec.config.model)
    is_own = spec.config.model != "demo" and isinstance(source, Path)
    model = f"  {_text(source)}: {_text(source)}\n" if is_own else ""
    cluster = f"gem-{_short(spec)}"
    return f"""# Carries a run of GEM Studio on a machine that SkyPilot rents:
#   sky launch -c {cluster} JOB_FILE
# The run's folder goes to that machine, and with it every label and every word of its cases.
# What comes of it: rsync -az {cluster}:gem-run/ RUN_DIR
# and then: python launch.py import RUN_DIR --project NAME
name: {cluster}
resources:
{device}  cpus: {CORES_PER_PROCESS * processes}+
workdir: {_text(STUDIO)}
file_mounts:
  ~/gem-run: {_text(run)}
{model}setup: |
  python3 launch.py doctor
run: |
  rm -f ~/gem-run/stop
  .venv/bin/python -m torch.distributed.run --standalone --nproc-per-node {processes} \\
    -m gem_backend.worker ~/gem-run --resume
"""


def _short(spec: RunSpec) -> str:
    """Return a name for a job: letters that any scheduler takes."""
    return "".join(letter for letter in spec.run_id.lower() if letter.isalnum())[:12] or "run"


def _text(value: object) -> str:
    """Return a text as YAML takes it, whatever is in it: JSON's way."""
    return json.dumps(str(value))


_JOBS: dict[Target, tuple[str, Callable[[Path, RunSpec, JobSize], str]]] = {
    "slurm": ("job.sh", _slurm),
    "skypilot": ("job.yaml", _skypilot),
}
