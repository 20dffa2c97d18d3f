"""Start, watch and stop run workers; used by the studio and the command line, without torch.

A worker is detached: it has its own session and its own log file, so it outlives whoever started
it.
"""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import psutil

from gem_backend.errors import RunDirError
from gem_backend.run_dir import RunDir
from gem_backend.types import RunState, RunStatus

ACTIVE: frozenset[RunState] = frozenset({"queued", "running", "stopping"})
RESUMABLE: frozenset[RunState] = frozenset({"stopped", "failed", "interrupted"})
STALE_AFTER_S = 60.0
_SOURCE_ROOT = Path(__file__).resolve().parent.parent


def start_worker(run: RunDir, *, resume: bool = False) -> int:
    """Start a detached worker for a run and return its process id.

    Raises:
        RunDirError: a worker of this run is still alive, or there is nothing to resume.
    """
    state = observe(run).state
    if state in ACTIVE and run.status().pid:
        raise RunDirError("This run is still going; stop it before starting it again.")
    if resume and state == "done":
        raise RunDirError("This run is finished; there is nothing to resume.")
    run.stop_file.unlink(missing_ok=True)
    command = [sys.executable, "-m", "gem_backend.worker", str(run.path.resolve())]
    with run.log_file.open("ab") as log:
        process = subprocess.Popen(
            [*command, "--resume"] if resume else command,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            cwd=_SOURCE_ROOT,
            # Threads that spin while they wait take the processor from the studio beside them.
            env=os.environ | {"OMP_WAIT_POLICY": "PASSIVE", "TOKENIZERS_PARALLELISM": "false"},
        )
    # Written here, not by the worker, so that one that dies while it loads is noticed.
    run.write_status(
        replace(
            run.status(),
            state="queued",
            pid=process.pid,
            process_create_time=_create_time(process.pid),
            host=socket.gethostname(),
            heartbeat=time.time(),
            message="",
        )
    )
    return process.pid


def observe(run: RunDir) -> RunStatus:
    """Return a run's status, with "interrupted" for a worker that is gone without a last word."""
    status = run.status()
    if status.state not in ACTIVE or not status.pid or _is_alive(status):
        return status
    status = run.status()  # it may have written its last word between the two looks
    if status.state not in ACTIVE:
        return status
    return replace(
        status,
        state="interrupted",
        message="The run was interrupted. Resume continues from its last checkpoint.",
    )


def stop_worker(run: RunDir, grace_s: float = 20.0) -> RunStatus:
    """Stop a run for sure: the stop flag, then SIGTERM, then SIGKILL to its whole process group."""
    run.request_stop()
    for step in (None, signal.SIGTERM, signal.SIGKILL):
        status = observe(run)
        if step is not None and status.state in ACTIVE and status.host == socket.gethostname():
            with contextlib.suppress(ProcessLookupError):
                os.killpg(status.pid, step)
        if wait_for_end(run, grace_s).state not in ACTIVE:
            break
    return observe(run)


def wait_for_end(run: RunDir, timeout_s: float | None = None, poll_s: float = 0.1) -> RunStatus:
    """Wait until a run is no longer active, or the time is up, and return its status."""
    deadline = None if timeout_s is None else time.monotonic() + timeout_s
    while (status := observe(run)).state in ACTIVE:
        if deadline is not None and time.monotonic() > deadline:
            break
        time.sleep(poll_s)
    return status


def _is_alive(status: RunStatus) -> bool:
    """Whether the worker lives: by process here, by heartbeat on another machine."""
    if status.host != socket.gethostname():
        return time.time() - status.heartbeat < STALE_AFTER_S
    try:
        process = psutil.Process(status.pid)
        # The create time tells a worker from a stranger that was given the same number later.
        is_same = abs(process.create_time() - status.process_create_time) < 1.0
        return is_same and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def _create_time(pid: int) -> float:
    try:
        return psutil.Process(pid).create_time()
    except psutil.NoSuchProcess:
        return 0.0
