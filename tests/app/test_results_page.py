"""The Results page: its handlers as plain functions, and the page as it is wired."""

import gradio as gr
import pytest

from app.pages.results import (
    ResultsHandlers,
    build_results_page,
    example_choices,
    example_screen,
    results_screen,
)
from app.text import calibration as words
from app.text import runs as say
from gem_backend.errors import DataError
from gem_backend.types import BeforeAfter
from tests.app.fakes import GOOD, make_candidate
from tests.app.fakes_runs import (
    HOSTILE,
    WORSE,
    RunsStudio,
    calibrated,
    done_view,
    ended_view,
    evaluation,
    rival_view,
    running_view,
    until,
    whole_run,
)

EVENTS = whole_run()
METHODS, LESSON, CHOOSER = 7, 8, 10  # places among the outputs of a refresh


@pytest.fixture
def studio():
    stopped = ended_view("stopped", until("sega_step", 9, EVENTS))
    return RunsStudio(
        views={
            "run-stopped": stopped,
            "run-1": done_view(),
            "run-2": done_view("run-2", WORSE, "worse"),
        }
    )


def test_newest_run_with_a_result_is_shown_first(studio):
    screen = results_screen(studio, "demo", None)
    assert screen.run_ids == ("run-stopped", "run-1", "run-2")
    assert screen.selected == "run-1"
    assert len(screen.examples) == 3


def test_selected_run_stays_selected(studio):
    assert results_screen(studio, "demo", "run-2").selected == "run-2"


def test_run_of_another_project_is_not_shown(studio):
    screen = results_screen(studio, "other", "run-1")
    assert screen.selected is None
    assert screen.view is None
    assert say.HISTORY_EMPTY in screen.history


def test_pressed_row_shows_its_run(studio):
    run_ids = results_screen(studio, "demo", None).run_ids
    drawn = ResultsHandlers(studio).show_place("demo", run_ids, 2)
    assert drawn[2] == "run-2"
    assert "Worse: the model lost ground" in drawn[4]


@pytest.mark.parametrize("place", [-1, 3, "0", None, 1.5])
def test_place_outside_the_table_is_refused(studio, place):
    with pytest.raises(DataError):
        ResultsHandlers(studio).show_place("demo", ("run-1", "run-2", "run-3"), place)


def test_stale_row_of_a_run_that_is_gone_falls_back_to_the_newest(studio):
    drawn = ResultsHandlers(studio).show_place("demo", ("gone",), 0)
    assert drawn[2] == "run-1"


def test_history_names_each_runs_method(studio):
    studio.views["run-3"] = rival_view("ipo")
    table = results_screen(studio, "demo", None).history
    assert "<td>IPO</td>" in table
    assert table.count("<td>GEM, ranking by entropy (paper)</td>") == 3


def test_other_method_stands_beside_the_newest_run_of_gem(studio):
    studio.views = {"run-3": rival_view("dpo"), **studio.views}
    shown = ResultsHandlers(studio).refresh("demo", "run-3")[METHODS]
    assert words.COMPARE_TITLE in shown
    assert shown.index("DPO") < shown.index("GEM, ranking by entropy (paper)")
    assert shown.count("<tr>") == 3  # the head and two runs
    assert '<b>79 %</b><span class="gem-hint">60 to 91 %, n&nbsp;=&nbsp;24</span>' in shown
    assert words.COMPARE_HINT in shown


def test_run_of_gem_stands_beside_the_newest_of_each_other_method(studio):
    studio.views |= {
        "run-3": rival_view("dpo"),
        "run-4": rival_view("dpo", "run-4", WORSE, "worse"),
    }
    studio.views["run-5"] = rival_view("sft", "run-5")
    shown = ResultsHandlers(studio).refresh("demo", "run-1")[METHODS]
    assert (shown.count("DPO"), shown.count("More imitation (SFT)")) == (1, 1)
    assert "12 %" not in shown  # the older DPO run


def test_runs_on_other_labels_or_cases_are_not_compared_and_why_is_said(studio):
    few = evaluation(0.75, 0.75, 0.3, 0.1, 12)
    studio.views = {
        "run-3": rival_view("dpo"),
        "run-4": rival_view("sft", "run-4", few),
        **studio.views,
    }
    studio.labels["run-3"] = "other labels"
    shown = ResultsHandlers(studio).refresh("demo", "run-1")[METHODS]
    assert "<table" not in shown
    assert f"Not compared with DPO of 2026-11-20 12:42: {words.OTHER_LABELS}." in shown
    assert "it was measured on 12 held-out cases, this run on 24." in shown


def test_newest_comparable_run_is_preferred_to_a_newer_one_that_is_not(studio):
    studio.views = {"run-4": rival_view("dpo", "run-4"), "run-3": rival_view("dpo"), **studio.views}
    studio.labels["run-4"] = "other labels"
    shown = ResultsHandlers(studio).refresh("demo", "run-1")[METHODS]
    assert "<table" in shown and "Not compared" not in shown


def test_without_another_method_there_is_nothing_to_compare(studio):
    assert ResultsHandlers(studio).refresh("demo", "run-1")[METHODS] == ""
    assert ResultsHandlers(studio).refresh("demo", "run-stopped")[METHODS] == ""


def test_calibrated_run_shows_what_the_labels_said(studio):
    assert ResultsHandlers(studio).refresh("demo", "run-1")[LESSON] == ""
    studio.views["run-1"] = calibrated(done_view())
    assert words.RUN_TITLE in ResultsHandlers(studio).refresh("demo", "run-1")[LESSON]


def test_poll_skips_until_a_run_ends(studio):
    handlers = ResultsHandlers(studio)
    studio.views = {"run-9": running_view(until("sega_step", 3, EVENTS)), **studio.views}
    mark, _, selected, *_ = handlers.refresh("demo", None)
    studio.views["run-9"] = running_view(until("sega_step", 4, EVENTS))
    assert handlers.poll("demo", mark, selected) == gr.skip()
    studio.views["run-9"] = done_view("run-9")
    assert handlers.poll("demo", mark, selected)[0] != mark


def test_run_without_result_says_why_and_shows_no_example(studio):
    drawn = ResultsHandlers(studio).refresh("demo", "run-stopped")
    assert "This run was stopped before its end." in drawn[4]
    assert drawn[5] == ""
    assert not drawn[CHOOSER].visible
    assert say.EXAMPLES_EMPTY in drawn[CHOOSER + 1]


def test_example_shows_both_answers_and_whether_each_matches(studio):
    words, row, before, _, after, _ = ResultsHandlers(studio).pick_example("run-1", 0)
    assert row.visible
    assert "5 points, hospital, consider intensive care" in words
    assert say.MATCHES_NOT in before
    assert say.MATCHES in after and say.MATCHES_NOT not in after


def test_example_without_reference_claims_no_match(studio):
    words, _, before, _, after, _ = ResultsHandlers(studio).pick_example("run-1", 1)
    assert say.NO_GOLD in words
    assert "match" not in say.NO_GOLD + before.replace("gem-match", "")
    assert "reference" not in after


def test_uncommitted_answer_is_said(studio):
    *_, after, _ = ResultsHandlers(studio).pick_example("run-1", 2)
    assert say.NO_ANSWER in after


def test_example_beyond_the_list_shows_the_empty_words(studio):
    assert example_screen(studio.examples("run-1"), 3).example is None
    assert example_screen((), None).example is None


def test_choices_carry_places_and_shorten_long_prompts():
    candidate = make_candidate(GOOD)
    choices = example_choices([BeforeAfter("word " * 60, None, candidate, candidate)] * 2)
    assert [value for _, value in choices] == [0, 1]
    assert choices[1][0].startswith("2. word word")
    assert len(choices[0][0]) <= 113


def test_hostile_example_is_escaped():
    candidate = make_candidate(f"{HOSTILE}\nFinal Answer: {HOSTILE}", prompt=HOSTILE)
    studio = RunsStudio(views={"run-1": done_view()})
    studio.examples = lambda run_id: [BeforeAfter(HOSTILE, HOSTILE, candidate, candidate)]
    words, _, before, _, _, _ = ResultsHandlers(studio).pick_example("run-1", 0)
    assert "<img" not in words + before
    assert "&lt;img" in words and "&lt;img" in before


def test_page_is_wired_private_with_matching_outputs(studio):
    with gr.Blocks() as demo:
        handles = build_results_page(studio, gr.State("demo"))
    assert len(handles.refresh("demo", None)) == len(handles.outputs)
    assert len(handles.poll("demo", "", None)) == len(handles.poll_outputs)
    assert {event.api_visibility for event in demo.fns.values()} == {"private"}
    picks = next(e for e in demo.fns.values() if e.name == "pick_example")
    assert len(ResultsHandlers(studio).pick_example("run-1", 0)) == len(picks.outputs)


def test_no_run_id_is_in_the_rendered_table(studio):
    assert "run-" not in results_screen(studio, "demo", None).history
