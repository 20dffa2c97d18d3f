"""Watching workers: what is alive, what is not, and that a run has one worker only."""

import dataclasses
import errno
import socket
import time

import psutil
import pytest

from gem_backend import reporter, runner
from gem_backend.config import RunConfig
from gem_backend.errors import RunDirError
from gem_backend.reporter import Reporter
from gem_backend.run_dir import EventLog, RunDir, RunSpec


@pytest.fixture
def run(tmp_path):
    return RunDir.create(tmp_path / "r", RunSpec("r", RunConfig(), ()))


def test_a_worker_is_alive_by_its_lock_whatever_the_clock_says(run, monkeypatch):
    """The start time that psutil reports moves with the clock; another process may get the pid."""
    worker = Reporter(run)
    monkeypatch.setattr(psutil.Process, "create_time", lambda self: 0.0)
    run.write_status(dataclasses.replace(run.status(), heartbeat=0.0))
    assert runner.observe(run).state == "running"
    with pytest.raises(RunDirError, match="still going"):
        runner.start_worker(run, resume=True)
    worker.end("stopped", "")
    assert runner.observe(run).state == "stopped"


def test_a_second_worker_is_refused(run, monkeypatch):
    monkeypatch.setattr(reporter, "LOCK_TIMEOUT_S", 0.1)
    first = Reporter(run)
    with pytest.raises(RunDirError, match="Another worker"):
        Reporter(run)
    first.end("stopped", "")
    Reporter(run).end("stopped", "")


def test_what_a_killed_worker_had_half_written_goes_with_the_next_one(run):
    for name in (".status.json.999.tmp", ".candidates-round-1.parquet.999.tmp"):
        (run.path / name).write_bytes(b"half")
    Reporter(run).end("stopped", "")
    assert not list(run.path.glob(".*.tmp"))
    assert run.status().state == "stopped"


def test_a_worker_that_let_go_without_a_word_is_interrupted(run):
    worker = Reporter(run)
    worker._worker_lock.release()
    worker._closed.set()
    assert runner.observe(run).state == "interrupted"


def test_a_run_whose_worker_never_spoke_does_not_stay_queued(run):
    starting = dataclasses.replace(run.status(), host=socket.gethostname())
    run.write_status(starting)
    assert runner.observe(run).state == "queued"
    run.write_status(dataclasses.replace(starting, heartbeat=time.time() - runner.STARTING_S - 1))
    assert runner.observe(run).state == "interrupted"


def test_a_run_that_waits_is_queued_however_long_and_has_no_device(run):
    """A prepared one waits for a cluster; one in line for its studio, which may be closed."""
    run.write_status(dataclasses.replace(run.status(), heartbeat=0.0))
    assert runner.observe(run).state == "queued"
    assert not runner.is_waiting(run.status())
    runner.line_up(run)
    run.write_status(dataclasses.replace(run.status(), heartbeat=0.0))
    status = runner.observe(run)
    assert (status.state, runner.is_waiting(status)) == ("queued", True)
    assert not runner.is_at_work_here(status)


def test_a_run_leaves_the_line_and_joins_its_end_again(run):
    runner.line_up(run)
    first = run.status().queued_at
    runner.leave_line(run)
    assert runner.observe(run).state == "stopped"
    assert "before it began" in run.status().message
    run.request_stop()
    runner.line_up(run)
    assert run.status().queued_at > first
    assert not run.is_stop_requested()


def test_only_a_run_that_could_go_on_gets_in_line(run):
    worker = Reporter(run)
    with pytest.raises(RunDirError, match="still going"):
        runner.line_up(run)
    worker.end("done", "")
    with pytest.raises(RunDirError, match="finished"):
        runner.line_up(run)


def test_a_long_log_is_put_aside_once(run, monkeypatch):
    monkeypatch.setattr(runner, "LOG_BYTES", 3)
    aside = run.path / "log.1.txt"
    for text, kept in (("a", None), ("long", "long"), ("longer", "longer")):
        run.log_file.write_text(text)
        runner._rotate(run.log_file)
        assert run.log_file.exists() == (kept is None)
        assert (aside.read_text() if aside.exists() else None) == kept


def test_a_start_that_fails_is_one_sentence(run):
    run.log_file.mkdir()
    with pytest.raises(RunDirError, match="could not be started"):
        runner.start_worker(run)


def test_a_folder_that_is_gone_is_a_failed_run(tmp_path):
    status = runner.observe(RunDir(tmp_path / "gone"))
    assert status.state == "failed"
    assert "no readable status" in status.message


def test_stopping_a_run_that_has_no_process_yet_kills_nobody(run):
    assert runner.stop_worker(run, grace_s=0.1).state == "queued"


def test_an_event_is_written_whole_or_not_at_all(run):
    """A full disk takes half of a line; the next event must not continue that line."""
    log = EventLog(run)
    log.append("started", 0)

    class Full:
        def __init__(self, file):
            self.file = file
            self.has_room = True

        def __getattr__(self, name):
            return getattr(self.file, name)

        def write(self, line):
            if not self.has_room:
                raise OSError(errno.ENOSPC, "No space left on device")
            self.has_room = False
            return self.file.write(line[: len(line) // 2])

    real, log._file = log._file, Full(log._file)
    with pytest.raises(OSError, match="No space"):
        log.append("sft_step", 1, loss=0.5)
    log._file = real
    log.append("sft_step", 1, loss=0.5)
    assert [(event.seq, event.kind) for event in run.events()] == [(1, "started"), (2, "sft_step")]
