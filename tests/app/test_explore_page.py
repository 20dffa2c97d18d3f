import json
import re
import time
from dataclasses import replace

import gradio as gr
import pytest

from app import text
from app.actions.explore import ExploreActions, reader
from app.actions.explore_records import Asked, Watched
from app.desks.priority import QueueOrder
from app.ordering import Weighing, find_placed
from app.pages.explore import build_explore_page
from app.pages.explore_handlers import ExploreHandlers
from app.pages.explore_values import group_values, order_words, rerank, trace_of
from app.records import TaskState
from app.text import calibration as say
from app.text import difference as say_difference
from app.text import meaning as say_meaning
from app.text import priority as text_priority
from app.text import prompts as say_prompts
from gem_backend.config import SamplingConfig, ScoringConfig
from gem_backend.errors import ConfigError, DataError
from gem_backend.types import Provenance
from storage.runs import RunTraits
from tests.app.fakes import GOOD, POOR, make_candidate, make_evidence, make_run

OTHERS = Provenance("another model", None, 0, 0.9, 1.0)


@pytest.fixture
def actions(studio):
    return ExploreActions(studio)


@pytest.fixture
def handlers(actions):
    return ExploreHandlers(actions)


@pytest.fixture
def page(studio):
    with gr.Blocks():
        return build_explore_page(studio, gr.State("demo"))


def test_prompts_are_one_line_and_say_held_out(actions):
    labels = [label for label, _ in actions.prompt_list("demo", "", None).choices]
    assert all("\n" not in label and len(label) <= 130 for label in labels)
    assert [text.HELD_OUT_MARK in label for label in labels] == [False, False, True]


def test_of_many_prompts_some_are_listed_and_the_chosen_one_always(actions, studio):
    studio.most_prompts = 1
    listed = actions.prompt_list("demo", "", "p2")
    assert [key for _, key in listed.choices] == ["p2", "p0"]
    assert (listed.can_search, listed.words) == (True, say_prompts.listed(1, 3))
    found = actions.prompt_list("demo", "no such words", None)
    assert (found.choices, found.words) == ([], say_prompts.found(0, 0))
    assert actions.prompt_list("", "", None).choices == []


def test_search_lists_other_prompts_and_keeps_the_chosen_one(handlers, studio):
    studio.most_prompts = 1
    words = studio.prompts("demo")[1].prompt[:30]
    chosen, line = handlers.find("demo", words, "p0")
    assert ("p1" in [key for _, key in chosen.choices], chosen.value) == (True, "p0")
    assert "with these words" in line
    assert handlers.refresh("demo", "p0", None, None, 1.0, 0.1, "paper")[0].visible


def test_models_are_the_base_and_the_adapters_that_fit_it(actions, studio):
    studio.fitting = [make_run("run-3")]
    assert actions.model_choices("demo") == [
        ("Base model", ""),
        ("Adapter of 2026-11-20 12:00 (quick)", "run-3"),
    ]
    assert actions.model_choices("") == [("Base model", "")]


def test_adapter_of_another_method_is_named_so(actions, studio):
    studio.run_traits = lambda project_id: {"run-1": RunTraits("dpo", "paper", "abc")}
    assert actions.model_choices("demo")[1] == ("Adapter of 2026-11-20 12:00 (quick, DPO)", "run-1")


def test_adapters_that_do_not_fit_are_not_offered(actions, studio):
    studio.fitting = []
    assert studio.runs("demo")[0].result.adapter_dir
    assert actions.model_choices("demo") == [("Base model", "")]


def test_unknown_prompt_falls_back_to_the_first(actions):
    assert actions.screen("demo", "gone", "").prompt_id == "p0"


def test_project_without_prompts_shows_nothing(actions):
    assert actions.screen("empty", None, None).prompt_id is None


def test_sampling_needs_a_prompt(actions):
    with pytest.raises(ConfigError, match="Choose a question"):
        actions.sample(None, SamplingConfig(), "")


def test_base_model_means_no_adapter(actions, studio):
    actions.sample("p1", SamplingConfig(num_candidates=3), "")
    assert studio.sampled_with == ("p1", SamplingConfig(num_candidates=3), None)
    actions.sample("p1", SamplingConfig(), "run-1")
    assert studio.sampled_with[2] == "run-1"


def test_poll_says_nothing_when_nothing_changed(actions, page):
    assert actions.poll("demo", "p0", None, (), "") is None
    assert page.poll("demo", "p0", Watched(), (), "") == gr.skip()
    assert page.poll("", None, None, (), "") == gr.skip()


def test_poll_lets_the_group_be_drawn_once_at_the_end(handlers):
    seen, *_ = handlers.sample("p1", "", None, 1, 0.9, 0)
    turns = []
    for _ in range(6):
        polled = handlers.poll("demo", "p1", seen, (), "")
        if polled != gr.skip():
            seen, _, _, _, turn, *_ = polled
            turns.append((seen.sampling.state, turn != gr.skip()))
    assert turns == [("running", False), ("done", True)]


def test_the_address_names_a_prompt_or_a_candidate_and_its_group_until_one_is_chosen(
    handlers, studio, monkeypatch
):
    older = [make_candidate(GOOD, 1, "older")]
    studio.groups["p1"] = [make_candidate(GOOD, 2, "newer")]
    studio.earlier["p1"] = [older]
    named = {"candidate": "older", "prompt": "p0"}
    monkeypatch.setattr("app.pages.explore_handlers.address", lambda: named)

    def shown(prompt_id, project_id="demo"):
        values = handlers.refresh(project_id, prompt_id, None, None, 1.0, 0.1, "paper")
        groups = [one for one in values if isinstance(one, tuple) and not isinstance(one, Watched)]
        return values[1].value, groups[0]

    assert shown(None) == ("p1", tuple(older))
    assert shown("p2")[0] == "p2"
    named["candidate"] = "gone"
    assert shown(None)[0] == "p0"
    named["prompt"] = "of another project"
    assert shown(None)[0] == "p0"


def test_the_same_answers_are_read_by_another_model(handlers, studio):
    sampled = tuple(make_candidate(GOOD, seed, f"a{seed}") for seed in (1, 2))
    assert (
        json.loads(handlers.show_difference("demo", sampled)["packed"])["cards"][0]["other"] == []
    )
    for group, model, words in (
        ((), "run-1", say_difference.NO_GROUP),
        (sampled, "", say_difference.SAME),
        ((replace(sampled[0], provenance=OTHERS),), "run-1", say_difference.FOREIGN),
    ):
        with pytest.raises(ConfigError, match=re.escape(words)):
            handlers.read_again("demo", group, model, None)
    seen, _ = handlers.read_again("demo", sampled, "run-1", None)
    assert seen.rereading.state == "running"
    now, *values = handlers.poll("demo", "p0", seen, sampled, "")
    assert now.rereading.state == "done"
    assert values[-1] != gr.skip()
    shown = json.loads(handlers.show_difference("demo", sampled)["packed"])
    for card, candidate in zip(shown["cards"], sampled, strict=True):
        assert max(card["other"]) == pytest.approx(max(candidate.token_entropy) / 2, abs=1e-3)
    assert "Adapter of 2026-11-20" in shown["words"]["other_entropy"]
    studio.groups["p0"] = list(sampled)
    again = handlers.refresh("demo", "p0", None, None, 1.0, 0.1, "paper")
    assert any(
        isinstance(one, dict)
        and one.get("packed") == json.dumps(shown, ensure_ascii=False, separators=(",", ":"))
        for one in again
    )


def test_answers_are_grouped_by_what_they_say(handlers, studio):
    sampled = tuple(make_candidate(text, 1, f"a{n}") for n, text in enumerate((GOOD, POOR, GOOD)))
    for can_group, group, words in ((True, (), say_meaning.NO_GROUP), (False, sampled, "--sent")):
        studio.has_sentence_model = can_group
        with pytest.raises(ConfigError, match=re.escape(words)):
            handlers.group_by_meaning(group, None)
    studio.has_sentence_model = True
    seen, line = handlers.group_by_meaning(sampled, None)
    assert (seen.grouping.state, line["text"]) == ("running", say_meaning.GROUPING)
    now, *values = handlers.poll("demo", "p0", seen, sampled, "")
    assert now.grouping.state == "done"
    good, poor = sampled[0].answer, sampled[1].answer
    words = f"2 of 3 answers mean the same: “{good}”. The others: “{poor}” (1). "
    assert {"text": words + say_meaning.CAUTION} in values
    studio.groups["p0"] = list(sampled)
    assert {"text": words + say_meaning.CAUTION} in handlers.refresh(
        "demo", "p0", None, None, 1.0, 0.1, "paper"
    )


def test_groups_by_meaning_in_words():
    words = say_meaning.meanings_words
    assert words([], 2) == "None of 2 gave a final answer."
    assert words([["a"], ["b"]], 3).startswith("No two of 3 answers mean the same.")
    assert words([["a", "A", "a"]], 3).startswith("3 of 3 answers mean the same: “a”, “A”. A sent")


def test_there_is_a_difference_to_ask_for_where_there_is_another_model(
    handlers, studio, monkeypatch
):
    def row():
        values = handlers.refresh("demo", "p0", None, None, 1.0, 0.1, "paper")
        return next(one for one in values if isinstance(one, gr.Row)).visible

    assert row()
    monkeypatch.setattr(studio, "adapters", lambda project_id: [])
    assert not row()


def test_every_handler_fills_its_outputs(page):
    assert len(page.refresh("demo", None, None, None, 1.0, 0.1, "paper")) == len(page.outputs)
    assert len(page.refresh("", None, None, None, 1.0, 0.1, "calibrated")) == len(page.outputs)
    running = Watched(TaskState("running", 1, 5))
    assert len(page.poll("demo", "p0", running, (), "")) == len(page.poll_outputs)


def by_score(lambda_fork=1.0, top_m=0.1):
    return Weighing(ScoringConfig(lambda_fork=lambda_fork, top_m=top_m))


def test_sliders_change_the_order_without_the_model(studio):
    group = tuple(studio.candidates("p0"))
    by_answer = unpacked(rerank(group, by_score(0.0)))["order"]
    entropies = {c.candidate_id: _mean_answer_entropy(c) for c in group}
    assert by_answer == sorted(entropies, key=entropies.get)
    assert unpacked(rerank(group, by_score(3.0)))["order"] != by_answer


def unpacked(value):
    return json.loads(value["packed"])


def _mean_answer_entropy(candidate):
    answer = candidate.token_entropy[slice(*candidate.spans.final_span)]
    return sum(answer) / len(answer)


def test_reranking_five_long_candidates_takes_a_moment_only():
    group = tuple(make_candidate(GOOD * 6, i, f"c{i}") for i in range(5))
    assert min(len(c.token_ids) for c in group) > 500
    start = time.perf_counter()
    rerank(group, by_score())
    assert time.perf_counter() - start < 0.5


def test_curve_of_an_unknown_candidate_is_the_best_ones(studio):
    group = tuple(studio.candidates("p0"))
    best = find_placed(group, by_score(), None)
    assert best.ranked.rank == 1
    assert trace_of(group, "gone", by_score()).layout.title.text.startswith("Rank 1 of 5")


def test_no_candidates_says_what_to_do():
    _, empty, sliders, results, agreed, cards, order, trace = group_values((), by_score())
    assert text.NO_CANDIDATES in empty.value
    assert (agreed, trace) == ("", None)
    assert (unpacked(cards)["cards"], unpacked(order)["order"]) == ([], [])
    assert not results.visible
    assert not sliders.visible


# --- the order that labels taught -------------------------------------------------------------

PAPER, CALIBRATED = ("", 1.0, 0.1, "paper"), ("", 1.0, 0.1, "calibrated")


def learn(handlers, studio, model="", group=()):
    """Press the button and poll until the card can be drawn."""
    seen, status, button = handlers.learn("demo", group, model, None)
    assert (status["text"], button.interactive) == (f"{say.LEARNING} 0 of 24", False)
    for _ in range(9):
        polled = handlers.poll("demo", "p0", seen, group, model)
        if polled != gr.skip():
            seen, _, _, _, _, status, turn, *_ = polled
            if turn != gr.skip():
                return status["text"]
    raise AssertionError("it never came to its end")


def test_without_calibration_the_order_is_that_of_s(handlers, studio):
    group = tuple(studio.candidates("p0"))
    assert handlers.reorder("demo", group, *CALIBRATED) == handlers.reorder("demo", group, *PAPER)


def test_prior_alone_keeps_the_order_of_s_for_every_weight(handlers, studio):
    studio.lessons[None] = make_evidence(0)
    group = tuple(studio.candidates("p0"))
    for weight in (0.0, 0.7, 3.0):
        paper = unpacked(handlers.reorder("demo", group, "", weight, 0.1, "paper"))
        calibrated = unpacked(handlers.reorder("demo", group, "", weight, 0.1, "calibrated"))
        assert calibrated["order"] == paper["order"]
        assert all(card["score"].startswith("Calibrated") for card in calibrated["cards"].values())


def test_learning_fills_the_card_and_changes_the_order(handlers, studio):
    group = tuple(studio.candidates("p0"))
    card, button = handlers.relearn("demo", group, *CALIBRATED)
    assert "12 comparisons to learn from" in card
    assert (button.value, button.interactive) == (say.LEARN, True)
    assert learn(handlers, studio, group=group) == say.LEARNED
    order, card, button = handlers.learned("demo", group, *CALIBRATED)
    assert "weight" in card and "n&nbsp;=&nbsp;12 comparisons" in card
    assert (button.value, button.interactive) == (say.LEARN_AGAIN, True)
    assert unpacked(order)["order"] != unpacked(handlers.reorder("demo", group, *PAPER))["order"]


def test_calibrated_cards_say_mean_deviation_and_the_chance_against_the_next(handlers, studio):
    studio.lessons[None] = make_evidence()
    group = tuple(studio.candidates("p0"))
    found = unpacked(handlers.reorder("demo", group, *CALIBRATED))
    cards = [found["cards"][candidate_id] for candidate_id in found["order"]]
    means = [float(card["score"].split()[2].replace(say.MINUS, "-")) for card in cards]
    assert means == sorted(means, reverse=True)
    assert [card["rank"] for card in cards] == [f"Rank {n} of 5" for n in range(1, 6)]
    assert all("likely to be preferred to the next" in card["terms"][0] for card in cards[:-1])
    assert all(int(card["terms"][0].split()[0]) >= 50 for card in cards[:-1])
    assert len(cards[-1]["terms"]) == 1  # the last one has no next


def test_sliders_move_the_calibrated_order_too(handlers, studio):
    studio.lessons[None] = make_evidence(2)
    group = tuple(studio.candidates("p0"))
    drawn = {
        json.dumps(handlers.reorder("demo", group, "", weight, top_m, "calibrated"))
        for weight, top_m in ((0.0, 0.1), (3.0, 0.1), (3.0, 1.0))
    }
    assert len(drawn) == 3


def test_curve_names_the_place_in_the_order_on_screen(handlers, studio):
    studio.lessons[None] = make_evidence()
    group = tuple(studio.candidates("p0"))
    best = unpacked(handlers.reorder("demo", group, *CALIBRATED))["order"][0]
    figure = handlers.show_trace(best, "demo", group, *CALIBRATED)
    assert figure.layout.title.text.startswith("Rank 1 of 5")


def test_labels_are_read_by_the_model_that_made_the_cards(studio, actions):
    group = (make_candidate(GOOD, 1), make_candidate(POOR, 2))
    provenance = replace(group[0].provenance, adapter="run-1")
    adapted = tuple(replace(one, provenance=provenance) for one in group)
    assert reader((), "") is None
    assert reader((), "run-7") == "run-7"
    assert reader(group, "run-7") is None
    assert reader(adapted, "") == "run-1"
    studio.lessons["run-1"] = make_evidence()
    asked = Asked(ranking="calibrated")
    assert actions.weighing("demo", adapted, asked).calibration is not None
    assert actions.weighing("demo", group, asked).calibration is None
    lesson = actions.lesson("demo", adapted, asked)
    assert (lesson.is_adapter, lesson.model) == (True, "Adapter of 2026-11-20 12:00 (quick)")


def test_cards_of_another_model_keep_the_order_of_s(studio, actions):
    studio.lessons[None] = make_evidence()
    other = replace(make_candidate(GOOD).provenance, model="/another/model")
    group = (replace(make_candidate(GOOD), provenance=other),)
    assert actions.weighing("demo", group, Asked(ranking="calibrated")).calibration is None


def test_learning_needs_a_project(handlers):
    with pytest.raises(ConfigError, match="Create a project"):
        handlers.learn("", (), "", None)


# --- what to label next -----------------------------------------------------------------------


def test_asking_first_shows_progress_and_then_what_was_ordered(handlers, studio):
    seen, button, line = handlers.ask_first("demo", (), "run-1", None)
    assert studio.ordered_for == ["run-1"]
    assert (button.interactive, line["text"]) == (False, f"{text_priority.READING} 0 of 12")
    lines = []
    for _ in range(6):
        polled = handlers.poll("demo", "p0", seen, (), "run-1")
        if polled != gr.skip():
            seen, *_, button, line, _, _, _ = polled
            lines.append((button.interactive, line["text"]))
    assert lines == [
        (False, f"{text_priority.READING} 6 of 12"),
        (False, f"{text_priority.READING} 12 of 12"),
        (True, f"Order of 2026-11-20 12:00 for 6 cases: {text_priority.BY_ENTROPY}."),
    ]


def test_order_says_when_for_how_many_and_by_what():
    made = QueueOrder(1, "2026-11-20T10:00:00+00:00", is_by_labels=True, num_unread=2)
    assert order_words(made) == (
        f"Order of 2026-11-20 12:00 for 1 case: {text_priority.NO_CONFLICT}."
        " 2 cases could not be read and come after them."
    )
    assert order_words(replace(made, num_cases=9, num_conflicts=3, num_unread=0)) == (
        "Order of 2026-11-20 12:00 for 9 cases: first 3 cases where the entropy order points to one"
        " answer and what your labels taught to the other, so that a label tells which is right;"
        " then those where what your labels taught leaves it most open which answer is better."
    )
    assert order_words(QueueOrder(2)) == (
        "2 cases come first, in an order made before the studio was last started."
    )
    assert order_words(None) == ""


def test_asking_first_needs_a_project_and_tells_the_studios_sentence(handlers, studio):
    with pytest.raises(ConfigError, match="Create a project"):
        handlers.ask_first("", (), "", None)
    studio.refuses = DataError(text_priority.NOTHING_TO_ORDER)
    with pytest.raises(DataError, match="nothing to order"):
        handlers.ask_first("demo", (), "", None)


def test_page_is_wired_private_with_matching_outputs(studio):
    with gr.Blocks() as demo:
        build_explore_page(studio, gr.State("demo"))
    assert {event.api_visibility for event in demo.fns.values()} == {"private"}
    group = tuple(studio.candidates("p0"))
    returned = {
        "load": ExploreHandlers(ExploreActions(studio)).load("demo", "p0", *PAPER),
        "learned": ExploreHandlers(ExploreActions(studio)).learned("demo", group, *PAPER),
        "relearn": ExploreHandlers(ExploreActions(studio)).relearn("demo", group, *PAPER),
        "sample": ExploreHandlers(ExploreActions(studio)).sample("p0", "", None, 1, 1.0, 0),
        "learn": ExploreHandlers(ExploreActions(studio)).learn("demo", group, "", None),
        "ask_first": ExploreHandlers(ExploreActions(studio)).ask_first("demo", group, "", None),
        "choose": ExploreHandlers(ExploreActions(studio)).choose("demo", "p0", *PAPER),
    }
    for event in demo.fns.values():
        if event.name in returned:
            assert len(returned[event.name]) == len(event.outputs), event.name
