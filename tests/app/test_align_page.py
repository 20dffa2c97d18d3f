"""The Align page: its handlers as plain functions, and the page as it is wired."""

from dataclasses import replace
from typing import get_args

import gradio as gr
import pytest

from app.actions.align import Seen, align_screen, current_run, run_config, seen_of
from app.desks.agreement import agreement_view
from app.pages.align import AlignHandlers, build_align_page
from app.pages.align_form import build_form
from app.run_option_table import OPTIONS
from app.run_options import option_values, place_of, with_options
from app.text import agreement as words_agreement
from app.text import calibration as words
from app.text import runs as say
from app.views.agreement import state_html
from gem_backend.config import RunConfig, SegaConfig
from gem_backend.errors import ConfigError, DataError
from gem_backend.judged import JudgedCase
from gem_backend.types import Feature
from tests.app.fakes_runs import (
    RunsStudio,
    calibrated,
    done_view,
    ended_view,
    running_view,
    until,
    waiting_run,
    whole_run,
)

EVENTS = whole_run()
MIDDLE = until("sega_step", 11, EVENTS)


@pytest.fixture
def studio():
    return RunsStudio(views={"run-1": done_view()})


@pytest.fixture
def running():
    views = {"run-9": running_view(MIDDLE), "run-1": done_view()}
    return RunsStudio(views=views, active="run-9")


@pytest.fixture
def settings(studio):
    return ("quick", 0, *option_values(studio.preset("quick")))


def changed(settings, field, value):
    """Return the form with one advanced field changed."""
    place = 2 + place_of(*field)
    return (*settings[:place], value, *settings[place + 1 :])


def test_active_run_is_shown_before_newer_history(running):
    running.views = {"run-1": done_view(), "run-9": running_view(MIDDLE)}
    assert current_run(running, "demo").summary.run_id == "run-9"


def test_without_active_run_the_newest_is_shown(studio):
    assert current_run(studio, "demo").summary.run_id == "run-1"


def test_project_without_runs_shows_none():
    assert current_run(RunsStudio(), "demo") is None
    assert current_run(RunsStudio(), "") is None


def test_running_page_offers_stop_and_hides_the_form(running, settings):
    handlers = AlignHandlers(running)
    seen, live, stop, resume, *_, form, line, another, plan, example, align, _ = handlers.refresh(
        "demo", False, *settings
    )
    assert seen.run_id == "run-9"
    assert "learning from 40 ranked answers" in live
    assert stop.visible and stop.interactive
    assert not resume.visible
    assert not form.visible
    assert another.visible
    assert line == ""
    assert plan == example == align == gr.skip()
    assert running.plan_calls == 0


def test_poll_skips_when_the_run_has_not_moved(running, settings):
    handlers = AlignHandlers(running)
    seen = handlers.refresh("demo", False, *settings)[0]
    assert handlers.poll("demo", seen, False, *settings) == gr.skip()


def test_figures_are_not_sent_again_while_no_event_is_new(running, settings):
    handlers = AlignHandlers(running)
    seen = handlers.refresh("demo", False, *settings)[0]
    running.views["run-9"] = replace(running.views["run-9"], eta_s=7.0)
    drawn = handlers.poll("demo", seen, False, *settings)
    assert drawn[5] == drawn[6] == gr.skip()
    running.views["run-9"] = running_view(until("sega_step", 12, EVENTS))
    drawn = handlers.poll("demo", seen, False, *settings)
    assert isinstance(drawn[5], gr.Plot) and isinstance(drawn[6], gr.Plot)


@pytest.mark.parametrize(
    "moved",
    [
        lambda view: running_view(until("sega_step", 12, EVENTS)),
        lambda view: replace(view, eta_s=7.0),
        lambda view: ended_view("interrupted", MIDDLE),
    ],
    ids=["event", "eta", "state"],
)
def test_poll_draws_when_the_run_moves(running, settings, moved):
    handlers = AlignHandlers(running)
    seen = handlers.refresh("demo", False, *settings)[0]
    running.views["run-9"] = moved(running.views["run-9"])
    assert handlers.poll("demo", seen, False, *settings)[0] != seen


def test_new_browser_sees_the_same_as_the_old_one(running, settings):
    drawn = AlignHandlers(running).poll("demo", Seen(), False, *settings)
    assert drawn[0] == seen_of("demo", running.views["run-9"])
    assert "Round 2 of 3" in drawn[1]


def test_start_passes_the_form_to_the_studio_and_shows_the_run(studio, settings):
    form = changed(("standard", 7, *settings[2:]), ("sega", "rounds"), 2.0)
    drawn = AlignHandlers(studio).start("demo", *form)
    assert studio.started[0].seed == 7
    assert studio.started[0].preset == "standard"
    assert studio.started[0].sega.rounds == 2
    assert drawn[0].run_id == "run-9"
    assert drawn[2].visible


def test_another_run_is_planned_beside_the_one_at_work_and_put_in_line(running, settings):
    handlers = AlignHandlers(running)
    *_, form, _, another, plan, _, align, _, is_planning = handlers.plan_another("demo", *settings)
    assert (form.visible, another.visible, is_planning) == (True, False, True)
    assert align.value == say.LINE_UP_BUTTON and align.interactive
    assert "When a run before it is over" in plan
    running.waiting = (waiting_run("run-8", 1),)
    *_, form, line, another, _, _, _, _, is_planning = handlers.start("demo", *settings)
    assert (form.visible, another.visible, is_planning) == (False, True, False)
    assert "when a run before it is over" in line
    assert "run-8" not in line


def test_a_waiting_run_is_taken_out_by_its_place_in_the_line_on_screen(running, settings):
    handlers = AlignHandlers(running)
    running.waiting = (waiting_run("run-8", 1), waiting_run("run-7", 2))
    seen = handlers.refresh("demo", False, *settings)[0]
    assert handlers.poll("demo", seen, False, *settings) == gr.skip()
    drawn = handlers.take_place_out("demo", False, seen, 0)
    assert running.asked == [("stop", "run-8")]
    assert drawn[-2].count("<button") == 1
    assert handlers.poll("demo", seen, False, *settings) != gr.skip()
    handlers.take_place_out("demo", False, seen, 0)  # it has begun, or somebody was quicker
    assert running.asked == [("stop", "run-8")]
    for place in (2, -1, "0", None):
        with pytest.raises(DataError, match="Choose a run"):
            handlers.take_place_out("demo", False, seen, place)


def test_a_run_that_waits_says_for_what_and_can_be_taken_out(settings):
    one = waiting_run("run-8", 2)
    view = replace(done_view(), summary=one.run, events=(), num_ahead=2)
    studio = RunsStudio(views={"run-8": view}, active="run-8", waiting=(one,))
    _, live, stop, *_, line, _, _, _, _, _ = AlignHandlers(studio).refresh("demo", False, *settings)
    assert "when 2 runs before it are over" in live
    assert "progressbar" not in live
    assert stop.value == say.TAKE_OUT_BUTTON
    assert line == ""  # it is above already


def test_start_without_project_is_refused(studio, settings):
    with pytest.raises(ConfigError, match="No project"):
        AlignHandlers(studio).start("", *settings)
    assert studio.started == []


def test_obstacle_is_said_and_closes_the_button(studio, settings):
    studio.obstacle = "At least 8 pairs must train; there are 0."
    panel, _, button = AlignHandlers(studio).replan("demo", *settings)
    assert "there are 0." in panel
    assert not button.interactive


def test_stop_asks_the_active_run_and_says_that_it_saves(running):
    drawn = AlignHandlers(running).stop("demo", False, Seen("demo", "run-9"))
    assert running.asked == [("stop", "run-9")]
    assert "Saving and stopping" in drawn[1]
    assert drawn[2].value == say.STOPPING_BUTTON and not drawn[2].interactive


@pytest.mark.parametrize(
    "seen", [Seen(), Seen("demo"), Seen("demo", "run-1"), Seen("other", "run-9")]
)
def test_stop_of_what_is_over_or_of_another_project_asks_nothing(running, seen):
    running.views["run-1"] = done_view()
    AlignHandlers(running).stop("demo", False, seen)
    assert running.asked == []


def test_another_run_at_work_stands_in_the_table_and_is_stopped_there(running, settings):
    handlers = AlignHandlers(running)
    other = replace(waiting_run("run-8", 0), num_ahead=None)
    running.waiting = (other,)
    *_, line, _, _, _, _, _ = drawn = handlers.refresh("demo", False, *settings)
    assert say.begins(None) in line and say.STOP_BUTTON in line and say.TAKE_OUT_BUTTON not in line
    stopping = replace(other.run, status=replace(other.run.status, state="stopping"))
    running.waiting = (replace(other, run=stopping),)
    *_, line, _, _, _, _, _ = handlers.poll("demo", drawn[0], False, *settings)
    assert "is stopping" in line and "disabled" in line
    handlers.take_place_out("demo", False, drawn[0], 0)
    assert running.asked == [("stop", "run-8")]


def test_a_run_that_was_to_leave_the_line_and_has_begun_meanwhile_goes_on(running, settings):
    handlers = AlignHandlers(running)
    running.waiting = (waiting_run("run-8", 1),)
    seen = handlers.refresh("demo", False, *settings)[0]
    running.waiting = (replace(waiting_run("run-8", 0), num_ahead=None),)
    handlers.take_place_out("demo", False, seen, 0)
    assert running.asked == []


@pytest.mark.parametrize("state", ["stopped", "interrupted", "failed"])
def test_run_that_ended_early_can_be_resumed(state):
    view = ended_view(state, MIDDLE)
    studio = RunsStudio(views={view.summary.run_id: view})
    assert align_screen("demo", view).is_resumable
    drawn = AlignHandlers(studio).resume("demo", False)
    assert studio.asked == [("resume", view.summary.run_id)]
    assert not drawn[3].visible


def test_finished_run_is_never_resumed(studio):
    AlignHandlers(studio).resume("demo", False)
    assert studio.asked == []
    assert not align_screen("demo", studio.views["run-1"]).is_resumable


def test_preset_fills_the_form_with_its_own_values(studio):
    values = AlignHandlers(studio).choose_preset("paper", "gem")
    assert values == option_values(studio.preset("paper"))
    assert values[place_of("sega", "rounds")] == 10


def test_preset_leaves_the_method_that_was_chosen(studio):
    values = AlignHandlers(studio).choose_preset("standard", "dpo")
    assert values[place_of("run", "method")] == "dpo"
    assert with_options(studio.preset("standard"), values).method == "dpo"


def test_form_returns_the_config_it_was_filled_from():
    config = RunConfig()
    assert with_options(config, option_values(config)) == config


def test_every_setting_reaches_the_config(studio, settings):
    form = settings
    for field, value in {
        ("run", "ranking"): "calibrated",
        ("run", "method"): "ipo",
        ("sega", "trim"): 1.0,
        ("sega", "use_pool"): False,
        ("sega", "group_labels"): True,
        ("sega", "negative_weight"): 0.25,
        ("sega", "reward_temperature"): 0.5,
        ("sega", "normalisation"): "token",
        ("sega", "update"): "dpo",
        ("calibration", "features"): ["fork_entropy", "mean_logprob"],
        ("scoring", "use_terminal_entropy"): False,
        ("scoring", "use_branching_entropy"): False,
        ("scoring", "use_filtering"): False,
        ("baseline", "learning_rate"): 2e-3,
        ("baseline", "beta"): 0.3,
    }.items():
        form = changed(form, field, value)
    AlignHandlers(studio).start("demo", *form)
    config = studio.started[0]
    assert (config.method, config.ranking) == ("ipo", "calibrated")
    assert config.sega == SegaConfig(
        rounds=3,
        trim=1,
        use_pool=False,
        group_labels=True,
        negative_weight=0.25,
        reward_temperature=0.5,
        normalisation="token",
        update="dpo",
    )
    assert config.calibration.features == ("fork_entropy", "mean_logprob")
    scoring = config.scoring
    assert not (scoring.use_terminal_entropy or scoring.use_branching_entropy)
    assert not scoring.use_filtering
    assert (config.baseline.learning_rate, config.baseline.beta) == (2e-3, 0.3)


def test_choices_of_the_form_are_those_of_the_config():
    for row in OPTIONS:
        section = RunConfig if row.section == "run" else type(getattr(RunConfig(), row.section))
        allowed = section.model_fields[row.field].annotation
        if row.kind == "choice":
            assert {value for _, value in row.choices} == set(get_args(allowed)), row.field
        if row.kind == "many":
            assert {value for _, value in row.choices} == set(get_args(Feature))


def test_setting_whose_package_is_missing_is_not_offered(monkeypatch):
    def shown():
        with gr.Blocks():
            form = build_form(option_values(RunConfig()))
        return {row.label for row, part in zip(OPTIONS, form.options, strict=True) if part.visible}

    everything = {row.label for row in OPTIONS}
    monkeypatch.setattr("app.run_option_table.find_spec", lambda name: None)
    assert everything - shown() == {"Answers drawn by"}
    monkeypatch.setattr("app.run_option_table.find_spec", lambda name: name == "vllm" or None)
    assert shown() == everything


def test_feature_has_words_of_its_own():
    assert set(get_args(Feature)) == set(words.FEATURES) == set(words.FEATURE_NAMES)


def test_calibrated_ranking_that_weighs_nothing_is_refused(studio, settings):
    panel, _, button = AlignHandlers(studio).replan(
        "demo", *changed(settings, ("calibration", "features"), [])
    )
    assert "Choose at least one under “What the calibrated ranking weighs”" in panel
    assert not button.interactive


def test_plan_names_the_method_and_the_ranking(studio, settings):
    panel = AlignHandlers(studio).replan("demo", *settings)[0]
    assert "<dt>Method</dt><dd><b>GEM, ranking by entropy (paper)</b></dd>" in panel
    panel = AlignHandlers(studio).replan("demo", *changed(settings, ("run", "method"), "dpo"))[0]
    assert "<dt>Method</dt><dd><b>DPO</b></dd>" in panel


def test_what_the_labels_said_is_shown_once_the_run_knows_it(studio, settings):
    lesson = 8
    assert AlignHandlers(studio).refresh("demo", False, *settings)[lesson] == ""
    studio.views = {"run-1": calibrated(done_view())}
    shown = AlignHandlers(studio).refresh("demo", False, *settings)[lesson]
    assert words.RUN_TITLE in shown
    assert "weight 0.8 (95 % interval 0.3 to 1.4, n&nbsp;=&nbsp;32 comparisons)" in shown


def test_options_name_real_settings_once():
    names = [(row.section, row.field) for row in OPTIONS]
    assert len(set(names)) == len(names)
    assert len(option_values(RunConfig())) == len(names)


def test_refused_setting_is_named_by_its_label_in_the_plan(studio, settings):
    panel, _, button = AlignHandlers(studio).replan(
        "demo", *changed(settings, ("sampling", "temperature"), 0)
    )
    assert "“Temperature” was not accepted" in panel
    assert "&#x27;temperature" not in panel
    assert not button.interactive


def test_emptied_field_is_refused(studio, settings):
    with pytest.raises(ConfigError, match="A setting is empty"):
        run_config(studio, "quick", 0, changed(settings, ("sega", "rounds"), None)[2:])
    with pytest.raises(ConfigError, match="A setting is empty"):
        run_config(studio, "quick", None, settings[2:])


def test_label_health_is_said_before_a_run_with_the_way_to_the_cases(studio):
    case = JudgedCase("1", "Q", "longer", "short", "ann", "a")
    studio.agreement = lambda project_id: agreement_view([], [case, replace(case, verdict="b")])
    shown, is_waiting = AlignHandlers(studio).health("demo", 1.0)
    assert not is_waiting
    assert "The verdict changed for 1 of 1 pairs" in shown
    assert "95&nbsp;% interval" in shown
    assert "n&nbsp;=&nbsp;1" in shown
    assert 'href="?project=demo&amp;tab=data' in shown
    assert AlignHandlers(studio).health("", 1.0) == ("", False)
    assert AlignHandlers(studio).health("demo", 0.0) == ("", False)  # never drawn
    assert "%22%3E" in AlignHandlers(studio).health('">', 1.0)[0]


def test_label_health_of_many_labels_follows_when_it_has_been_worked_out(studio, settings):
    """Nothing of the labels is read by the page itself, and the page asks until it is there."""
    figures, busy = [None], [True]
    studio.agreement = studio.known_agreement = lambda project_id: figures[0]
    studio.is_agreement_busy = lambda project_id: busy[0]
    handlers = AlignHandlers(studio)
    assert handlers.health("demo", 1.0) == (state_html(None, True), True)
    with gr.Blocks():
        page = build_align_page(studio, gr.State("demo"))
    seen = handlers.refresh("demo", False, *settings)[0]
    assert page.poll("demo", True, seen, False, *settings) == gr.skip()
    figures[0], busy[0] = agreement_view([]), False
    *drawn, worked_out = page.poll("demo", True, seen, False, *settings)
    assert drawn == [gr.skip()] * (len(page.poll_outputs) - 1)
    assert isinstance(worked_out, float)
    assert page.poll("demo", False, seen, *settings) == gr.skip()
    shown, is_waiting = handlers.health_at_last("demo", 1.0)
    assert (words_agreement.HEALTH_TITLE in shown, is_waiting) == (True, False)
    figures[0] = replace(figures[0], is_outdated=True)
    shown, is_waiting = handlers.health("demo", 1.0)
    assert (words_agreement.OUTDATED in shown, is_waiting) == (True, True)
    figures[0] = None
    assert handlers.health_at_last("demo", 1.0) == (state_html(None, False), False)


def test_page_is_wired_private_with_matching_outputs(studio, settings):
    with gr.Blocks() as demo:
        handles = build_align_page(studio, gr.State("demo"))
    assert len(handles.refresh("demo", False, *settings)) == len(handles.outputs)
    assert len(handles.poll("demo", False, Seen(), False, *settings)) == len(handles.poll_outputs)
    assert len(handles.refresh_inputs) == 1 + len(settings)
    assert {event.api_visibility for event in demo.fns.values()} == {"private"}
    assert all(event.concurrency_limit is None for event in demo.fns.values())
    assert len(demo.fns) == 9


def test_page_has_one_primary_button(studio):
    with gr.Blocks() as demo:
        build_align_page(studio, gr.State("demo"))
    buttons = [block for block in demo.blocks.values() if isinstance(block, gr.Button)]
    assert [b.value for b in buttons if b.variant == "primary"] == [say.ALIGN_BUTTON]
