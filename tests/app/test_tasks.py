"""Background work: how far it is, how it ended, and which of several starts that was."""

import time

import pytest

from app.records import TaskState
from app.tasks import UNEXPECTED, Tasks
from gem_backend.errors import TrainingError


def finish(tasks, work, *sizes):
    """Start work under the name "w" and wait until it has ended."""
    tasks.start("w", work, *sizes)
    for _ in range(1000):
        if tasks.state("w").state != "running":
            break
        time.sleep(0.01)
    return tasks.state("w")


def test_work_that_tells_how_far_it_is_keeps_how_far_it_may_go():
    tasks, told = Tasks(), []

    def work(on_progress):
        on_progress(1, 5, (7,))
        told.append(tasks.state("w"))

    assert finish(tasks, work, 5, 48) == TaskState("done", serial=1)
    assert told == [TaskState("running", 1, 5, tokens=(7,), most_tokens=48, serial=1)]


def test_the_end_of_each_start_is_news():
    tasks = Tasks()
    first, second = (finish(tasks, lambda _: None) for _ in range(2))
    assert first.state == second.state == "done"
    assert first != second


@pytest.mark.parametrize(
    ("error", "said"),
    [(TrainingError("Too few labels."), "Too few labels."), (KeyError("x"), UNEXPECTED)],
)
def test_what_failed_says_so_and_the_next_start_begins_anew(error, said):
    tasks = Tasks()

    def fail(_):
        raise error

    assert finish(tasks, fail) == TaskState("failed", error=said, serial=1)
    assert finish(tasks, lambda _: None) == TaskState("done", serial=2)
