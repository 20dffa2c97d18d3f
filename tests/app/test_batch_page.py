"""The panel "All questions" of Explore, over the fake studio and over the embedded model."""

import time

import gradio as gr
import httpx
import pytest

from app.actions.explore import ExploreActions
from app.actions.explore_records import Watched
from app.desks.batch import BatchState
from app.pages.explore import build_explore_page
from app.pages.explore_batch import rest_words
from app.pages.explore_handlers import ExploreHandlers
from app.studio import Studio
from app.text import batch as say
from gem_backend.config import SamplingConfig
from gem_backend.errors import ConfigError, DataError, EngineError
from tests.app.serving import call

HOW = (3, 1.2, 7, 0.8, 64)


@pytest.fixture
def handlers(studio):
    return ExploreHandlers(ExploreActions(studio))


@pytest.fixture
def page(studio):
    with gr.Blocks():
        return build_explore_page(studio, gr.State("demo"))


def shown(values):
    """Whether one can begin, whether one can end it, and the words."""
    begin, stop, line = values
    return begin.interactive, stop.visible, line["text"]


def panel(polled):
    """The panel's part of a poll."""
    return polled[7:10]


def test_before_it_ran_the_panel_says_what_is_there(handlers):
    assert shown(handlers.batch.values("demo", BatchState(), "")) == (
        True,
        False,
        "This model has answers to 1 of 2 questions.",
    )


def test_without_questions_or_without_a_project_the_button_is_inert(handlers):
    assert shown(handlers.batch.values("empty", BatchState(), "")) == (
        False,
        False,
        say.NO_QUESTIONS,
    )
    assert shown(handlers.batch.values("", BatchState(), None)) == (False, False, "")
    with pytest.raises(ConfigError, match="Create a project"):
        handlers.batch.sample_all("", "", None, *HOW)


def test_settings_are_those_of_the_controls(handlers, studio):
    handlers.batch.sample_all("demo", "run-1", None, *HOW)
    config = SamplingConfig(num_candidates=3, temperature=1.2, top_p=0.8, max_new_tokens=64, seed=7)
    assert studio.batched_with == ("demo", config, "run-1")
    handlers.batch.sample_all("demo", "", None, *HOW)
    assert studio.batched_with[2] is None


def test_polls_tell_how_far_it_is_until_nothing_is_left(handlers, studio):
    seen, *values = handlers.batch.sample_all("demo", "", None, *HOW)
    assert shown(values) == (False, True, "1 of 2 questions")
    lines = []
    for _ in range(4):
        polled = handlers.poll("demo", "p0", seen, (), "")
        if polled != gr.skip():
            seen = polled[0]
            lines.append(shown(panel(polled)))
    assert lines == [
        (False, True, "2 of 2 questions, about 60 s left"),
        (False, False, "2 of 2 questions sampled."),
    ]


def test_an_empty_page_draws_what_the_batch_brought_and_a_full_one_stays(handlers, studio):
    for group, is_drawn in (((), True), (tuple(studio.candidates("p0")), False)):
        studio.groups = {"p0": studio.groups["p0"]}
        seen, *_ = handlers.batch.sample_all("demo", "", None, *HOW)
        studio.batch_state("demo")
        polled = handlers.poll("demo", "p1", seen, group, "")
        assert (polled[4] != gr.skip()) == is_drawn


def test_polls_at_rest_count_nothing(handlers, studio, page):
    page.refresh("demo", None, None, None, 1.0, 0.1, "paper")
    counted = studio.num_counted
    for _ in range(5):
        assert page.poll("demo", "p0", Watched(), (), "") == gr.skip()
    handlers.learn("demo", (), "", None)  # other work is news of its own
    polled = handlers.poll("demo", "p0", Watched(), (), "")
    assert polled != gr.skip()
    assert panel(polled) == (gr.skip(),) * 3
    assert studio.num_counted == counted


def test_hand_sampled_group_is_counted(handlers, studio):
    seen, *_ = handlers.sample("p1", "", None, 1, 0.9, 0)
    polled = ()
    while seen.sampling.state != "done":
        polled = handlers.poll("demo", "p1", seen, (), "")
        seen = seen if polled == gr.skip() else polled[0]
    assert shown(panel(polled)) == (
        False,
        False,
        "This model has answers to 2 of 2 questions: none is left to sample.",
    )


def test_stop_says_what_was_kept(handlers):
    seen, *_ = handlers.batch.sample_all("demo", "", None, *HOW)
    assert not handlers.batch.stop_all("demo").interactive
    polled = handlers.poll("demo", "p0", seen, (), "")
    assert shown(panel(polled)) == (
        True,
        False,
        "Stopped: 1 of 2 questions sampled, all kept.",
    )


def test_failures_are_said_while_it_runs_and_at_its_end(handlers):
    found = BatchState("running", 12, 240, 2, "Too long.", eta_s=360.0)
    assert shown(handlers.batch.values("demo", found, ""))[2] == (
        "12 of 240 questions, about 6 min left. 2 could not be sampled: Too long."
    )
    found = BatchState("done", 238, 240, 2, "Too long.")
    assert rest_words(found, (238, 240), None) == (
        "238 of 240 questions sampled. 2 could not be sampled: Too long."
    )
    found = BatchState("failed", 12, 240, error="A run has the model now.")
    assert rest_words(found, (12, 240), None) == (
        "Broken off: 12 of 240 questions sampled, all kept. A run has the model now."
    )


def test_other_model_and_later_changes_are_told_apart_from_what_ended():
    found = BatchState("stopped", 12, 240, adapter="run-1")
    assert rest_words(found, (3, 240), None) == "This model has answers to 3 of 240 questions."
    assert rest_words(found, (12, 250), "run-1") == (
        "Stopped: 12 of 240 questions sampled, all kept. "
        "This model has answers to 12 of 250 questions."
    )


def test_choosing_another_model_counts_anew(handlers, studio):
    assert shown(handlers.batch.choose_model("demo", "run-1"))[0]
    handlers.batch.sample_all("demo", "", None, *HOW)
    assert not shown(handlers.batch.choose_model("demo", "run-1"))[0]


def test_panel_is_wired_private_with_matching_outputs(studio):
    with gr.Blocks() as demo:
        build_explore_page(studio, gr.State("demo"))
    batch = ExploreHandlers(ExploreActions(studio)).batch
    returned = {
        "sample_all": batch.sample_all("demo", "", None, *HOW),
        "choose_model": batch.choose_model("demo", ""),
        "stop_all": (batch.stop_all("demo"),),
    }
    wired = {event.name: event for event in demo.fns.values() if event.name in returned}
    assert wired.keys() == returned.keys()
    for name, values in returned.items():
        assert len(wired[name].outputs) == len(values)
        assert wired[name].api_visibility == "private"


def test_button_of_the_served_page_begins_and_ends_it(served, studio):
    app = served(studio)
    with httpx.Client(base_url=app.local_url, trust_env=False, timeout=20) as client:
        call(client, app, "arrive", ["explore"])  # which opens the project
        message = call(client, app, "sample_all", ["demo", None, None, *HOW])
        assert message["success"]
        assert message["output"]["data"][3] == {"text": "1 of 2 questions"}
        assert call(client, app, "stop_all", ["demo"])["success"]
    assert studio.batch.state == "stopped"


# --- with the embedded model ------------------------------------------------------------------


def wait_until(condition):
    deadline = time.monotonic() + 240
    while not condition():
        assert time.monotonic() < deadline, "this did not happen in time"
        time.sleep(0.02)


def test_during_a_run_it_does_not_begin(tmp_path):
    with Studio(tmp_path / "data", device="cpu") as studio:
        studio._engine.hold()  # as for a run
        with pytest.raises(EngineError, match="run has the model"):
            studio.start_batch("demo", SamplingConfig(), None)
        assert studio.batch_state("demo") == BatchState()


@pytest.mark.slow
def test_embedded_model_samples_a_project_and_others_sample_meanwhile(tmp_path):
    with Studio(tmp_path / "data", device="cpu") as studio:
        project = studio.create_project("Batch").project_id
        for number in range(6):
            studio.enter_pair(project, f"Question {number}", "yes", "no")
        studio.enter_pair(project, "long " * 3000, "yes", "no")
        prompts = studio.find_prompts(project).prompts
        config = SamplingConfig(num_candidates=2, max_new_tokens=32, seed=1)
        studio.start_batch(project, config, None)
        assert studio.header(project).activity == "Sampling"
        by_hand = prompts[5].prompt_id  # the batch would come to it last
        wait_until(lambda: studio.batch_state(project).num_sampled)
        before = studio.batch_state(project).num_sampled
        studio.start_sampling(by_hand, config, None)
        wait_until(lambda: studio.sampling_state(by_hand).state == "done")
        assert studio.batch_state(project).num_sampled <= before + 2  # one was under way
        wait_until(lambda: studio.batch_state(project).state != "running")
        ended = studio.batch_state(project)
        assert (ended.state, ended.num_sampled, ended.num_failed) == ("done", 6, 1)
        assert "3004 tokens" in ended.reason
        assert studio.batch_counts(project, None) == (6, 7)
        for prompt in prompts[:6]:
            group = studio.candidates(prompt.prompt_id)
            assert [one.provenance.seed for one in group] == [1, 1]
        with pytest.raises(DataError):
            studio.start_batch(studio.create_project("Empty").project_id, config, None)


@pytest.mark.slow
def test_embedded_model_stops_within_a_question_and_goes_on_where_it_was(tmp_path):
    config = SamplingConfig(num_candidates=2, max_new_tokens=64, seed=1)
    with Studio(tmp_path / "data", device="cpu") as studio:
        held_out = studio.prompt_counts("demo")["held_out"]
        studio.start_batch("demo", config, None)
        wait_until(lambda: studio.batch_state("demo").num_sampled >= 2)
        studio.stop_batch("demo")
        wait_until(lambda: studio.batch_state("demo").state != "running")
        stopped = studio.batch_state("demo")
        assert stopped.state == "stopped"
        assert stopped.num_prompts == sum(studio.prompt_counts("demo").values()) - held_out
        assert studio.batch_counts("demo", None) == (stopped.num_sampled, stopped.num_prompts)
    with Studio(tmp_path / "data", device="cpu") as studio:
        begun = studio.start_batch("demo", config, None)
        assert begun.num_sampled == stopped.num_sampled
        wait_until(lambda: studio.batch_state("demo").num_sampled > stopped.num_sampled)
