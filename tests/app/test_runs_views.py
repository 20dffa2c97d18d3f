"""Runs as HTML: the sentences in golden pieces, and hostile text escaped everywhere."""

from dataclasses import replace

import pytest

from app import run_facts
from app.records import AlignPlan, LeftOut
from app.text import calibration as words
from app.text import local_time
from app.text import runs as say
from app.views import runs, story, tables
from gem_backend.config import RunConfig, preset_config
from gem_backend.memory import MemoryEstimate
from gem_backend.types import Estimate, RunEvent
from tests.app.fakes import GOOD, make_candidate
from tests.app.fakes_runs import (
    AFTER,
    BEFORE,
    HOSTILE,
    WORSE,
    calibrated,
    done_view,
    ended_view,
    evaluation,
    rival_run,
    rival_view,
    running_view,
    until,
    whole_run,
)

EVENTS = whole_run()


def plan(**changes):
    base = AlignPlan(
        RunConfig(), 32, 24, 40, (LeftOut("judged equally good", 3),), 4_600_000, "CPU", "Q: A"
    )
    return replace(base, **changes)


# --- the plan --------------------------------------------------------------------------------


def test_plan_says_each_count_in_words():
    panel = runs.plan_panel(plan())
    assert "<dt>Pairs that train</dt><dd><b>32 pairs</b></dd>" in panel
    assert "<dt>Left out</dt><dd><b>3 pairs</b><ul><li>3: judged equally good</li></ul>" in panel
    assert "<dt>Held out, to check</dt><dd><b>24 pairs</b></dd>" in panel
    assert "<dt>Model on disk</dt><dd>4.6 MB</dd>" in panel
    assert say.NOT_MEASURED in panel
    assert say.CANNOT_START not in panel


def test_plan_says_how_much_memory_is_expected_and_what_is_before_it():
    memory = MemoryEstimate(420_000_000, 1_300_000_000, {})
    panel = runs.plan_panel(plan(memory=memory, num_ahead=2))
    assert "<dt>Memory</dt><dd>0.4 GB to 1.3 GB, going by the model&#x27;s sizes." in panel
    assert "<dt>Begins</dt><dd>When 2 runs before it are over;" in panel
    panel = runs.plan_panel(plan())
    assert f"<dt>Memory</dt><dd>{say.MEMORY_NOT_KNOWN}</dd>" in panel
    assert "Begins" not in panel


def test_live_panel_says_what_the_largest_step_needs_of_the_memory_there_is():
    panel = runs.live_panel(running_view(until("memory", 1, EVENTS)))
    assert "Memory: 0.4 GB of the 16 GB there are." in panel
    assert "Memory" not in runs.live_panel(running_view(EVENTS[:1]))


def test_model_that_is_a_name_only_has_no_size():
    panel = runs.plan_panel(plan(model_bytes=0))
    assert "0.0 MB" not in panel
    assert "<dt>Model on disk</dt><dd>Not known. The model is downloaded first" in panel


def test_no_preset_promises_what_its_settings_do_not_hold():
    quick, standard = preset_config("quick"), preset_config("standard")
    words = {preset: sentence for sentence, preset in say.PRESETS}["standard"]
    assert (standard.sega.rounds > quick.sega.rounds) == ("more rounds" in words)
    more_answers = standard.sampling.num_candidates > quick.sampling.num_candidates
    assert more_answers == ("more answers" in words)


def test_expected_time_names_the_runs_it_comes_from():
    panel = runs.plan_panel(plan(expected_s=130.0, expected_from_runs=2))
    assert "About 2 minutes, going by 2 earlier runs on this machine." in panel
    assert say.expected_time(50.0, 0) == say.NOT_MEASURED


def test_plan_escapes_what_it_was_given():
    hostile = plan(device=HOSTILE, obstacle=HOSTILE, left_out=(LeftOut(HOSTILE, 1),))
    assert "<img" not in runs.plan_panel(hostile)
    assert runs.plan_panel(hostile).count("&lt;img") == 3


def test_example_keeps_every_character():
    assert runs.example_text("a\n  <b> & c") == (
        '<pre class="gem-verbatim" tabindex="0">a\n  &lt;b&gt; &amp; c</pre>'
    )
    assert say.EXAMPLE_EMPTY in runs.example_text("")


# --- the run now -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("events", "sentence"),
    [
        (EVENTS[:1], say.WAITING),
        (until("phase", 1, EVENTS), say.BEFORE_PHASE),
        (until("phase", 2, EVENTS), "Learning from your 32 preferred answers…"),
        (until("sft_step", 5, EVENTS), "Learning from your 32 preferred answers, pass 2 of 3…"),
        (until("phase", 4, EVENTS), "Round 2 of 3: sampling up to 40 answers…"),
        (until("candidates", 2, EVENTS), "Round 2 of 3: learning from 40 ranked answers…"),
        (until("sega_step", 12, EVENTS), "Round 2 of 3: learning from 40 ranked answers…"),
        (until("evaluation", 5, EVENTS), "Round 2 of 3: checked on the held-out pairs, saving…"),
        (until("phase", 6, EVENTS), say.AFTER_PHASE),
    ],
)
def test_state_follows_the_events(events, sentence):
    assert runs.state_sentence(running_view(events)) == sentence


@pytest.mark.parametrize(
    ("events", "sentence"),
    [
        (until("phase", 3, rival_run()), "Training with DPO on your pairs…"),
        (until("baseline_step", 3, rival_run()), "Training with DPO on your pairs: 3 steps done…"),
        (until("evaluation", 3, rival_run()), "Training with DPO on your pairs: 5 steps done…"),
        (until("phase", 4, rival_run()), say.AFTER_PHASE),
    ],
)
def test_state_of_another_method_names_it(events, sentence):
    view = replace(running_view(events), config=RunConfig(method="dpo"))
    assert runs.state_sentence(view) == sentence


def test_calibrated_run_says_that_it_learns_from_the_labels():
    view = replace(
        running_view(until("evaluation", 2, EVENTS)), config=RunConfig(ranking="calibrated")
    )
    assert runs.state_sentence(view) == words.LEARNING_PHASE
    view = replace(view, config=RunConfig(ranking="paper"))
    assert runs.state_sentence(view) == say.BEFORE_PHASE


def test_bar_has_percent_steps_and_time_left():
    panel = runs.live_panel(running_view(until("sega_step", 6, EVENTS)))
    assert 'aria-valuenow="50"' in panel
    assert "<b>50 %</b><span>step 18 of 36</span><span>About 18 seconds left</span>" in panel


def test_unknown_time_left_is_said():
    view = replace(running_view(EVENTS[:1]), eta_s=None)
    assert say.ETA_UNKNOWN in runs.live_panel(view)


def test_failure_is_one_sentence_with_the_log_behind_a_fold():
    panel = runs.live_panel(ended_view("failed", EVENTS[:9], f"Out of memory. {HOSTILE}"))
    assert "Out of memory." in panel
    assert "<details" in panel and "loss is not finite" in panel
    assert "<img" not in panel


def test_failure_without_a_reason_still_has_a_sentence():
    view = ended_view("failed", EVENTS[:9])
    assert runs.state_sentence(view) == say.FAILED_WITHOUT_REASON


def test_log_is_shown_for_failures_only():
    assert "<details" not in runs.live_panel(ended_view("stopped", EVENTS[:9]))


def test_finished_run_says_its_verdict_and_where_to_read_on():
    sentence = runs.state_sentence(done_view())
    assert sentence.startswith("Better:") and sentence.endswith(say.SEE_RESULTS)


# --- the verdict -----------------------------------------------------------------------------


def test_verdict_comes_first_with_interval_and_n():
    panel = runs.verdict_panel(done_view())
    assert panel.index("Better:") < panel.index("went from 21 % to 79 %: +58 points")
    assert "(95 % interval +38 to +78, n&nbsp;=&nbsp;24 pairs)" in panel
    assert "The mean answer grew by 12 % (n = 24)." in panel
    assert '<code class="gem-path">data/runs/run-1/adapter</code>' in panel


def test_verdict_names_method_and_ranking():
    assert "<p>Method: GEM, ranking by entropy (paper).</p>" in runs.verdict_panel(done_view())
    shown = runs.verdict_panel(calibrated(done_view()))
    assert "<p>Method: GEM, ranking calibrated on your labels.</p>" in shown
    shown = runs.verdict_panel(rival_view("rm_ppo"))
    assert "<p>Method: Reward model + clipped policy gradient.</p>" in shown


def test_other_method_that_made_the_model_worse_is_not_offered_either():
    panel = runs.verdict_panel(rival_view("dpo", "run-3", WORSE, "worse"))
    assert panel.index("Worse:") < panel.index("Method: DPO")
    assert say.NOT_OFFERED in panel
    assert "adapter</code>" not in panel


def test_worse_run_says_so_first_and_is_not_offered():
    panel = runs.verdict_panel(done_view("run-2", WORSE, "worse"))
    assert panel.index("Worse:") < panel.index("points")
    assert say.NOT_OFFERED in panel
    assert "adapter</code>" not in panel


def test_more_confident_but_worse_is_flagged_with_its_figures():
    panel = runs.verdict_panel(done_view("run-2", WORSE, "worse"))
    assert say.CONFIDENT_BUT_WORSE_TITLE in panel
    assert "Uncertainty fell from 0.41 to 0.10 nats per token" in panel
    assert "fell from 46 % to 17 % (n = 24)" in panel
    assert say.CONFIDENT_BUT_WORSE_TITLE not in runs.verdict_panel(done_view())


def test_lower_entropy_with_lower_preference_accuracy_is_flagged_without_gold():
    before, after = evaluation(0.5, None, 0.4, 0), evaluation(0.4, None, 0.3, 0)
    assert run_facts.dropped_accuracy(before, after) == "preference_accuracy"
    assert run_facts.dropped_accuracy(after, before) is None
    assert run_facts.dropped_accuracy(before, replace(after, mean_entropy=0.399)) is None


@pytest.mark.parametrize("state", ["queued", "running", "stopped", "failed", "interrupted"])
def test_run_without_result_says_what_to_do(state):
    panel = runs.verdict_panel(ended_view(state, EVENTS[:9], HOSTILE))
    assert say.UNFINISHED[state] in panel
    assert "<img" not in panel


def test_warning_that_quotes_text_is_escaped_and_said_once():
    warning = RunEvent(99, 0.0, "warning", 0, {"message": HOSTILE})
    view = done_view()
    panel = runs.verdict_panel(replace(view, events=(*view.events, warning, warning)))
    assert panel.count("&lt;img") == 1
    assert "<img" not in panel


# --- the story -------------------------------------------------------------------------------


def test_story_tells_the_run_in_order():
    sentences = story.story_sentences(EVENTS)
    assert sentences[0] == (
        "Started on the processor with 32 pairs to learn from, 24 held-out pairs and "
        "40 further prompts."
    )
    assert sentences[1] == (
        "Tried the largest step: it needs 0.4 GB of memory; 0.3 GB to 0.9 GB were expected."
    )
    assert sentences[3] == (
        "Final check before training: held-out preference accuracy 21 % "
        "(95 % interval 9 to 40 %, n = 24)."
    )
    assert sentences[4].startswith("Learned from your preferred answers in 12 steps: loss 2.2")
    assert sentences[5].startswith(
        "Round check after your pairs: held-out preference accuracy 62 %"
    )
    assert "Round 1: sampled 40 answers, all with a final answer." in sentences
    assert "Round 2: sampled 40 answers, 1 of them without a final answer." in sentences
    assert "Round 2: saved as the best version so far." in sentences
    assert sentences[-1] == "Ended (finished) after 48 seconds."


def test_story_of_another_method_has_parts_and_no_rounds():
    sentences = story.story_sentences(rival_run())
    assert sentences[2:] == [
        "Learned from your preferred answers in 4 steps: loss 2.00 to 1.25.",
        "Round check after your pairs: held-out preference accuracy 62 % "
        "(95 % interval 39 to 82 %, n = 16).",
        "After your pairs: saved as the best version so far.",
        "Trained by the other method in 5 steps: loss 0.60 to 0.56.",
        "Round check after part 1: held-out preference accuracy 75 % "
        "(95 % interval 51 to 90 %, n = 16).",
        "Part 1 of the training: saved as the best version so far.",
        "Trained by the other method in 5 steps: loss 0.50 to 0.46.",
        "Round check after part 2: held-out preference accuracy 75 % "
        "(95 % interval 51 to 90 %, n = 16).",
        "Final check at the end: held-out preference accuracy 79 % "
        "(95 % interval 60 to 91 %, n = 24).",
        "Ended (finished) after 31 seconds.",
    ]


def test_story_tells_that_the_weights_were_learned():
    sentences = story.story_sentences(calibrated(done_view()).events)
    assert "Learned the weights of its ranking from 32 comparisons." in sentences


def test_story_tells_that_the_engine_sees_the_adapter():
    canary = RunEvent(2, 0.0, "canary", 0, {"gap": 0.0004, "change": 2.404, "n": 96})
    (sentence,) = story.story_sentences([canary])
    assert "96 tokens differ from ours by 0.000 nats" in sentence
    assert sentence.endswith("under an adapter that changes them by 2.40.")


def test_story_of_a_resumed_run_says_so():
    resumed = RunEvent(1, 0.0, "resumed", 0, {"from_round": 2})
    assert story.story_sentences([resumed]) == ["Resumed from round 2."]


def test_story_and_settings_are_escaped():
    event = RunEvent(1, 0.0, "started", 0, {"device": HOSTILE})
    view = replace(done_view(), events=(event,), config=RunConfig(model=HOSTILE))
    assert "<img" not in story.story(view) + runs.config_fold(view)
    assert "&lt;img" in story.story(view) and "&lt;img" in runs.config_fold(view)


# --- tables ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("stored", "shown"),
    [
        ("2026-11-20T23:10:05+00:00", "2026-11-21 01:10"),
        ("2026-11-20T10:00:00Z", "2026-11-20 12:00"),
        ("2026-11-20T10:00:00", "2026-11-20 12:00"),
        ("2026-11-20T10:00:00+02:00", "2026-11-20 10:00"),
        ("", "no date"),
        ("long ago", "long ago"),
    ],
)
def test_times_are_those_of_this_machines_clock(stored, shown):
    assert local_time(stored) == shown


def test_history_row_holds_verdict_and_both_accuracies():
    table = tables.history_table([done_view().summary], "run-1", {"run-1": "IPO"})
    assert 'aria-pressed="true" data-place="0">2026-11-20 12:42</button>' in table
    assert "<td>IPO</td><td>quick</td>" in table
    assert "<td>finished</td>" in table
    assert '<td class="gem-verdict-better">better</td>' in table
    assert '21 % → <b>79 %</b> <span class="gem-quiet">n = 24</span>' in table


def test_empty_history_says_what_to_do_next():
    assert say.HISTORY_EMPTY in tables.history_table([], None, {})


def test_hostile_run_record_is_escaped():
    row = replace(done_view().summary, preset=HOSTILE, created_at=HOSTILE)
    assert "<img" not in tables.history_table([row], None, {row.run_id: HOSTILE})


def test_figures_table_gives_every_accuracy_its_interval_and_n():
    table = tables.figures_table(BEFORE, AFTER, 31)
    assert '<b>79 %</b><span class="gem-hint">60 to 91 %</span>' in table
    assert table.count("<svg") == 3
    assert (
        "<td class=gem-num>0.412</td><td class=gem-num>0.305</td><td></td><td class=gem-num>31</td>"
    ) in table


def test_figures_table_leaves_out_what_the_data_cannot_give():
    without = replace(AFTER, final_answer_accuracy=None)
    table = tables.figures_table(replace(BEFORE, final_answer_accuracy=None), without, 24)
    assert table.count("<svg") == 2


def test_whiskers_say_their_figures_and_differ_in_shape():
    drawing = tables.whiskers(Estimate(0.0, 0.0, 0.2, 9), Estimate(1.0, 0.7, 1.0, 9))
    assert "before 0 % (95 % interval 0 to 20 %, n = 9); after 100 %" in drawing
    assert 'class="gem-before"' in drawing and 'class="gem-after"' in drawing
    assert 'cx="7.0"' in drawing and 'cx="233.0"' in drawing


# --- words -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0.2, "1 second"), (89, "89 seconds"), (90, "2 minutes"), (5400, "1 h 30 min")],
)
def test_durations_are_said_as_people_say_them(seconds, words):
    assert say.duration(seconds) == words


def test_points_carry_their_sign():
    assert [say.signed_points(x) for x in (0.58, -0.083, 0.001)] == ["+58", "\N{MINUS SIGN}8", "0"]


def test_answer_matches_apart_from_case_spaces_and_full_stop():
    candidate = make_candidate(GOOD)
    same = runs.match_line("After", candidate, "5 POINTS, hospital,  consider intensive care.")
    assert say.MATCHES in same
    assert say.MATCHES_NOT in runs.match_line("After", candidate, "5 points")


def test_text_without_a_final_answer_never_matches():
    uncommitted = make_candidate("I am not sure.")
    assert say.NO_ANSWER in runs.match_line("After", uncommitted, "I am not sure.")
