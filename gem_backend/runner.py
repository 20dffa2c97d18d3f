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

from filelock import FileLock, Timeout

from gem_backend.errors import RunDirError
from gem_backend.run_dir import RunDir
from gem_backend.types import RunState, RunStatus

ACTIVE: frozenset[RunState] = frozenset({"queued", "running", "stopping"})
RESUMABLE: frozenset[RunState] = frozenset({"stopped", "failed", "interrupted"})
STALE_AFTER_S = 60.0  # ours: how long a worker on another machine may be silent
STARTING_S = 30.0  # ours: how long a new worker may take to its first word
LOG_BYTES = 5 * 1024**2  # ours: a longer log is put aside when the next worker starts
TAKEN_OUT = "The run was taken out of the line before it began."
_SOURCE_ROOT = Path(__file__).resolve().parent.parent


def start_worker(run: RunDir, *, resume: bool = False, device: str = "") -> int:
    """Start a detached worker for a run and return its process id.

    Args:
        run: a directory with a spec.
        resume: go on from its last checkpoint.
        device: "cpu", or the one GPU that the worker is to see; "" leaves it the choice.

    Raises:
        RunDirError: a worker of this run is still alive, or there is nothing to resume.
    """
    status = observe(run)
    if status.state in ACTIVE and status.host:
        raise RunDirError("This run is still going; stop it before starting it again.")
    if resume and status.state == "done":
        raise RunDirError("This run is finished; there is nothing to resume.")
    command = [sys.executable, "-m", "gem_backend.worker", str(run.path.resolve())]
    try:
        run.stop_file.unlink(missing_ok=True)
        # From the start on only the worker writes; one that dies while it loads falls silent.
        run.write_status(
            replace(
                run.status(),
                state="queued",
                pid=0,
                host=socket.gethostname(),
                heartbeat=time.time(),
                message="",
                queued_at=0.0,
                device=device,
            )
        )
        _rotate(run.log_file)
        with run.log_file.open("ab") as log:
            process = subprocess.Popen(
                [*command, "--resume"] if resume else command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                cwd=_SOURCE_ROOT,
                env=_environment(device),
            )
    except OSError as error:
        raise RunDirError(f"The run could not be started in {run.path}: {error}.") from error
    return process.pid


def line_up(run: RunDir) -> None:
    """Put a run at the end of its studio's line, new or to go on from its last checkpoint.

    Raises:
        RunDirError: it is at work, or finished.
    """
    status = observe(run)
    if status.state in ACTIVE and status.host:
        raise RunDirError("This run is still going; stop it before starting it again.")
    if status.state == "done":
        raise RunDirError("This run is finished; there is nothing to resume.")
    run.stop_file.unlink(missing_ok=True)
    waiting = replace(run.status(), state="queued", pid=0, host="", message="")
    wanted = run.spec().config.device
    run.write_status(replace(waiting, queued_at=time.time(), device=wanted))


def leave_line(run: RunDir) -> None:
    """Take a waiting run out of the line; it can be put back in."""
    run.write_status(replace(run.status(), state="stopped", queued_at=0.0, message=TAKEN_OUT))


def is_waiting(status: RunStatus) -> bool:
    """Whether a run stands in the line of a studio."""
    return status.state == "queued" and status.queued_at > 0


def is_at_work_here(status: RunStatus) -> bool:
    """Whether an observed run has a worker on this machine, or one that is starting."""
    return status.state in ACTIVE and status.host == socket.gethostname()


def observe(run: RunDir) -> RunStatus:
    """Return a run's status, with "interrupted" for a worker that is gone without a last word.

    A folder that is gone or unreadable is a failed run, so that no one run can stop a studio.
    """
    try:
        status = run.status()
        if status.state not in ACTIVE or _is_alive(run, status):
            return status
        status = run.status()  # it may have written its last word between the two looks
    except RunDirError as error:
        return RunStatus(state="failed", message=error.message)
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
        is_here = status.state in ACTIVE and status.host == socket.gethostname() and status.pid > 0
        if step is not None and is_here:
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


def _environment(device: str) -> dict[str, str]:
    # Threads that spin while they wait take the processor from the studio beside them.
    ours = {"OMP_WAIT_POLICY": "PASSIVE", "TOKENIZERS_PARALLELISM": "false"}
    if device not in ("", "cpu"):
        ours["CUDA_VISIBLE_DEVICES"] = device
    return os.environ | ours


def _rotate(log_file: Path) -> None:
    """Put a long log aside, in place of the one before it: a run that is resumed again and again
    must not fill the disk.
    """
    if log_file.is_file() and log_file.stat().st_size > LOG_BYTES:
        log_file.replace(log_file.with_suffix(".1.txt"))


def _is_alive(run: RunDir, status: RunStatus) -> bool:
    """Whether the worker lives: by its lock, or by its heartbeat elsewhere and while it starts.

    A run that nobody has started yet waits, however long.
    """
    if status.state == "queued" and not status.host:
        return True
    silence_s = time.time() - status.heartbeat
    if status.host not in ("", socket.gethostname()):
        return silence_s < STALE_AFTER_S
    return _is_locked(run) or (status.state == "queued" and silence_s < STARTING_S)


def _is_locked(run: RunDir) -> bool:
    try:
        with FileLock(run.lock_file, timeout=0):
            return False
    except Timeout:
        return True
