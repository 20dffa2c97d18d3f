"""Going another way from a token on Explore, with the real storage and the embedded model."""

import dataclasses
import json
import time

import gradio as gr
import pytest

from app import text
from app.actions.explore import ExploreActions
from app.actions.explore_records import GoOn, Watched
from app.actions.label import Drafts, LabelActions
from app.actions.label_records import Choice, Words
from app.components.heatmap import heatmap_value
from app.components.meters import meters_value
from app.ordering import Weighing
from app.pages.explore_handlers import ExploreHandlers
from app.records import Decision, Decisions, TaskState
from app.studio import Studio
from app.text import branches as say
from app.views.decisions import decisions_panel
from app.views.rankings import ranking
from gem_backend.config import ScoringConfig
from gem_backend.errors import ConfigError
from gem_backend.types import Branch, RunStatus
from storage.errors import EntryError, NotFoundError
from storage.pairs import Judgement
from tests.app.test_heatmap import HOSTILE, tiny


@pytest.fixture(scope="module")
def studio(tmp_path_factory):
    """One for all tests of this file: its model takes seconds to start. Each has its own prompt."""
    with Studio(tmp_path_factory.mktemp("branch") / "data", device="cpu") as studio:
        yield studio


@pytest.fixture
def handlers(studio):
    return ExploreHandlers(ExploreActions(studio))


def prompt_of(studio, split="train"):
    """A prompt without candidates."""
    prompts = studio.find_prompts("demo").prompts
    ids = [one.prompt_id for one in prompts if one.split == split]
    return next(one for one in ids if not studio.candidates(one))


def until_over(handlers, prompt_id, seen):
    """Poll as the page does, until what was begun is over; return the last words."""
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        polled = handlers.poll("demo", prompt_id, seen, (), "")
        if polled != gr.skip():
            seen, status, *_ = polled
            if seen.sampling.state != "running":
                return status["text"]
        time.sleep(0.05)
    raise AssertionError("it never came to its end")


def sampled(handlers, studio, prompt_id, count=2):
    seen, *_ = handlers.sample(prompt_id, "", None, count, 2.0, 0)
    until_over(handlers, prompt_id, seen)
    return tuple(studio.candidates(prompt_id))


def cards(group):
    return ranking(group, Weighing(ScoringConfig()))


@pytest.mark.slow
def test_siblings_join_the_order_and_say_which_rank_they_left(handlers, studio):
    prompt_id = prompt_of(studio)
    group = sampled(handlers, studio, prompt_id)
    parent = group[0]
    point = GoOn(parent.candidate_id, 3)
    seen, status, _, stop = handlers.go_on(point, group, None, 2, 1.5, 7)
    assert (status["text"][: len(text.SAMPLING)], stop.visible) == (text.SAMPLING, True)
    assert until_over(handlers, prompt_id, seen) == text.candidate_count(4)
    whole = tuple(studio.candidates(prompt_id))
    siblings = [one for one in whole if one.branch]
    assert [one.branch for one in siblings] == [Branch(parent.candidate_id, 3)] * 2
    assert all(one.token_ids[:3] == parent.token_ids[:3] for one in siblings)
    shown = cards(whole)
    rank = shown["cards"][parent.candidate_id]["rank"].split()[1]
    words = say.leaves_words(int(rank), parent.token_texts[3])
    assert all(words in shown["cards"][one.candidate_id]["badges"] for one in siblings)
    seen, *_ = handlers.go_on(point, whole, None, 2, 1.5, 7)
    assert "Change the seed" in until_over(handlers, prompt_id, seen)
    assert tuple(studio.candidates(prompt_id)) == whole


def test_a_pair_of_candidates_is_first_on_label(handlers, studio):
    group = sampled(handlers, studio, prompt_of(studio))
    first, second = group[0], next(one for one in group if one.text != group[0].text)
    said = handlers.pair(first.candidate_id, second.candidate_id)
    assert said == {"text": "The pair waits first on Label."}
    waiting = studio.next_turn("demo").case.comparison
    assert {waiting.answer_a, waiting.answer_b} == {first.text, second.text}


def test_a_pair_of_a_held_out_question_only_measures(handlers, studio):
    group = sampled(handlers, studio, prompt_of(studio, "held_out"))
    other = next(one for one in group if one.text != group[0].text)
    assert "never train" in handlers.pair(group[0].candidate_id, other.candidate_id)["text"]


def test_what_makes_no_pair_is_told_in_one_sentence(handlers, studio):
    group = sampled(handlers, studio, prompt_of(studio), count=1)
    own = group[0].candidate_id
    with pytest.raises(EntryError, match=r"same"):
        handlers.pair(own, own)
    with pytest.raises(NotFoundError, match="no longer there"):
        handlers.pair("gone", own)


def test_a_token_that_is_not_shown_begins_nothing(handlers):
    group = (tiny(HOSTILE),)
    for point in (GoOn("gone", 0), GoOn("c", len(HOSTILE)), GoOn("c", -1)):
        with pytest.raises(ConfigError, match="no longer on screen"):
            handlers.go_on(point, group, None, 1, 1.0, 0)


def test_stopping_keeps_nothing_and_says_so(handlers, studio):
    prompt_id = prompt_of(studio)
    seen, *_ = handlers.sample(prompt_id, "", None, 16, 1.0, 0)
    assert handlers.stop(prompt_id).interactive is False
    assert until_over(handlers, prompt_id, seen) == text.STOPPED
    assert studio.candidates(prompt_id) == []
    ended = Watched(TaskState("stopped", serial=1))
    assert handlers.actions.poll("demo", prompt_id, ended, (), "") is None


# --- what is shown ----------------------------------------------------------------------------


def test_words_follow_when_the_parents_place_changes():
    parent = tiny(("Two", " points", "."), (0.1, 0.9, 0.1))
    other = dataclasses.replace(parent, candidate_id="o", token_entropy=(0.1, 0.1, 2.0))
    sibling = dataclasses.replace(parent, candidate_id="s", branch=Branch("c", 1))
    worse = dataclasses.replace(parent, token_entropy=(0.1, 0.1, 2.1))
    assert "Leaves rank 1 at “points”" in cards((parent, other, sibling))["cards"]["s"]["badges"]
    assert "Leaves rank 3 at “points”" in cards((worse, other, sibling))["cards"]["s"]["badges"]
    orphan = cards((other, sibling))["cards"]["s"]["badges"]
    assert say.leaves_words(None, "") in orphan


@pytest.mark.parametrize(
    ("token", "words"),
    [
        (" points", "“points”"),
        (" ", "space"),
        ("\n", "line break"),
        ("", "its end"),
        (" \n ", "white space"),
        ("x" * 40, f"“{'x' * 23}…”"),
        ("<img src=x>", "“<img src=x>”"),
    ],
)
def test_tokens_in_words(token, words):
    assert say.token_words(token) == words


def test_a_piece_of_a_character_is_named_by_the_character():
    parent = tiny(("a", "", "", "é", "b"))
    sibling = dataclasses.replace(parent, candidate_id="s", branch=Branch("c", 2))
    assert "Leaves rank 1 at “é”" in cards((parent, sibling))["cards"]["s"]["badges"]


def test_meters_are_there_only_while_candidates_are_drawn():
    running = meters_value(TaskState("running", 0, 2, tokens=(3, 40)), 256)
    assert running == {
        "names": ["Answer 1: 3 of at most 256 tokens", "Answer 2: 40 of at most 256 tokens"],
        "tokens": [3, 40],
        "most": 256,
    }
    assert meters_value(TaskState("done", tokens=(3, 40)), 256)["names"] == []


def test_the_heatmap_has_words_for_every_button():
    words = json.loads(heatmap_value()["packed"])["words"]
    assert words.keys() >= {"compare", "pair", "on", "on_hint", "take", "other", "trace"}


@pytest.fixture
def two(handlers, studio):
    """The ids of two answers to a question."""
    return [one.candidate_id for one in sampled(handlers, studio, prompt_of(studio), count=2)]


def test_label_shows_the_pair_before_the_case_at_hand_which_keeps_its_words(studio, two):
    labels = LabelActions(studio, Drafts())
    at_hand = labels.show("demo", None).case
    said = Choice(choice="left", case=at_hand.comparison.pair_id)
    labels.keep_draft(at_hand, said, Words("unsaved"))
    paired = studio.pair_candidates(*two)
    assert labels.show("demo", at_hand).case == paired
    assert labels.show("demo", paired).case == paired
    assert labels.show("demo", at_hand).case == at_hand  # once: another tab keeps its case
    assert labels.screen("demo", at_hand, "").draft.words == Words("unsaved")


def test_a_pair_that_was_judged_meanwhile_is_not_shown(studio, two):
    labels = LabelActions(studio, Drafts())
    at_hand = labels.show("demo", None).case
    paired = studio.pair_candidates(*two)
    studio.save_label(paired, Judgement("a"))
    assert labels.show("demo", at_hand).case == at_hand


# --- a run, traced back -----------------------------------------------------------------------


def test_a_run_is_traced_back_to_the_token(handlers, studio):
    prompt_id = prompt_of(studio)
    group = sampled(handlers, studio, prompt_id, count=1)
    seen, *_ = handlers.go_on(GoOn(group[0].candidate_id, 4), group, None, 4, 2.0, 3)
    until_over(handlers, prompt_id, seen)
    whole = studio.candidates(prompt_id)
    sibling = next(one for one in whole if one.branch and one.text != group[0].text)
    case = studio.pair_candidates(group[0].candidate_id, sibling.candidate_id)
    better = "a" if case.comparison.answer_a == sibling.text else "b"
    studio.save_label(case, Judgement(better))
    run = studio._runs._create("demo", studio.preset("quick"))  # as at the start of a run
    run.write_status(RunStatus("stopped"))  # so that the tests after this one may sample
    found = studio.decisions(run.spec().run_id)
    assert found.num_all == 1
    before = "".join(group[0].token_texts[:4])
    rest = sibling.text[len(before) :], group[0].text[len(before) :]
    left = group[0].candidate_id, 5, group[0].token_texts[4], group[0].token_entropy[4]
    [shown] = found.shown
    assert dataclasses.replace(shown, entropy=None) == Decision(
        group[0].prompt, before, *rest, *left[:3], None
    )
    assert shown.entropy == pytest.approx(left[3])


def test_decisions_are_escaped_and_bounded_and_absent_without_any():
    assert decisions_panel(Decisions()) == ""
    hostile = Decision("<img src=x>", "<b>" * 200, "<i>" * 200, "", '"><b>', 7, "<i>", None)
    panel = decisions_panel(Decisions((hostile,) * 20, 31, "&<p>"))
    assert panel.count("<tr>") == 21
    assert "31 training pairs" in panel and "The first 20 are listed." in panel
    assert "<img" not in panel and "<b>" not in panel and "<i>" not in panel
    link = "?project=%26%3Cp%3E&amp;tab=explore&amp;candidate=%22%3E%3Cb%3E"
    assert f'token 7: the end <a href="{link}">' in panel


def test_a_decision_names_its_word_and_how_sure_the_model_was():
    assert say.parted_at(5, " pneumonia", 1.234) == "token 5, “pneumonia”, entropy 1.23 nats"
