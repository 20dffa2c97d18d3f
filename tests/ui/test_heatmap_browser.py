"""The heatmap and the keys of the Label page in a real browser."""

import re
import time

import pytest

from app.components.heatmap import WORDS
from app.views.heatmap import heat
from gem_backend.types import Span, Spans
from tests.app.fakes import demo_studio
from tests.app.serving import serving
from tests.app.test_heatmap import HOSTILE, tiny

pytestmark = pytest.mark.browser

TOKENS = (*HOSTILE, "two\nlines", "\t", "   ")


@pytest.fixture
def studio():
    studio = demo_studio()
    studio.groups["p0"] = [tiny(TOKENS)]
    return studio


@pytest.fixture
def app(studio):
    with serving(studio) as app:
        yield app


@pytest.fixture
def page(browser, watch):
    return watch(browser.new_page(viewport={"width": 1280, "height": 900}))


def open_label(page, app):
    """Open the page and wait until the buttons hold the case that is on screen."""
    page.goto(app.local_url)
    page.wait_for_selector(".gs-answer")
    page.wait_for_function("window.gemStudio && window.gemStudio.caseId")


def test_hostile_tokens_run_nothing_and_come_out_exact(app, page, trouble):
    page.goto(f"{app.local_url}?tab=explore")
    page.wait_for_selector(".gs-token")
    shown = page.eval_on_selector_all(".gs-token", "all => all.map(one => one.textContent)")
    assert tuple(shown) == TOKENS
    for token in page.locator(".gs-token").all():
        token.hover()
    page.wait_for_timeout(300)
    assert page.locator(".gs-heatmap img, .gs-heatmap script").count() == 0
    assert trouble == []


def test_arrow_keys_and_n_move_the_token_cursor(app, page):
    page.goto(f"{app.local_url}?tab=explore")
    page.wait_for_selector(".gs-peak")
    page.locator(".gs-tokens").focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    assert page.locator(".gs-cursor").get_attribute("data-place") == "2"
    page.keyboard.press("n")
    place = page.locator(".gs-cursor").get_attribute("data-place")
    assert "gs-peak" in page.locator(f".gs-token[data-place='{place}']").get_attribute("class")
    note = page.locator(".gs-note").inner_text()
    assert "Entropy\n0.50 nats" in note
    assert note.count("%") == 6  # what was written, and five alternatives


def test_colour_shows_what_was_chosen_also_for_the_next_answers(app, page, studio, trouble):
    spans = Spans(Span(0, 2), Span(3, 4), True)
    drawn = tiny(["a", "b", "Final Answer:", "5"], [0.2, 1.9, 0.0, 1.0], spans=spans)
    studio.groups["p0"] = [drawn]
    page.goto(f"{app.local_url}?tab=explore")
    page.wait_for_selector(".gs-token")
    for mode in ("window", "sentence", "step", "phase", "surprise", "token"):
        page.locator(f".gs-modes [value={mode}]").check()
        assert levels_shown(page) == heat(drawn)["levels"][mode]
        hint = page.locator(".gs-mode-hint").inner_text()
        assert hint == WORDS[f"hint_{mode}"]
    page.locator(".gs-modes [value=token]").press("ArrowRight")
    page.locator(".gs-token").first.hover()
    assert "Entropy of the passage\n0.78 nats" in page.locator(".gs-note").inner_text()
    page.locator(".gs-modes [value=sentence]").check()
    page.locator(".gs-token").first.hover()
    said = page.locator(".gs-note").inner_text()
    assert "Entropy of the sentence, mean\n0.78 nats\nHighest in it\n1.90 nats" in said
    assert "Tokens over 0.7 nats in it\n50.0 % (n = 4)" in said
    page.locator(".gs-modes [value=phase]").check()
    page.locator(".gs-token").first.hover()
    assert "Entropy of the reasoning, mean\n1.05 nats" in page.locator(".gs-note").inner_text()
    page.get_by_role("tab", name="Label").click()
    studio.groups["p0"] = [tiny(["x", "y"], [1.5, 0.3])]
    page.get_by_role("tab", name="Explore").click()
    page.wait_for_function("document.querySelectorAll('.gs-token').length === 2")
    assert levels_shown(page) == heat(studio.groups["p0"][0])["levels"]["phase"]
    assert trouble == []


def levels_shown(page):
    classes = page.eval_on_selector_all(".gs-token", "all => all.map(one => one.className)")
    return [int(re.search(r"\bh(\d+)\b", one)[1]) for one in classes]


def test_two_keys_save_a_case_and_one_reopens_it(app, page, studio, trouble):
    open_label(page, app)
    first = page.locator(".gs-question").inner_text()
    page.keyboard.press("2")
    page.keyboard.press("Enter")
    page.wait_for_function("document.querySelector('#label-receipt').innerText.includes('Saved')")
    saved = studio.saved[0]
    assert saved.judgement.verdict == ("b" if saved.case.left == "a" else "a")
    assert 0 < saved.judgement.elapsed_s < 60
    assert page.locator(".gs-question").inner_text() != first
    page.keyboard.press("Backspace")
    page.wait_for_selector("#choice-right[aria-pressed=true]")
    assert page.locator(".gs-question").inner_text() == first
    assert trouble == []


def test_pressing_a_number_again_says_clearly(app, page):
    open_label(page, app)
    page.keyboard.press("1")
    page.keyboard.press("1")
    assert page.locator("[data-strength='2'][aria-pressed=true]").count() == 1


def test_keys_are_dead_while_typing(app, page, studio):
    open_label(page, app)
    field = page.locator("#label-rationale textarea")
    field.fill("dose")
    field.press("1")
    field.press("s")
    field.press("Backspace")
    page.wait_for_timeout(300)
    assert field.input_value() == "dose1"
    assert page.locator("[data-choice][aria-pressed=true]").count() == 0
    assert not studio.skipped
    assert not studio.saved


def test_nothing_that_was_said_is_in_the_browsers_storage(app, page):
    open_label(page, app)
    page.locator("#label-rationale textarea").fill("a patient's words")
    page.wait_for_timeout(500)
    kept = page.evaluate("JSON.stringify([localStorage, sessionStorage, document.cookie])")
    assert "patient" not in kept
    assert "78-year-old" not in kept


def test_an_answer_from_before_the_address_was_read_empties_no_page(app, page, studio, trouble):
    called_case, asked = studio.called_case, []

    def slow_without_a_project(project_id):
        asked.append(project_id)
        if not project_id:
            time.sleep(2)  # a busy machine answers out of order
        return called_case(project_id)

    studio.called_case = slow_without_a_project
    open_label(page, app)
    page.wait_for_timeout(2500)
    assert page.locator(".gs-answer").count() == 2
    assert set(asked) == {"demo"}
    assert trouble == []


def test_a_tab_that_answers_late_does_not_take_the_address(app, page, studio, trouble):
    """Somebody looks at Data and goes back before it is drawn: a reload comes back to Label."""
    open_label(page, app)
    judged = studio.agreement

    def slow(project_id):
        time.sleep(2)
        return judged(project_id)

    studio.agreement = slow
    page.locator("#page-data-button").click()
    page.locator("#page-label-button").click()
    page.wait_for_function("new URL(location).searchParams.get('tab') === 'label'")
    page.wait_for_timeout(2500)
    assert "tab=label" in page.url
    assert trouble == []
