"""kill -9 at random moments of a run: it always goes on, and ends as the run that nobody killed."""

import multiprocessing
import random
import time

import psutil
import pytest
from filelock import FileLock

from gem_backend import runner
from gem_backend.policy import load_policy
from gem_backend.worker import main
from tests.gem_backend.test_run import make_run, metrics

KILLS = 20


@pytest.fixture
def start():
    """Starts a run's worker with its libraries at hand, so that a kill meets the run itself."""
    context = multiprocessing.get_context("forkserver")  # see tests/conftest.py

    def start(run):
        worker = context.Process(target=main, args=([str(run.path), "--resume"],))
        worker.start()
        return worker

    return start


def carry(start, run):
    """Carry a run to its end and return the seconds it took."""
    started = time.monotonic()
    worker = start(run)
    worker.join(timeout=120)
    assert worker.exitcode == 0
    return time.monotonic() - started


@pytest.mark.slow
@pytest.mark.timeout(900)  # twenty workers, one after the other
def test_killed_at_twenty_moments_a_run_ends_as_if_it_had_not_been(start, tmp_path):
    unbroken, chance = make_run(tmp_path / "unbroken"), random.Random(6)
    carry(start, unbroken)  # its time has the loading of the libraries in it
    whole_s = carry(start, make_run(tmp_path / "timed"))
    num_kills, runs = 0, []
    while num_kills < KILLS:
        run = make_run(tmp_path / f"killed-{len(runs)}")
        runs.append(run)
        while num_kills < KILLS and runner.observe(run).state != "done":
            worker = start(run)
            worker.join(chance.uniform(0, whole_s))
            num_kills += worker.is_alive()
            worker.kill()
            worker.join()
            assert runner.observe(run).state in ("queued", "interrupted", "done")
            assert_gapless(run)
            with FileLock(run.lock_file, timeout=0):
                pass
    for run in runs:
        if runner.observe(run).state != "done":
            carry(start, run)
        assert_gapless(run)
        assert metrics(run) == metrics(unbroken)
        assert run.result().after == unbroken.result().after
        assert load_policy("demo", adapter_dir=run.adapter_dir, device="cpu").adapter
        assert not list(run.path.rglob("*.tmp"))
    commands = [" ".join(one.info["cmdline"] or ()) for one in psutil.process_iter(["cmdline"])]
    assert not any(str(tmp_path) in command for command in commands)


def assert_gapless(run):
    seqs = [event.seq for event in run.events()]
    assert seqs == list(range(1, len(seqs) + 1))
