"""What to label next: which cases are read, what their order comes from, and what is said of it."""

import time

import pytest

from app.desks.calibration import CalibrationDesk
from app.desks.priority import MOST_CASES, PriorityDesk, QueueOrder
from app.tasks import Tasks
from app.text import priority as say
from gem_backend.errors import DataError, EngineError
from gem_backend.next_cases import CONFLICT
from gem_backend.types import Case
from storage.pairs import Judgement, add_comparison, save_label
from storage.projects import create_project, upsert_prompt
from storage.turns import next_turn
from tests.app.fakes_engine import FakeEngine

LIKED, DISLIKED = "It is so.\nFinal Answer: 2", "It may be so.\nFinal Answer: 3"


@pytest.fixture
def project_id(db):
    return create_project(db, "Study").project_id


@pytest.fixture
def engine():
    return FakeEngine()


@pytest.fixture
def calibration(db, engine):
    return CalibrationDesk(db, engine, Tasks(), "demo")


@pytest.fixture
def desk(db, engine, calibration):
    return PriorityDesk(db, engine, Tasks(), calibration)


def ended(state):
    deadline = time.monotonic() + 60
    while state().state == "running":
        assert time.monotonic() < deadline
        time.sleep(0.01)
    return state()


def order(desk, project_id, adapter=None, adapter_dir=None):
    desk.start(project_id, adapter, adapter_dir)
    return ended(lambda: desk.state(project_id))


def priorities_of(db):
    return dict(db.query("SELECT pair_id, priority FROM queue ORDER BY seq"))


def test_waiting_cases_are_read_once_and_the_nearest_scores_come_first(
    desk, db, engine, project_id
):
    cases = [add_comparison(db, project_id, f"Q{n}", LIKED, DISLIKED) for n in range(4)]
    save_label(db, Case(cases[0], "a"), "ann", Judgement("a"))
    upsert_prompt(db, project_id, "held out", "held_out")
    add_comparison(db, project_id, "held out", LIKED, DISLIKED)
    assert order(desk, project_id, "run-1", "runs/run-1/adapter").state == "done"
    [request] = engine.requests
    assert request.adapter_dir == "runs/run-1/adapter"
    assert [prompt for prompt, _ in request.answers] == ["Q1", "Q1", "Q2", "Q2", "Q3", "Q3"]
    found = priorities_of(db)
    assert found[cases[0].pair_id] == 0
    assert sorted(found[case.pair_id] for case in cases[1:]) == pytest.approx([1 / 3, 2 / 3, 1])
    first = next_turn(db, project_id, "ann").case.comparison.pair_id
    assert first == max(found, key=found.get)
    made = desk.order(project_id)
    assert (made.num_cases, made.is_by_labels, made.num_unread) == (3, False, 0)
    assert made.created_at


def test_what_labels_taught_the_same_model_decides_where_there_is_any(
    desk, db, calibration, project_id
):
    for number in range(6):
        case = add_comparison(db, project_id, f"Q{number}", LIKED, DISLIKED)
        if number < 4:
            save_label(db, Case(case, "a"), "ann", Judgement("a"))
    calibration.start(project_id, None, None)
    assert ended(lambda: calibration.state(project_id, None)).state == "done"
    order(desk, project_id, "run-1", "runs/run-1/adapter")
    assert not desk.order(project_id).is_by_labels
    order(desk, project_id)
    assert desk.order(project_id).is_by_labels
    found = [priority for priority in priorities_of(db).values() if priority]
    assert len(found) == 2
    assert all(0 < priority < 1 for priority in found)
    num_conflicts = sum(priority > CONFLICT for priority in found)
    assert desk.order(project_id).num_conflicts == num_conflicts


def test_prior_alone_is_no_lesson_of_labels(desk, db, calibration, project_id):
    calibration.start(project_id, None, None)
    ended(lambda: calibration.state(project_id, None))
    add_comparison(db, project_id, "Q", LIKED, DISLIKED)
    order(desk, project_id)
    assert not desk.order(project_id).is_by_labels


def test_case_with_an_unreadable_answer_comes_after_the_others(desk, db, engine, project_id):
    engine.unread = ("too long",)
    unread = add_comparison(db, project_id, "Q0", "too long", DISLIKED)
    add_comparison(db, project_id, "Q1", LIKED, DISLIKED)
    order(desk, project_id)
    made = desk.order(project_id)
    assert (made.num_cases, made.num_unread) == (1, 1)
    assert priorities_of(db)[unread.pair_id] == 0
    assert next_turn(db, project_id, "ann").case.comparison.prompt == "Q1"


@pytest.mark.slow
def test_no_more_than_the_limit_are_read_and_the_rest_comes_after(desk, db, engine, project_id):
    for number in range(MOST_CASES + 2):
        add_comparison(db, project_id, f"Q{number}", LIKED, DISLIKED)
    order(desk, project_id)
    assert len(engine.requests[0].answers) == 2 * MOST_CASES
    assert list(priorities_of(db).values())[MOST_CASES:] == [0.0, 0.0]
    assert desk.order(project_id).num_cases == MOST_CASES


def test_nothing_to_order_is_one_sentence_and_asks_no_model(desk, engine, project_id):
    with pytest.raises(DataError, match="nothing to order"):
        desk.start(project_id, None, None)
    assert engine.requests == []
    assert desk.order(project_id) is None


@pytest.mark.parametrize(
    ("trouble", "sentence"),
    [
        ({"unread": (LIKED, DISLIKED)}, say.NOTHING_READ),
        ({"refuses": EngineError("A run has the model now.")}, "A run has the model now."),
    ],
)
def test_what_goes_wrong_is_one_sentence_and_leaves_the_order(
    desk, db, engine, project_id, trouble, sentence
):
    add_comparison(db, project_id, "Q0", LIKED, DISLIKED)
    order(desk, project_id)
    before = priorities_of(db), desk.order(project_id)
    for name, value in trouble.items():
        setattr(engine, name, value)
    state = order(desk, project_id)
    assert (state.state, state.error) == ("failed", sentence)
    assert (priorities_of(db), desk.order(project_id)) == before


def test_after_a_restart_the_order_holds_and_only_its_origin_is_forgotten(
    desk, db, engine, calibration, project_id
):
    case = add_comparison(db, project_id, "Q0", LIKED, DISLIKED)
    order(desk, project_id)
    again = PriorityDesk(db, engine, Tasks(), calibration)
    assert again.order(project_id) == QueueOrder(1)
    save_label(db, Case(case, "a"), "ann", Judgement("a"))
    assert again.order(project_id) is desk.order(project_id) is None
