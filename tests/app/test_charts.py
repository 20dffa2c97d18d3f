"""The figures of a run: what they plot and what their titles claim."""

import math
from dataclasses import replace

from app.run_facts import Point, checks, series, thinned
from app.views.charts import PANELS, accuracy_figure, accuracy_title, curves_figure, panel_title
from gem_backend.types import RunEvent
from tests.app.fakes_runs import BEFORE, Script, evaluation, rival_run, until, whole_run

EVENTS = whole_run()
SCORE = PANELS[1]


def line(*values):
    return [Point(step, value) for step, value in enumerate(values)]


def script_of(*evaluations):
    script = Script()
    for number, one in enumerate(evaluations):
        script.check("round", one, number)
    return checks(script.events)


def test_no_figure_before_there_is_something_to_show():
    assert accuracy_figure(()) is None
    assert curves_figure(()) is None
    assert curves_figure(until("evaluation", 2, EVENTS)) is None


def test_accuracy_has_a_point_and_whiskers_for_each_evaluation():
    figure = accuracy_figure(EVENTS)
    rounds, trace = figure.data
    assert [round(x) for x in rounds.x] == [0, 1, 2, 3, 4]
    assert [round(x) for x in trace.x] == [0, 5]
    assert (rounds.name, trace.name) == ("Round check (n = 16)", "Final check (n = 24)")
    assert rounds.marker.symbol != trace.marker.symbol and (rounds.mode, trace.mode) == (
        "lines+markers",
        "markers",
    )
    assert figure.layout.xaxis.ticktext == (
        "Before training",
        "After your pairs",
        "After round 1",
        "After round 2",
        "After round 3",
        "At the end",
    )
    first = BEFORE.preference_accuracy
    assert math.isclose(trace.y[0], 100 * first.value)
    assert math.isclose(trace.error_y.array[0], 100 * (first.high - first.value))
    assert math.isclose(trace.error_y.arrayminus[0], 100 * (first.value - first.low))
    assert trace.customdata[0] == "Before training: 21 % (95 % interval 9 to 40 %, n = 24)"
    assert figure.layout.yaxis.range[0] <= 0 and figure.layout.yaxis.range[1] >= 100


def test_title_states_the_finding_with_n():
    assert accuracy_figure(EVENTS).layout.title.text == (
        "Held-out preference accuracy rose from 21 % to 79 % (n = 24)"
    )


def test_title_says_when_intervals_overlap():
    found = script_of(evaluation(0.5, None, 0.3, 0), evaluation(14 / 24, None, 0.3, 0))
    assert accuracy_title(found).endswith("rose from 50 % to 58 % (n = 24, intervals overlap)")


def test_title_of_one_evaluation_claims_no_change():
    assert accuracy_title(script_of(BEFORE)).endswith("starts at 21 % (n = 24)")
    assert "stayed at 21 %" in accuracy_title(script_of(BEFORE, BEFORE))


def test_title_before_the_end_speaks_of_the_round_check_alone():
    assert accuracy_title(checks(until("evaluation", 4, EVENTS))) == (
        "Preference accuracy in the round check rose from 25 % to 69 % (n = 16, intervals overlap)"
    )


def test_curves_plot_every_series_with_units_on_the_axes():
    figure = curves_figure(EVENTS)
    assert [len(trace.x) for trace in figure.data] == [12, 24, 24, 24, 24]
    units = [figure.layout[f"yaxis{place}"].title.text for place in ("", "2", "3", "4")]
    assert units == ["loss", "score (nats)", "entropy (nats per token)", "KL (nats per token)"]
    assert figure.data[0].line.dash == "dot" != figure.data[1].line.dash
    assert figure.data[0].name == "your pairs (n = 12 steps)"


def test_figures_have_no_background_of_their_own():
    for figure in (accuracy_figure(EVENTS), curves_figure(EVENTS)):
        assert figure.layout.paper_bgcolor == figure.layout.plot_bgcolor == "rgba(0,0,0,0)"


def test_panel_title_compares_the_means_of_both_ends():
    rising = line(*[1.0] * 5, *[2.0] * 5)
    assert panel_title(SCORE, [rising]) == "Score rose from 1 to 2 (n = 10 steps)"
    assert panel_title(SCORE, [line(*[1.0] * 5, *[1.01] * 5)]) == (
        "Score is steady at 1.01 (n = 10 steps)"
    )


def test_panel_title_of_few_steps_claims_no_trend():
    assert panel_title(SCORE, [line(1.0, 9.0)]) == "Score is at 9 (n = 2 steps)"
    assert panel_title(SCORE, [[]]) == "Score: no step yet"


def test_step_repeated_after_a_resume_counts_once():
    steps = [(1, 5.0), (2, 4.0), (3, 9.0), (2, 3.5), (3, 3.0)]
    events = [RunEvent(i, 0.0, "sega_step", s, {"loss": v}) for i, (s, v) in enumerate(steps)]
    assert series(events, "sega_step", "loss") == [Point(1, 5.0), Point(2, 3.5), Point(3, 3.0)]


def test_missing_and_infinite_figures_are_left_out():
    values = [1.0, None, math.nan, math.inf, True, "2", 2]
    events = [RunEvent(i, 0.0, "sega_step", i, {"kl": v}) for i, v in enumerate(values)]
    assert series(events, "sega_step", "kl") == [Point(0, 1.0), Point(6, 2.0)]


def test_long_series_are_thinned_and_keep_the_last_step():
    points = line(*range(10_007))
    shown = thinned(points)
    assert len(shown) <= 401
    assert shown[-1] == points[-1]
    assert thinned(points[:7]) == points[:7]


def test_evaluation_repeated_after_a_resume_counts_once_and_damaged_ones_not():
    script = Script()
    script.check("round", BEFORE, 1)
    script.check("round", replace(BEFORE, kl=0.5), 1)
    script.say("evaluation", name="round", round=2, evaluation={"preference_accuracy": "high"})
    assert [check.evaluation.kl for check in checks(script.events)] == [0.5]


def test_other_method_has_its_loss_and_no_empty_panel():
    figure = curves_figure(rival_run())
    assert [line.name for line in figure.data] == [
        "your pairs (n = 4 steps)",
        "other method (n = 10 steps)",
    ]
    [title] = figure.layout.annotations
    assert title.text == "Loss, other method, fell from 0.58 to 0.48 (n = 10 steps)"
    assert title.x == 0


def test_checks_of_another_method_follow_parts():
    figure = accuracy_figure(rival_run())
    assert figure.layout.xaxis.ticktext == (
        "Before training",
        "After your pairs",
        "After part 1",
        "After part 2",
        "At the end",
    )
