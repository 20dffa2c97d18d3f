"""Which learning rate a method keeps, and that a killed benchmark ends whole."""

import itertools
import os
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from gem_backend.bench.method import Training, _best
from gem_backend.checkpoint import Progress


def training(learning_rate, merit):
    progress = Progress(best_accuracy=merit)
    return Training(Path("run"), 1, "dpo", learning_rate, progress, 0, 0.0)


@pytest.mark.parametrize("order", itertools.permutations(range(3)))
def test_the_highest_merit_wins_and_of_equal_ones_the_lowest_rate(order):
    tuned = [training(3e-4, 0.7), training(1e-3, 0.8), training(3e-3, 0.8)]
    assert _best([tuned[place] for place in order]).learning_rate == 1e-3


POOL = """
import multiprocessing, os, time
from concurrent.futures import ProcessPoolExecutor
from gem_backend.bench.method import begin_work

if __name__ == "__main__":
    context = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(1, context, initializer=begin_work)
    print(pool.submit(os.getpid).result(), flush=True)
    pool.submit(time.sleep, 600).result()
"""


def test_a_killed_benchmark_leaves_no_process_at_work(tmp_path):
    script = tmp_path / "pool.py"
    script.write_text(POOL, "utf-8")
    command = [sys.executable, str(script)]
    env = os.environ | {"PYTHONPATH": str(Path(__file__).parents[3])}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=env) as parent:
        child = psutil.Process(int(parent.stdout.readline()))
        parent.kill()
    deadline = time.monotonic() + 60
    while child.is_running() and child.status() != psutil.STATUS_ZOMBIE:
        assert time.monotonic() < deadline
        time.sleep(0.1)
