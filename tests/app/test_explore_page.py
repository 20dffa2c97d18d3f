import json
import time

import gradio as gr
import pytest

from app import text
from app.explore_actions import ExploreActions, find_ranked
from app.pages.explore import build_explore_page, group_values, rerank, trace_of
from app.records import TaskState
from gem_backend.config import SamplingConfig, ScoringConfig
from gem_backend.errors import ConfigError
from tests.app.fakes import GOOD, make_candidate, make_run


@pytest.fixture
def actions(studio):
    return ExploreActions(studio)


@pytest.fixture
def page(studio):
    with gr.Blocks():
        return build_explore_page(studio, gr.State("demo"))


def test_prompts_are_one_line_and_say_held_out(actions):
    labels = [label for label, _ in actions.prompt_choices("demo")]
    assert all("\n" not in label and len(label) <= 130 for label in labels)
    assert [text.HELD_OUT_MARK in label for label in labels] == [False, False, True]


def test_models_are_the_base_and_the_adapters_that_fit_it(actions, studio):
    studio.fitting = [make_run("run-3")]
    assert actions.model_choices("demo") == [
        ("Base model", ""),
        ("Adapter of 2026-11-20 12:00 (quick)", "run-3"),
    ]
    assert actions.model_choices("") == [("Base model", "")]


def test_adapters_that_do_not_fit_are_not_offered(actions, studio):
    studio.fitting = []
    assert studio.runs("demo")[0].result.adapter_dir
    assert actions.model_choices("demo") == [("Base model", "")]


def test_unknown_prompt_falls_back_to_the_first(actions):
    assert actions.screen("demo", "gone").prompt_id == "p0"


def test_project_without_prompts_shows_nothing(actions):
    assert actions.screen("empty", None).prompt_id is None


def test_sampling_needs_a_prompt(actions):
    with pytest.raises(ConfigError, match="Choose a question"):
        actions.sample(None, SamplingConfig(), "")


def test_base_model_means_no_adapter(actions, studio):
    actions.sample("p1", SamplingConfig(num_candidates=3), "")
    assert studio.sampled_with == ("p1", SamplingConfig(num_candidates=3), None)
    actions.sample("p1", SamplingConfig(), "run-1")
    assert studio.sampled_with[2] == "run-1"


def test_poll_says_nothing_when_nothing_changed(actions, studio, page):
    assert actions.poll("p0", TaskState("idle")) is None
    assert page.poll("demo", "p0", TaskState("idle")) == gr.skip()


def test_poll_reads_the_group_at_the_end_only(actions):
    task = actions.sample("p1", SamplingConfig(num_candidates=1), "")
    groups = []
    for _ in range(6):
        screen = actions.poll("p1", task)
        if screen:
            task = screen.task
            groups.append((task.state, len(screen.group)))
    assert groups[-1] == ("done", 1)
    assert all(count == 0 for state, count in groups if state == "running")


def test_every_handler_fills_its_outputs(page):
    assert len(page.refresh("demo", None, None, 1.0, 0.1)) == len(page.outputs)
    running = TaskState("running", 1, 5)
    assert len(page.poll("demo", "p0", running)) == len(page.poll_outputs)


def test_sliders_change_the_order_without_the_model(studio):
    group = tuple(studio.candidates("p0"))
    by_answer = unpacked(rerank(group, 0.0, 0.1))["order"]
    entropies = {c.candidate_id: _mean_answer_entropy(c) for c in group}
    assert by_answer == sorted(entropies, key=entropies.get)
    assert unpacked(rerank(group, 3.0, 0.1))["order"] != by_answer


def unpacked(value):
    return json.loads(value["packed"])


def _mean_answer_entropy(candidate):
    answer = candidate.token_entropy[slice(*candidate.spans.final_span)]
    return sum(answer) / len(answer)


def test_reranking_five_long_candidates_takes_a_moment_only():
    group = tuple(make_candidate(GOOD * 6, i, f"c{i}") for i in range(5))
    assert min(len(c.token_ids) for c in group) > 500
    start = time.perf_counter()
    rerank(group, 1.0, 0.1)
    assert time.perf_counter() - start < 0.5


def test_curve_of_an_unknown_candidate_is_the_best_ones(studio):
    group = tuple(studio.candidates("p0"))
    best = find_ranked(group, ScoringConfig(), None)
    assert best.rank == 1
    assert trace_of(group, "gone", 1.0, 0.1).layout.title.text.startswith("Rank 1 of 5")


def test_no_candidates_says_what_to_do():
    _, empty, results, agreed, cards, order, trace = group_values((), 1.0, 0.1)
    assert text.NO_CANDIDATES in empty.value
    assert (agreed, trace) == ("", None)
    assert (unpacked(cards)["cards"], unpacked(order)["order"]) == ([], [])
    assert not results.visible
