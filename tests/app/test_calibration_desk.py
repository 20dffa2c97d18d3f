"""Learning from labels: which labels count, what is stored, and what the sliders change."""

import time

import pytest

from app.desks import calibration as calibration_desk
from app.desks.calibration import CalibrationDesk, comparisons, gather
from app.tasks import Tasks
from gem_backend.config import ScoringConfig
from gem_backend.engine_requests import ScoredAnswer
from gem_backend.errors import EngineError
from gem_backend.types import Case, ExpertOrder, PreferencePair
from storage.calibrations import calibration_evidence
from storage.orders import AnswerOrder, save_order
from storage.pairs import Judgement, add_comparison, save_label, show_case
from storage.projects import create_project, upsert_prompt
from storage.recent import undo
from tests.app.fakes import make_candidate
from tests.app.fakes_engine import FakeEngine

LIKED, DISLIKED = "It is so.\nFinal Answer: 2", "It may be so.\nFinal Answer: 3"


@pytest.fixture
def project_id(db):
    return create_project(db, "Study").project_id


@pytest.fixture
def engine():
    return FakeEngine()


@pytest.fixture
def desk(db, engine):
    return CalibrationDesk(db, engine, Tasks(), "demo")


@pytest.fixture
def label(db, project_id):
    """Stores one label: ``label("Q1", "a")``."""
    upsert_prompt(db, project_id, "held out", "held_out")
    held_out = add_comparison(db, project_id, "held out", LIKED, DISLIKED)
    save_label(db, Case(held_out, "a"), "ann", Judgement("a"))

    def label(prompt, verdict, rater="ann", strength=1, answers=(LIKED, DISLIKED)):
        comparison = add_comparison(db, project_id, prompt, *answers)
        save_label(db, Case(comparison, "a"), rater, Judgement(verdict, strength))

    return label


def learn(desk, project_id, adapter=None, adapter_dir=None):
    desk.start(project_id, adapter, adapter_dir)
    deadline = time.monotonic() + 60
    while desk.state(project_id, adapter).state == "running":
        assert time.monotonic() < deadline
        time.sleep(0.01)
    return desk.state(project_id, adapter)


def test_preferences_and_ties_of_all_raters_count_and_nothing_held_out(db, project_id, label):
    label("Q1", "a", "ann", 2)
    label("Q1", "b", "ben")
    label("Q2", "tie")
    label("Q3", "both_bad")
    label("Q4", "cannot_judge")
    found = comparisons(db, project_id)
    assert [(one.prompt, one.verdict, one.rater, one.strength) for one in found] == [
        ("Q1", "preferred", "ann", 2),
        ("Q1", "preferred", "ben", 1),
        ("Q2", "tie", "ann", 1),
    ]


def test_prompts_that_a_run_would_keep_aside_are_not_learned_from(db, project_id):
    for number in range(10):
        comparison = add_comparison(db, project_id, f"Q{number}", LIKED, DISLIKED)
        save_label(db, Case(comparison, "a"), "ann", Judgement("a"))
        save_label(db, Case(comparison, "a"), "ben", Judgement("tie"))
    assert len({pair.prompt for pair in comparisons(db, project_id)}) == 8


def test_orders_name_each_answer_once_with_strength_rater_and_prompt():
    labels = [
        PreferencePair("Q1", LIKED, DISLIKED, strength=2, rater="ann"),
        PreferencePair("Q1", DISLIKED, LIKED, rater="ben"),
        PreferencePair("Q2", LIKED, DISLIKED, verdict="tie", rater="ann"),
    ]
    answers = [("Q1", LIKED), ("Q1", DISLIKED), ("Q2", LIKED), ("Q2", DISLIKED)]
    scored = [ScoredAnswer(make_candidate(text, n), None) for n, (_, text) in enumerate(answers)]
    evidence = gather(labels, answers, scored)
    assert len(evidence.answers) == 4
    assert evidence.orders == (
        ExpertOrder(((0,), (1,)), 2, "ann"),
        ExpertOrder(((1,), (0,)), 1, "ben"),
        ExpertOrder(((2, 3),), 1, "ann"),
    )
    assert evidence.groups[0] == evidence.groups[1] != evidence.groups[2]


def test_base_log_probabilities_make_the_implicit_reward():
    candidate = make_candidate(LIKED)
    base = tuple(value - 0.5 for value in candidate.token_logprob)
    labels = [PreferencePair("Q1", LIKED, DISLIKED)]
    scored = [ScoredAnswer(candidate, base), ScoredAnswer(make_candidate(DISLIKED, 1), None)]
    evidence = gather(labels, [("Q1", LIKED), ("Q1", DISLIKED)], scored)
    assert evidence.answers[0].features["implicit_reward"] == pytest.approx(0.5)
    assert evidence.answers[1].features["implicit_reward"] == 0.0


def test_learning_stores_what_the_labels_say(desk, engine, project_id, label):
    assert desk.view(project_id, None, ScoringConfig()).calibration is None
    for number in range(6):
        label(f"Q{number}", "a")
    assert learn(desk, project_id).state == "done"
    assert len(engine.requests[0].answers) == 12
    assert engine.requests[0].adapter_dir is None
    view = desk.view(project_id, None, ScoringConfig())
    assert (view.num_labels, view.is_stale, view.num_left_out) == (6, False, 0)
    assert view.calibration.num_comparisons == 6
    assert view.calibration.agreement_after.n == 6
    assert {weight.weight.n for weight in view.calibration.weights} == {6}


def test_an_order_of_three_is_learned_from_as_a_whole(desk, db, project_id, label):
    label("Q1", "a")
    third = "It is otherwise.\nFinal Answer: 4"
    for pair in ((LIKED, DISLIKED), (LIKED, third)):
        case = show_case(add_comparison(db, project_id, "Q2", *pair), "ann")
    save_order(db, case, "ann", AnswerOrder(((third,), (LIKED,), (DISLIKED,))))
    learn(desk, project_id)
    view = desk.view(project_id, None, ScoringConfig())
    assert (view.num_labels, view.num_left_out, view.is_stale) == (4, 0, False)
    assert view.calibration.num_comparisons == 4
    [(stored,)] = db.query("SELECT calibration_id FROM calibrations")
    orders = calibration_evidence(db, stored).orders
    assert sorted(len(order.order) for order in orders) == [2, 3]


def test_a_new_or_withdrawn_label_makes_it_stale(desk, db, project_id, label):
    label("Q1", "a")
    learn(desk, project_id)
    label("Q2", "b")
    view = desk.view(project_id, None, ScoringConfig())
    assert (view.is_stale, view.num_labels) == (True, 2)
    undo(db, project_id, "ann")
    assert not desk.view(project_id, None, ScoringConfig()).is_stale


def test_without_comparisons_the_prior_is_stored_and_no_model_is_asked(desk, engine, project_id):
    assert learn(desk, project_id).state == "done"
    assert engine.requests == []
    view = desk.view(project_id, None, ScoringConfig(lambda_fork=0.5))
    assert view.calibration.num_comparisons == 0
    assert [one.weight.value for one in view.calibration.weights] == [1.0, 0.5, 0.0]
    assert view.num_labels == 0


def test_other_weights_of_the_score_are_fitted_without_the_model(desk, engine, project_id, label):
    for number in range(4):
        label(f"Q{number}", "a")
    learn(desk, project_id)
    first = desk.view(project_id, None, ScoringConfig()).calibration
    moved = desk.view(project_id, None, ScoringConfig(lambda_fork=0.0, top_m=0.5)).calibration
    assert len(engine.requests) == 1
    assert moved.weights[1].prior == 0.0 != first.weights[1].prior
    assert moved.weights[1].mean != first.weights[1].mean  # more forks, a lower mean entropy
    again = CalibrationDesk(desk.db, engine, Tasks(), "demo")  # as after a restart
    assert again.view(project_id, None, ScoringConfig(lambda_fork=0.0, top_m=0.5)) == desk.view(
        project_id, None, ScoringConfig(lambda_fork=0.0, top_m=0.5)
    )


def test_comparisons_with_an_unreadable_answer_are_left_out_and_counted(
    desk, engine, project_id, label
):
    engine.unread = ("too long",)
    label("Q1", "a")
    label("Q2", "a", answers=("too long", DISLIKED))
    learn(desk, project_id)
    view = desk.view(project_id, None, ScoringConfig())
    assert (view.calibration.num_comparisons, view.num_left_out) == (1, 1)


def test_an_adapter_has_a_calibration_of_its_own(desk, engine, project_id, label):
    label("Q1", "a")
    learn(desk, project_id, "run-1", "runs/run-1/adapter")
    assert engine.requests[0].adapter_dir == "runs/run-1/adapter"
    assert desk.view(project_id, "run-1", ScoringConfig()).calibration is not None
    assert desk.view(project_id, None, ScoringConfig()).calibration is None


def test_a_model_that_fails_is_one_sentence_and_changes_nothing(desk, engine, project_id, label):
    label("Q1", "a")
    learn(desk, project_id)
    before = desk.view(project_id, None, ScoringConfig())
    engine.refuses = EngineError("The model engine stopped before it answered.")
    state = learn(desk, project_id)
    assert (state.state, state.error) == ("failed", "The model engine stopped before it answered.")
    assert desk.view(project_id, None, ScoringConfig()) == before


@pytest.mark.slow
def test_a_fit_of_many_comparisons_takes_a_moment_only(desk, project_id, label):
    for number in range(128):
        label(f"Q{number}", "ab"[number % 2], "ann")
    learn(desk, project_id)
    evidence = calibration_desk.calibrations.calibration_evidence(
        desk.db,
        calibration_desk.calibrations.latest_calibration(
            desk.db, project_id, "demo", None
        ).calibration_id,
    )
    start = time.process_time()
    calibration_desk.fitted(evidence, calibration_desk.CONFIG, ScoringConfig(lambda_fork=2.0))
    assert time.process_time() - start < 2.0  # 0.2 s of a free core
