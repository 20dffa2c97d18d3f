"""Explore in a real browser: another way on from a token, and a pair of two answers."""

import dataclasses

import pytest
from playwright.sync_api import expect

from app import text
from app.records import TaskState
from app.studio import Studio
from gem_backend.config import SamplingConfig, with_values
from gem_backend.types import Branch
from tests.app.fakes import demo_studio
from tests.app.serving import serving
from tests.app.test_heatmap import HOSTILE, tiny
from tests.ui.test_connection_browser import until
from tests.ui.test_label_browser import press, ready

pytestmark = [pytest.mark.browser, pytest.mark.timeout(600)]

VIEW = {"width": 1280, "height": 900}
# A run that trains on the demo's labels and the new one, and no longer than it must.
BRIEF = {"sft.epochs": 1, "sft.min_steps": 1, "sega.rounds": 1, "sega.prompts_per_round": 4}
RUN_PATIENCE_MS = 300_000
TOKENS = (*HOSTILE, "", "é", " end")


@pytest.fixture
def page(browser, watch):
    return watch(browser.new_page(viewport=VIEW))


def token(page, card, place):
    return page.locator(".gs-card").nth(card).locator(f".gs-token[data-place='{place}']")


def train_and_trace(page, studio, parent_id, leaving):
    """Label the case at hand, train on it, and go from the run back to the token it parted at."""
    ready(page)
    press(page, "1", "Enter")
    expect(page.locator("#label-receipt")).to_contain_text("Saved")
    run_id = studio.start_run("demo", with_values(studio.preset("quick"), BRIEF))
    until(
        page, lambda: studio.run(run_id).summary.status.state == "done", patience_ms=RUN_PATIENCE_MS
    )
    page.get_by_role("tab", name=text.TABS["results"]).click()
    decision = page.locator(".gem-decisions tbody tr")
    expect(decision).to_contain_text("token 6, ")
    expect(decision).to_contain_text(" nats")
    with leaving():
        decision.get_by_role("link").click()
        expect(page.locator(f".gs-card.gs-named[data-id='{parent_id}']")).to_be_in_viewport()


def test_from_a_token_to_a_pair_and_from_its_run_back_to_the_token(
    page, tmp_path, leaving, trouble
):
    with Studio(tmp_path / "data", device="cpu") as studio, serving(studio) as app:
        page.goto(f"{app.local_url}?tab=explore")
        page.locator("#explore-sample:enabled").click()
        expect(page.locator(".gs-card")).to_have_count(5)
        expect(page.locator("#explore-stop")).to_be_hidden()
        token(page, 0, 5).click()
        shown = page.locator(".gs-card").first.get_attribute("data-id")
        page.locator(".gs-note .gs-on").hover()
        page.locator(".gs-note .gs-on").click()
        expect(page.locator(".gs-card")).to_have_count(10)
        siblings = page.locator(".gs-card", has=page.locator(".gs-badge", has_text="Leaves rank"))
        expect(siblings).to_have_count(5)
        parent = page.locator(f".gs-card[data-id='{shown}']")
        parent.locator(".gs-compare").click()
        expect(parent.locator(".gs-compare")).to_have_attribute("aria-pressed", "true")
        expect(page.locator(".gs-pairing")).to_be_hidden()
        said = parent.locator(".gs-tokens").inner_text()
        for place in range(5):
            if siblings.nth(place).locator(".gs-tokens").inner_text() != said:
                siblings.nth(place).locator(".gs-compare").click()
                break
        page.locator(".gs-pair").click()
        expect(page.locator("#explore-paired")).to_contain_text("on Label")
        first = studio.next_turn("demo").case
        origins = studio.origins(first.comparison.pair_id)
        assert shown in {one.candidate_id for one in origins}
        assert Branch(shown, 5) in {one.branch for one in origins}
        page.get_by_role("tab", name=text.TABS["label"]).click()
        shown_case = page.locator("#label-case [data-pair]")
        expect(shown_case).to_have_attribute("data-pair", first.comparison.pair_id)
        train_and_trace(page, studio, shown, leaving)
        assert trouble == []


@pytest.fixture
def hostile(page):
    """A group whose tokens are hostile, and a branch at one of them; what was asked for."""
    studio = demo_studio()
    parent = dataclasses.replace(tiny(TOKENS), top_tokens=HOSTILE[:5] * len(TOKENS))
    sibling = dataclasses.replace(parent, candidate_id="s", branch=Branch("c", 2))
    studio.groups["p0"] = [parent, sibling]
    with serving(studio) as app:
        page.goto(f"{app.local_url}?tab=explore")
        page.wait_for_selector(".gs-token")
        yield studio


def test_hostile_words_are_offered_and_run_nothing(page, hostile, trouble):
    expect(page.locator(".gs-badge", has_text="“<img src=x onerror=al")).to_be_visible()
    token(page, 0, 0).click()
    assert page.locator(".gs-note .gs-other").count() == 4  # not the one that was written
    token(page, 0, 1).hover()
    expect(page.locator(".gs-note .gs-note-title")).to_have_text(HOSTILE[0])
    page.locator(".gs-note .gs-other").nth(1).click()
    page.wait_for_function("document.querySelector('.gs-note').hidden")
    assert page.locator(".gs-heatmap img, .gs-heatmap script").count() == 0
    page.wait_for_timeout(500)
    assert hostile.branched == (Branch("c", 0), 2)
    assert trouble == []


def test_keys_go_on_and_a_character_in_pieces_offers_no_other(page, hostile):
    box = page.locator(".gs-tokens").first
    box.focus()
    for _ in HOSTILE:
        page.keyboard.press("ArrowRight")
    assert page.locator(".gs-note .gs-other").count() == 0
    page.keyboard.press("Enter")
    expect(page.locator(".gs-note .gs-on")).to_be_focused()
    page.keyboard.press("Escape")
    expect(box).to_be_focused()
    page.keyboard.press("b")
    expect(page.locator(".gs-note")).to_be_hidden()
    page.wait_for_timeout(500)
    assert hostile.branched == (Branch("c", len(HOSTILE)), None)


def test_the_note_stays_until_the_pointer_chooses_something_else(page, hostile):
    token(page, 0, 4).click()
    page.mouse.move(5, 5)
    expect(page.locator(".gs-note")).to_be_visible()
    page.locator(".gs-card-head").first.click(position={"x": 2, "y": 2})
    expect(page.locator(".gs-note")).to_be_hidden()
    token(page, 0, 3).hover()
    expect(page.locator(".gs-note button")).to_have_count(0)


def test_a_third_answer_takes_the_place_of_the_first(page, tmp_path):
    studio = demo_studio()
    with serving(studio) as app:
        page.goto(f"{app.local_url}?tab=explore")
        for place in range(3):
            page.locator(".gs-compare").nth(place).click()
        pressed = page.locator(".gs-compare").evaluate_all(
            "all => all.map(one => one.getAttribute('aria-pressed'))"
        )
        assert pressed == ["true", "true", "false", "false", "false"]  # the two stand on top
        expect(page.locator(".gs-pairing")).to_contain_text("Rank 2 of 5 · Rank 3 of 5")


def test_meters_move_in_place_until_sampling_is_stopped(page, trouble):
    studio = demo_studio()
    studio.sampled_with = ("p0", SamplingConfig(), None)
    studio.task = TaskState("running", 0, 500, tokens=(3, 40))
    with serving(studio) as app:
        page.goto(f"{app.local_url}?tab=explore")
        meters = page.locator("#explore-meters meter")
        expect(meters).to_have_count(2)
        meters.first.evaluate("one => { one.dataset.kept = 'yes'; }")
        studio.task = dataclasses.replace(studio.task, tokens=(128, 200))
        expect(page.locator(".gs-meters")).to_contain_text("Answer 1: 128 of at most 256 tokens")
        expect(meters.first).to_have_attribute("data-kept", "yes")
        assert meters.first.evaluate("one => one.value / one.max") == 0.5
        page.locator("#explore-stop").click()
        expect(page.locator("#explore-status")).to_contain_text(text.STOPPED)
        expect(meters).to_have_count(0)
        expect(page.locator("#explore-stop")).to_be_hidden()
        assert trouble == []
