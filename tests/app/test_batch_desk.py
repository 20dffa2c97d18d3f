"""Sampling a whole project: what is sampled, what is kept, how long it takes, and how it ends."""

import itertools
import signal
import threading
import time

import pytest

from app.desks.batch import BatchDesk, BatchState
from app.desks.sampling import SamplingDesk
from app.tasks import Tasks
from app.text import batch as say
from gem_backend.config import SamplingConfig
from gem_backend.engine import BUSY
from gem_backend.errors import DataError, EngineError, ModelLoadError
from storage.candidates import latest_group, latest_ranking
from storage.database import Database
from storage.projects import create_project, list_prompts, upsert_prompt
from tests.app.fakes_engine import FakeEngine

CONFIG = SamplingConfig(num_candidates=2, temperature=1.2, seed=7)


@pytest.fixture
def project_id(db):
    """A project with five prompts, of which the last one is held out."""
    project_id = create_project(db, "Study").project_id
    for number in range(5):
        upsert_prompt(db, project_id, f"Q{number}", "held_out" if number == 4 else "pool")
    return project_id


@pytest.fixture
def engine():
    return FakeEngine()


@pytest.fixture
def sampling(db, engine):
    return SamplingDesk(db, engine, Tasks())


@pytest.fixture
def desk(db, sampling):
    return BatchDesk(db, sampling, sampling.tasks, "demo")


def ended(desk, project_id):
    deadline = time.monotonic() + 60
    while desk.state(project_id).state == "running":
        assert time.monotonic() < deadline
        time.sleep(0.01)
    return desk.state(project_id)


def run(desk, project_id, adapter=None, adapter_dir=None):
    desk.start(project_id, CONFIG, adapter, adapter_dir)
    return ended(desk, project_id)


def asked(engine):
    return [request.prompts[0] for request in engine.requests]


def answered(db, project_id):
    prompts = list_prompts(db, project_id)
    return [one.prompt for one in prompts if latest_group(db, one.prompt_id) is not None]


def test_every_prompt_but_the_held_out_one_gets_a_ranked_group(desk, db, engine, project_id):
    assert run(desk, project_id) == BatchState("done", 4, 4)
    assert asked(engine) == answered(db, project_id) == ["Q0", "Q1", "Q2", "Q3"]
    assert {request.sampling for request in engine.requests} == {CONFIG}
    group = latest_group(db, list_prompts(db, project_id)[0].prompt_id)
    assert len(group.candidates) == 2
    assert set(latest_ranking(db, group.group_id).ranks.values()) <= {1, 2}


def test_another_model_answers_all_of_them_anew(desk, engine, project_id):
    run(desk, project_id)
    assert desk.counts(project_id, "run-1") == (0, 4)
    assert run(desk, project_id, "run-1", "runs/run-1/adapter").adapter == "run-1"
    assert asked(engine) == ["Q0", "Q1", "Q2", "Q3"] * 2
    assert engine.requests[-1].adapter_dir == "runs/run-1/adapter"
    assert desk.counts(project_id, "run-1") == (4, 4)


def test_nothing_left_to_sample_is_one_sentence_and_asks_no_model(desk, db, engine, project_id):
    run(desk, project_id)
    engine.requests.clear()
    with pytest.raises(DataError, match="nothing to sample"):
        desk.start(project_id, CONFIG, None, None)
    with pytest.raises(DataError, match="nothing to sample"):
        desk.start(create_project(db, "Empty").project_id, CONFIG, None, None)
    assert engine.requests == []
    assert desk.state(project_id) == BatchState("done", 4, 4)


def test_how_it_stands_is_known_without_the_database():
    assert BatchDesk(None, None, Tasks(), "demo").state("study") == BatchState()


def test_stopped_batch_keeps_what_is_there_and_goes_on_with_the_rest(desk, db, engine, project_id):
    def stop_at(prompt):
        if prompt == "Q2":
            desk.stop(project_id)

    engine.before_sampling = stop_at
    assert run(desk, project_id) == BatchState("stopped", 2, 4)
    assert answered(db, project_id) == ["Q0", "Q1"]
    engine.before_sampling = lambda prompt: None
    engine.requests.clear()
    begun = desk.start(project_id, CONFIG, None, None)
    assert (begun.num_sampled, begun.num_prompts) == (2, 4)
    assert ended(desk, project_id) == BatchState("done", 4, 4)
    assert asked(engine) == ["Q2", "Q3"]


def test_failing_prompt_is_counted_with_the_first_reason_and_tried_again_next_time(
    desk, db, engine, project_id
):
    def refuse(prompt):
        if prompt in ("Q1", "Q3"):
            raise DataError(f"{prompt} is too long for the model.")

    engine.before_sampling = refuse
    found = run(desk, project_id)
    assert found == BatchState("done", 2, 4, 2, "Q1 is too long for the model.")
    assert answered(db, project_id) == ["Q0", "Q2"]
    engine.before_sampling = lambda prompt: None
    assert run(desk, project_id) == BatchState("done", 4, 4)


@pytest.mark.parametrize("error", [EngineError(BUSY, "Busy"), ModelLoadError("No such adapter.")])
def test_what_no_prompt_can_be_sampled_for_ends_it(desk, engine, project_id, error):
    def fail(prompt):
        if prompt == "Q1":
            raise error

    engine.before_sampling = fail
    assert run(desk, project_id) == BatchState("failed", 1, 4, error=error.message)
    assert asked(engine) == ["Q0", "Q1"]


def test_what_somebody_sampled_meanwhile_is_not_sampled_again(
    desk, sampling, db, engine, project_id
):
    third = list_prompts(db, project_id)[2]

    def by_hand(prompt):
        if prompt == "Q1":
            engine.before_sampling = lambda prompt: None
            sampling.sample_group(third, CONFIG, None, lambda done, total: None)

    engine.before_sampling = by_hand
    assert run(desk, project_id) == BatchState("done", 4, 4)
    assert asked(engine) == ["Q0", "Q1", "Q2", "Q3"]


def test_second_press_and_other_model_leave_the_batch_that_runs(desk, engine, project_id):
    go_on = threading.Event()
    engine.before_sampling = lambda prompt: go_on.wait(60)
    first = desk.start(project_id, CONFIG, None, None)
    assert first == desk.start(project_id, CONFIG, "run-1", "a") == BatchState("running", 0, 4)
    go_on.set()
    ended(desk, project_id)
    assert asked(engine) == ["Q0", "Q1", "Q2", "Q3"]


def test_time_left_is_the_median_of_the_last_prompts_once_two_are_done(
    db, sampling, engine, project_id
):
    marks = itertools.accumulate([0, 10, 0, 30, 0, 99, 0, 20])  # begun, ended, begun, …
    desk = BatchDesk(db, sampling, sampling.tasks, "demo", clock=lambda: next(marks))
    seen = []
    engine.before_sampling = lambda prompt: seen.append(desk.state(project_id).eta_s)
    assert run(desk, project_id).eta_s is None
    assert seen == [None, None, 2 * 20, 30]


def test_closing_ends_it(desk, engine, project_id):
    engine.before_sampling = lambda prompt: desk.close()
    assert run(desk, project_id) == BatchState("stopped", 0, 4)


KILLED = """
import os, signal, sys
from pathlib import Path
from app.desks.batch import BatchDesk
from app.desks.sampling import SamplingDesk
from app.tasks import Tasks
from gem_backend.config import SamplingConfig
from storage.database import Database
from tests.app.fakes_engine import FakeEngine

def die(prompt):
    if prompt == "Q2":
        os.kill(os.getpid(), signal.SIGKILL)

db, tasks = Database(Path(sys.argv[1])), Tasks()
sampling = SamplingDesk(db, FakeEngine(before_sampling=die), tasks)
desk = BatchDesk(db, sampling, tasks, "demo")
desk.start(sys.argv[2], SamplingConfig(num_candidates=2), None, None)
signal.pause()
"""


def test_killed_studio_has_kept_every_whole_group(db, project_id, run_python, engine):
    db.close()
    killed = run_python("-c", KILLED, db.path, project_id)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    with Database(db.path) as after:
        assert answered(after, project_id) == ["Q0", "Q1"]
        assert after.count("SELECT count(*) FROM rankings") == 2
        sampling = SamplingDesk(after, engine, Tasks())
        desk = BatchDesk(after, sampling, sampling.tasks, "demo")
        assert run(desk, project_id) == BatchState("done", 4, 4)
    assert asked(engine) == ["Q2", "Q3"]


# --- the words --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("eta_s", "words"),
    [
        (None, "12 of 240 questions"),
        (40, "12 of 240 questions, about 40 s left"),
        (370, "12 of 240 questions, about 6 min left"),
        (7800, "12 of 240 questions, about 2 h 10 min left"),
    ],
)
def test_words_say_how_far_and_how_long(eta_s, words):
    assert say.running_words(12, 240, eta_s) == words
