"""The earlier groups of a prompt on Explore: how they are listed, opened, left and linked to."""

from dataclasses import replace

import gradio as gr
import pytest

from app.actions.explore import ExploreActions
from app.actions.explore_records import GoOn, Watched
from app.pages.explore import build_explore_page
from app.pages.explore_handlers import ExploreHandlers
from app.studio import Studio
from app.text import sampling as say
from gem_backend.types import Branch, Provenance
from storage.candidates import get_group, list_groups, save_group
from tests.app.fakes import GOOD, POOR, make_candidate

PAPER = ("", 1.0, 0.1, "paper")


@pytest.fixture
def handlers(studio):
    """A prompt with three groups: ``old``, ``mid`` by an adapter, and five answers."""
    made = make_candidate(GOOD).provenance
    adapted = replace(made, adapter="run-1", temperature=1.2, top_p=0.8, seed=7)
    mid = [
        replace(make_candidate(POOR, place, f"mid-{place}"), provenance=adapted) for place in (0, 1)
    ]
    studio.earlier["p0"] = [[make_candidate(GOOD, 0, "old")], mid]
    return ExploreHandlers(ExploreActions(studio))


def names(outputs):
    """The values of a page's outputs by what they are."""
    return {
        "group": next(one for one in outputs if type(one) is tuple),
        "seen": next((one for one in outputs if isinstance(one, Watched)), None),
        "groups": next(
            one for one in outputs if isinstance(one, gr.Dropdown) and _ids(one)[:1] == ["p0.2"]
        ),
    }


def _ids(dropdown):
    return [value for _, value in dropdown.choices or ()]


def shown(outputs):
    """The ids of the cards, the entry that is chosen, and the earlier group that is open."""
    found = names(outputs)
    opened = found["seen"].opened if found["seen"] else None
    return [one.candidate_id for one in found["group"]], found["groups"].value, opened


def test_groups_are_listed_in_words_the_newest_first(handlers):
    listed = names(handlers.choose("demo", "p0", *PAPER))["groups"]
    assert listed.visible
    assert listed.choices == [
        ("2026-11-20 12:02 · 5 answers · Base model · variety 0.9, seed 0", "p0.2"),
        (
            "2026-11-20 12:01 · 2 answers · Adapter of 2026-11-20 12:00 (quick) · "
            "variety 1.2, top-p 0.8, seed 7",
            "p0.1",
        ),
        ("2026-11-20 12:00 · 1 answer · Base model · variety 0.9, seed 0", "p0.0"),
    ]


def test_group_of_another_model_is_named_by_its_folder_alone(handlers, studio):
    foreign = Provenance("/models/<b>other", "run-9", 0, 0.9, 1.0)
    studio.earlier["p0"][0] = [replace(make_candidate(GOOD), provenance=foreign)]
    listed = names(handlers.choose("demo", "p0", *PAPER))["groups"]
    assert "· <b>other with adapter run-9 ·" in listed.choices[2][0]


def test_one_group_leaves_no_choice(handlers, studio):
    studio.earlier.clear()
    for prompt_id in ("p0", "p1"):
        screen = handlers.actions.screen("demo", prompt_id, "")
        assert screen.groups == []
    listed = [one for one in handlers.choose("demo", "p0", *PAPER) if isinstance(one, gr.Dropdown)]
    assert [one.visible for one in listed] == [False]


def test_an_earlier_group_is_shown_as_the_newest_is(handlers, studio):
    newest = handlers.choose("demo", "p0", *PAPER)[1:]
    earlier = handlers.open_group("demo", "p0", "p0.1", *PAPER)
    assert len(earlier) == len(newest)
    assert shown(newest) == ([f"p0-{place}" for place in range(5)], "p0.2", "")
    assert shown(earlier) == (["mid-0", "mid-1"], "p0.1", "p0.1")
    assert shown(handlers.open_group("demo", "p0", "p0.2", *PAPER))[2] == ""
    assert studio.revealed[-2] == ("mid-0", "mid-1")


def test_group_that_the_prompt_does_not_have_is_the_newest(handlers):
    for group_id in ("p1.0", "gone", None):
        assert shown(handlers.open_group("demo", "p0", group_id, *PAPER))[1] == "p0.2"


@pytest.mark.parametrize(
    ("named", "expected"),
    [
        ({"candidate": "mid-1"}, (["mid-0", "mid-1"], "p0.1", "p0.1")),
        ({"candidate": "mid-1", "prompt": "p1"}, (["mid-0", "mid-1"], "p0.1", "p0.1")),
        ({"prompt": "p0", "group": "p0.0"}, (["old"], "p0.0", "p0.0")),
        ({"candidate": "mid-1", "group": "p0.0"}, (["old"], "p0.0", "p0.0")),
        ({"candidate": "mid-1", "group": "gone"}, (["mid-0", "mid-1"], "p0.1", "p0.1")),
    ],
)
def test_an_address_opens_the_group_and_chooses_it_in_the_list(
    handlers, monkeypatch, named, expected
):
    monkeypatch.setattr("app.pages.explore_handlers.address", lambda: named)
    assert shown(handlers.refresh("demo", None, None, *PAPER)) == expected


def test_another_tab_and_back_keeps_the_group_unless_one_was_sampled_since(handlers):
    seen = names(handlers.open_group("demo", "p0", "p0.1", *PAPER))["seen"]
    assert shown(handlers.refresh("demo", "p0", seen, *PAPER))[1] == "p0.1"
    seen, *_ = handlers.sample("p0", "", seen, 1, 0.9, 0)
    assert seen.opened == "p0.1"
    for _ in range(3):
        handlers.actions.sampling_state("p0")
    back = [one for one in handlers.refresh("demo", "p0", seen, *PAPER) if type(one) is tuple]
    assert [one.candidate_id for one in back[0]] == ["p0-0"]


def test_what_is_sampled_anew_is_shown_and_nothing_is_opened_any_more(handlers):
    seen = names(handlers.open_group("demo", "p0", "p0.1", *PAPER))["seen"]
    seen, *_ = handlers.sample("p0", "", seen, 1, 0.9, 0)
    turns = []
    while seen.sampling.state == "running":
        polled = handlers.poll("demo", "p0", seen, (), "")
        if polled != gr.skip():
            seen, turn = polled[0], polled[4]
            turns.append((seen.opened, turn != gr.skip()))
    assert turns == [("p0.1", False), ("", True)]
    loaded = handlers.load("demo", "p0", *PAPER)
    assert [one.candidate_id for one in loaded[0]] == ["p0-0"]


def test_sampling_that_fails_leaves_the_group_on_screen(handlers, studio):
    seen = names(handlers.open_group("demo", "p0", "p0.1", *PAPER))["seen"]
    seen, *_ = handlers.sample("p0", "", seen, 1, 0.9, 0)
    studio.task = replace(studio.task, state="failed", error="No room.")
    polled = handlers.poll("demo", "p0", seen, (), "")
    assert (polled[0].opened, polled[4]) == ("p0.1", gr.skip())


def test_a_batch_draws_nothing_in_place_of_an_earlier_group_that_is_withheld(handlers, studio):
    studio.is_blind = True
    seen = names(handlers.open_group("demo", "p0", "p0.1", *PAPER))["seen"]
    seen, *_ = handlers.batch.sample_all("demo", "", seen, 1, 0.9, 0)
    studio.batch_state("demo")
    assert handlers.poll("demo", "p0", seen, (), "")[4] == gr.skip()


def test_withheld_group_that_is_opened_is_the_one_to_put_in_order(handlers, studio):
    studio.is_blind = True
    outputs = handlers.open_group("demo", "p0", "p0.1", *PAPER)
    assert shown(outputs) == ([], "p0.1", "p0.1")
    handlers.put_in_order("p0", (), names(outputs)["seen"])
    assert [one.candidate_id for one in studio.called[-1]] == ["mid-0", "mid-1"]
    handlers.put_in_order("p0", (), None)
    assert len(studio.called[-1]) == 5


def test_other_ways_on_are_asked_for_within_the_group_that_is_open(handlers, studio):
    outputs = handlers.open_group("demo", "p0", "p0.1", *PAPER)
    found = names(outputs)
    handlers.go_on(GoOn("mid-0", 2), found["group"], found["seen"], 2, 0.9, 0)
    assert (studio.branched, studio.branched_in) == ((Branch("mid-0", 2), None), "p0.1")
    handlers.go_on(GoOn("mid-0", 2), found["group"], None, 2, 0.9, 0)
    assert studio.branched_in is None


def test_opening_is_wired_with_matching_outputs(handlers, studio):
    with gr.Blocks() as demo:
        build_explore_page(studio, gr.State("demo"))
    [event] = [one for one in demo.fns.values() if one.name == "open_group"]
    assert len(handlers.open_group("demo", "p0", "p0.1", *PAPER)) == len(event.outputs)


# --- with the real storage --------------------------------------------------------------------


@pytest.fixture
def real(tmp_path):
    with Studio(tmp_path / "data", device="cpu") as studio:
        yield studio


def test_a_candidate_of_two_groups_is_paired_within_one_that_has_both(real):
    prompt = real.find_prompts("demo").prompts[0]
    twin, only_old, only_new = (
        replace(make_candidate(words, 1, name), prompt=prompt.prompt)
        for name, words in (("twin", "yes"), ("old", "no"), ("new", "perhaps"))
    )
    old = save_group(real._db, prompt.prompt_id, [twin, only_old])
    new = save_group(real._db, prompt.prompt_id, [twin, only_new])
    assert [one.group_id for one in real.sampled_groups(prompt.prompt_id)] == [new, old]
    case = real.pair_candidates("twin", "old")
    assert {case.comparison.answer_a, case.comparison.answer_b} == {"yes", "no"}
    named, group = real.group_with("demo", "old")
    assert (named.prompt_id, group.group_id) == (prompt.prompt_id, old)
    assert real.sampled_group(old) == list(get_group(real._db, old).candidates)
    assert [one.num_candidates for one in list_groups(real._db, prompt.prompt_id)] == [2, 2]


def test_words_of_a_group():
    words = say.group_words("2026-11-20T10:00:00+00:00", 1, "Base model", (0.9, 1.0, 3))
    assert words == "2026-11-20 12:00 · 1 answer · Base model · variety 0.9, seed 3"
