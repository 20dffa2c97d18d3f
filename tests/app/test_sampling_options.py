"""How answers are drawn on Explore: what the fold holds, what it refuses, and what meters say."""

import gradio as gr
import pytest

from app.actions.explore import ExploreActions
from app.actions.explore_records import GoOn
from app.pages.explore_handlers import ExploreHandlers
from app.pages.explore_parts import build_controls
from app.pages.explore_values import progress_values, sampling_config
from app.records import TaskState
from app.text import sampling as say
from gem_backend.config import SamplingConfig
from gem_backend.errors import ConfigError
from tests.app.fakes import make_candidate


@pytest.fixture
def handlers(studio):
    return ExploreHandlers(ExploreActions(studio))


def test_controls_give_the_defaults_of_the_settings():
    with gr.Blocks():
        controls = build_controls()
    assert sampling_config([part.value for part in controls.how]) == SamplingConfig()
    assert sampling_config((5, 0.9, 0)) == SamplingConfig()


def test_every_control_of_the_fold_has_a_label_and_a_hint():
    with gr.Blocks():
        drawing = build_controls().drawing
    assert all(part.label and part.info for part in vars(drawing).values())


def test_a_group_and_a_branch_are_drawn_as_the_controls_say(handlers, studio):
    config = SamplingConfig(num_candidates=2, temperature=1.1, top_p=0.5, max_new_tokens=40, seed=3)
    how = (2, 1.1, 3, 0.5, 40)
    handlers.sample("p1", "", None, *how)
    assert studio.sampled_with == ("p1", config, None)
    group = (make_candidate("Some words."),)
    handlers.go_on(GoOn("c0", 1), group, None, *how)
    assert studio.branched_with == config


@pytest.mark.parametrize("top_p", [None, 0, -0.5, 1.01])
def test_top_p_out_of_range_is_one_sentence_that_names_it(top_p):
    with pytest.raises(ConfigError) as refused:
        sampling_config((5, 0.9, 0, top_p, 256))
    assert refused.value.message == say.TOP_P_REFUSED


@pytest.mark.parametrize("longest", [None, 0, -3, 0.5, 100.5, 8193])
def test_length_out_of_range_is_one_sentence_that_names_it(longest):
    with pytest.raises(ConfigError) as refused:
        sampling_config((5, 0.9, 0, 1.0, longest))
    assert refused.value.message == (
        "The longest answer can be from 1 to 8,192 tokens; give a whole number."
    )


def test_range_that_is_told_is_that_of_the_settings():
    assert sampling_config((5, 0.9, 0, 1.0, 8192)).max_new_tokens == 8192
    assert sampling_config((5, 0.9, 0, 0.01, 1)).top_p == 0.01
    with pytest.raises(ConfigError):
        SamplingConfig(max_new_tokens=8193)


def test_what_is_refused_begins_nothing_and_leaves_what_is_there(handlers, studio):
    before = studio.candidates("p0")
    with pytest.raises(ConfigError):
        handlers.sample("p0", "", None, 5, 0.9, 0, 1.0, 0)
    with pytest.raises(ConfigError):
        handlers.batch.sample_all("demo", "", None, 5, 0.9, 0, 2.0, 256)
    assert (studio.sampled_with, studio.batched_with) == (None, None)
    assert studio.candidates("p0") == before


# --- the meters -------------------------------------------------------------------------------


def test_meters_go_up_to_the_longest_answer_that_was_asked_for():
    running = TaskState("running", 0, 2, tokens=(3, 40), most_tokens=48)
    _, meters, _ = progress_values(running)
    assert meters["most"] == 48
    assert meters["names"][0] == "Answer 1: 3 of at most 48 tokens"
