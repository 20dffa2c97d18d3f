"""The run directory: the contract between a run and everything that watches it, and the run's
truth.

``spec.json`` is written once. ``status.json`` is replaced atomically. ``events.jsonl`` only grows,
one event a line, numbered from 1 without gaps. ``stop`` is a flag file. ``worker.lock`` is held by
the one worker that may write; it writes nothing elsewhere.
"""

import contextlib
import hashlib
import itertools
import json
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Self

from pydantic import TypeAdapter, ValidationError

from gem_backend.config import RunConfig
from gem_backend.errors import RunDirError
from gem_backend.types import (
    EventKind,
    PreferencePair,
    RunEvent,
    RunResult,
    RunStatus,
)


@dataclass(frozen=True, slots=True)
class PoolPrompt:
    """A prompt without a label that a run may sample from."""

    prompt: str
    gold_answer: str | None = None


@dataclass(frozen=True, slots=True)
class RunSpec:
    """What a run was asked to do: frozen settings and the labels as they were at its start."""

    run_id: str
    config: RunConfig
    pairs: tuple[PreferencePair, ...]
    pool: tuple[PoolPrompt, ...] = ()
    project_id: str = ""
    created_at: str = ""
    labels_hash: str = ""
    commit: str = ""
    versions: dict[str, str] = field(default_factory=dict)


_SPEC: TypeAdapter[RunSpec] = TypeAdapter(RunSpec)
_STATUS: TypeAdapter[RunStatus] = TypeAdapter(RunStatus)
_EVENT: TypeAdapter[RunEvent] = TypeAdapter(RunEvent)
_RESULT: TypeAdapter[RunResult] = TypeAdapter(RunResult)


def labels_hash(pairs: tuple[PreferencePair, ...]) -> str:
    """Return a SHA-256 over the label snapshot, so that a run can prove what it was trained on."""
    # Pairs alone keep the hash that they had before there were orders.
    left_out = None if any(pair.order_id for pair in pairs) else {"__all__": {"order_id"}}
    rows = TypeAdapter(tuple[PreferencePair, ...]).dump_json(pairs, exclude=left_out)
    return hashlib.sha256(rows).hexdigest()


class RunDir:
    """One run's folder, with the names of everything in it.

    Args:
        path: the folder; it need not exist yet.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.spec_file = path / "spec.json"
        self.status_file = path / "status.json"
        self.events_file = path / "events.jsonl"
        self.result_file = path / "result.json"
        self.log_file = path / "log.txt"
        self.stop_file = path / "stop"
        self.lock_file = path / "worker.lock"
        self.checkpoints_dir = path / "checkpoints"
        self.adapter_dir = path / "adapter"

    @classmethod
    def create(cls, path: Path, spec: RunSpec) -> Self:
        """Make a new run folder that is queued.

        Raises:
            RunDirError: the folder already holds a run.
        """
        run = cls(path)
        if run.spec_file.exists():
            raise RunDirError(
                f"The folder {path} already holds a run; choose another or resume it."
            )
        path.mkdir(parents=True, exist_ok=True)
        write_whole(run.spec_file, _SPEC.dump_json(spec, indent=1))
        run.write_status(RunStatus(state="queued", heartbeat=time.time()))
        return run

    def spec(self) -> RunSpec:
        """Read the frozen spec.

        Raises:
            RunDirError: the folder holds no readable run.
        """
        try:
            return _SPEC.validate_json(self.spec_file.read_bytes())
        except FileNotFoundError as error:
            raise RunDirError(f"The folder {self.path} holds no run (no spec.json).") from error
        except ValidationError as error:
            raise RunDirError(
                f"The spec.json in {self.path} is damaged or from another version."
            ) from error

    def status(self) -> RunStatus:
        """Read the status as the worker last wrote it; see ``runner.observe`` for dead workers."""
        try:
            return _STATUS.validate_json(self.status_file.read_bytes())
        except (FileNotFoundError, ValidationError) as error:
            raise RunDirError(f"The folder {self.path} holds no readable status.json.") from error

    def write_status(self, status: RunStatus) -> None:
        """Replace the status atomically."""
        write_whole(self.status_file, _STATUS.dump_json(status))

    def result(self) -> RunResult | None:
        """Read the result, None while there is none; its adapter is the one in this folder.

        The run may have been carried elsewhere, where that folder had another name.
        """
        if not self.result_file.exists():
            return None
        result = _RESULT.validate_json(self.result_file.read_bytes())
        if result.adapter_dir is None:
            return result
        return replace(result, adapter_dir=str(self.adapter_dir.resolve()))

    def write_result(self, result: RunResult) -> None:
        """Write the result atomically."""
        write_whole(self.result_file, _RESULT.dump_json(result, indent=1))

    def events(self, after_seq: int = 0) -> Iterator[RunEvent]:
        """Yield the events that follow ``after_seq``; a torn last line is left for later."""
        if not self.events_file.exists():
            return
        with self.events_file.open("rb") as lines:
            # Numbered from 1 without gaps, so what was read before is skipped without parsing it.
            for line in itertools.islice(lines, after_seq, None):
                if not line.endswith(b"\n"):
                    return
                yield _EVENT.validate_json(line)

    def request_stop(self) -> None:
        """Ask the worker to save and stop at its next step."""
        self.stop_file.touch()

    def is_stop_requested(self) -> bool:
        """Whether somebody asked for a stop."""
        return self.stop_file.exists()


class EventLog:
    """The worker's end of ``events.jsonl``; goes on after an earlier worker's last whole line."""

    def __init__(self, run: RunDir) -> None:
        self.seq = _drop_torn_line(run.events_file)
        self._file = run.events_file.open("ab", buffering=0)

    def append(self, kind: EventKind, step: int, **data: object) -> RunEvent:
        """Write one event in one piece and hand it to the operating system at once."""
        event = RunEvent(self.seq + 1, time.time(), kind, step, data)
        self._write(_EVENT.dump_json(event) + b"\n")
        self.seq = event.seq
        return event

    def _write(self, line: bytes) -> None:
        """Write a whole line or none: a full disk may take half of one without a word."""
        start = self._file.seek(0, os.SEEK_END)
        rest = memoryview(line)
        try:
            while rest:
                rest = rest[self._file.write(rest) :]
        except OSError:
            self._file.truncate(start)
            raise

    def close(self) -> None:
        """Close the file."""
        self._file.close()


def _drop_torn_line(events_file: Path) -> int:
    """Cut a half-written last line and return the last sequence number, 0 for none."""
    if not events_file.exists():
        return 0
    content = events_file.read_bytes()
    whole = content.rfind(b"\n") + 1
    if whole < len(content):
        with events_file.open("r+b") as file:
            file.truncate(whole)
    lines = content[:whole].splitlines()
    return int(json.loads(lines[-1])["seq"]) if lines else 0


def write_whole(target: Path, content: bytes) -> None:
    """Write beside the target and rename, so that a reader sees the old or the new file, whole."""
    temporary = target.with_name(f".{target.name}.{os.getpid()}.tmp")
    try:
        with temporary.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(target)
    except OSError:
        with contextlib.suppress(OSError):
            temporary.unlink()
        raise
