"""Labelling in a real browser over the real storage: few keys, and nothing lost or doubled."""

import re
import time

import pytest
from playwright.sync_api import expect

from app import text
from app.studio import Studio
from storage.errors import EntryError
from storage.repeats import MIN_DISTANCE
from tests.app.serving import serving

pytestmark = [pytest.mark.browser, pytest.mark.timeout(600)]

COUNT = 36
HOSTILE = "<img src=x onerror=alert(1)>${alert(2)}{{x}}"
GUIDELINES = (
    "# Prefer **short** answers\n\n- CRP < 5\n\n<script>alert(1)</script>"
    "<img src=x onerror=alert(2)> ![p](http://far.example/p.png) [a](javascript:alert(3)) "
    "${alert(4)} {{value}} $$\\href{javascript:alert(5)}{x}$$"
)


@pytest.fixture
def studio(tmp_path):
    with Studio(tmp_path / "data", device="cpu") as studio:
        yield studio


@pytest.fixture
def project_id(studio):
    project_id = studio.create_project("Keys").project_id
    for number in range(COUNT):
        studio.enter_pair(project_id, f"Question {number:02}", "Wait.", "Operate now.")
    return project_id


@pytest.fixture
def url(studio, project_id):
    with serving(studio) as app:
        yield f"{app.local_url}?project={project_id}"


@pytest.fixture
def context(browser):
    return browser.new_context(viewport={"width": 1280, "height": 900})


@pytest.fixture
def open_page(context, watch):
    def open_page(url):
        page = watch(context.new_page())
        page.goto(url)
        ready(page)
        return page

    return open_page


@pytest.fixture
def page(open_page, url):
    return open_page(url)


def ready(page):
    expect(page.locator("#label-case[data-case]:not([data-case=''])")).to_be_visible()


def number_shown(page):
    return int(re.search(r"\d\d", page.locator(".gs-question .gs-text").inner_text())[0])


def shows(page, number):
    expect(page.locator(".gs-question .gs-text")).to_have_text(f"Question {number:02}")


def press(page, *keys):
    for key in keys:
        page.keyboard.press(key)


def say(page, words):
    expect(page.locator("#label-receipt")).to_contain_text(words)


def labels(studio, project_id):
    """What the rater's last labels say, by the number of their question."""
    return {
        int(label.case.comparison.prompt[-2:]): label for label in studio.recent_labels(project_id)
    }


def side(label):
    return "left" if label.judgement.verdict == label.case.left else "right"


# --- keys -------------------------------------------------------------------------------------
def test_thirty_pairs_take_three_keys_each(page, studio, project_id, trouble):
    page.evaluate("document.addEventListener('keydown', () => (window.keys = ++window.keys || 1))")
    for number in range(30):
        shows(page, number)
        press(page, *(("1", "1", "Enter"), ("2", "q", "Enter"), ("3", "Enter"))[number % 3])
    shows(page, 30)
    assert page.evaluate("window.keys") == 80
    said = labels(studio, project_id)
    assert sorted(said) == list(range(20, 30))
    for number, label in said.items():
        judgement = label.judgement
        assert judgement.elapsed_s > 0
        if number % 3 == 2:
            assert judgement.verdict == "tie"
        else:
            assert side(label) == ("left", "right")[number % 3]
            assert judgement.strength == (2, 1)[number % 3]
            assert judgement.reasons == ((), ("accuracy",))[number % 3]
    assert studio.label_progress(project_id).done == 30
    expect(page.locator("#label-progress")).to_contain_text(re.compile(r"about \d+ s a case"))
    assert trouble == []


# The moment a new question is in the page, before its buttons may know of it: one verdict for that
# question, and no pause.
QUICK_HANDS = """([last]) => {
  const press = (key) => document.body.dispatchEvent(
    new KeyboardEvent('keydown', { key, bubbles: true, cancelable: true }));
  let before = '';
  const act = () => {
    const shown = document.querySelector('#label-case [data-pair]');
    if (!shown || shown.dataset.pair === before) return;
    before = shown.dataset.pair;
    const number = Number(shown.querySelector('.gs-text').textContent.slice(-2));
    if (number > last) return;
    press(number % 2 ? '1' : '2');
    press('w');
    press('a');
    press('Enter');
    press('3');     // too late for this question and too early for the next: for neither
    press('Enter');
  };
  new MutationObserver(act).observe(document.body, { childList: true, subtree: true });
  act();
}"""


def test_a_key_in_the_gap_is_for_the_case_on_screen_and_never_lost(
    page, studio, project_id, trouble
):
    page.evaluate(QUICK_HANDS, [9])
    shows(page, 10)
    expect(page.locator("#label-progress")).to_contain_text(f"10 of {COUNT}")
    said = labels(studio, project_id)
    assert sorted(said) == list(range(10))
    for number, label in said.items():
        assert side(label) == ("left" if number % 2 else "right")
        assert label.judgement.reasons == ("safety",)
        assert not label.judgement.is_acceptable
    page.wait_for_timeout(500)
    assert page.locator("[data-choice][aria-pressed=true]").count() == 0
    assert trouble == []


def test_keys_wait_for_an_opened_tab_that_would_bring_the_case_back(
    page, studio, project_id, trouble, monkeypatch
):
    page.get_by_role("tab", name="Data").click()
    expect(page.locator("#page-data")).to_be_visible()
    called_case = studio.called_case

    def answer_late(project_id):  # long after the page knew which case it asks about
        time.sleep(2)
        return called_case(project_id)

    monkeypatch.setattr(studio, "called_case", answer_late)
    page.get_by_role("tab", name="Label").click()
    expect(page.locator("#label-panel")).to_be_visible()
    press(page, "1", "Enter")
    shows(page, 1)
    page.wait_for_timeout(3000)
    press(page, "2", "Enter")
    shows(page, 2)
    expect(page.locator("#label-progress")).to_contain_text(f"2 of {COUNT}")
    said = labels(studio, project_id)
    assert {number: side(label) for number, label in said.items()} == {0: "left", 1: "right"}
    assert trouble == []


def test_a_click_does_not_overtake_a_key_that_waits(page, studio, project_id, trouble):
    """Pressing 1 while an answer is on its way, then clicking Save as soon as it came, saves 1."""
    page.evaluate("""() => {
      window.later = [];
      const frame = window.requestAnimationFrame;
      window.requestAnimationFrame = (act) => window.later.push(act);
      window.goOn = () => {
        window.requestAnimationFrame = frame;
        window.later.forEach((act) => frame(act));
      };
      window.gemStudio.ask();
    }""")
    box = page.locator("#label-save").bounding_box()
    press(page, "1")
    page.evaluate("window.gemStudio.settle()")
    page.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    page.wait_for_timeout(500)  # for a click that did not wait to be answered
    page.evaluate("window.goOn()")
    shows(page, 1)
    assert {number: side(label) for number, label in labels(studio, project_id).items()} == {
        0: "left"
    }
    assert trouble == []


def test_keys_go_on_after_a_save_that_was_refused(page, studio, project_id, trouble, monkeypatch):
    def refuse(*_):
        raise EntryError("The answer is one of the two.")

    with monkeypatch.context() as refusing:
        refusing.setattr(studio, "save_label", refuse)
        press(page, "1", "Enter")
        expect(page.locator(".toast-body")).to_contain_text("one of the two")
    press(page, "2")
    # long before a lost answer is given up, which takes a minute
    expect(page.locator("#choice-right")).to_have_attribute("aria-pressed", "true", timeout=8_000)
    press(page, "Enter")
    shows(page, 1)
    assert [side(label) for label in labels(studio, project_id).values()] == ["right"]
    assert trouble == []


def test_strength_goes_round_and_acceptable_and_reasons_toggle(page, trouble):
    pressed = page.locator("[data-strength][aria-pressed=true]")
    for words in ("Slightly", "Clearly", "Very much", "Slightly"):
        press(page, "2")
        expect(pressed).to_have_text(words)
    usable = page.locator("[data-acceptable][aria-pressed=true]")
    for words in ("Yes", "No", "Yes"):
        expect(usable).to_have_text(words)
        press(page, "a")
    press(page, "r")
    expect(page.get_by_role("button", name="clarity", pressed=True)).to_be_visible()
    press(page, "r")
    expect(page.get_by_role("button", name="clarity", pressed=False)).to_be_visible()
    press(page, "5")
    expect(page.locator("[data-acceptable]:disabled, [data-strength]:disabled")).to_have_count(5)
    press(page, "?")
    expect(page.get_by_role("dialog")).to_contain_text("the first four reasons")
    press(page, "Escape")
    for name in (text.VERDICT_QUESTION, text.STRENGTH_QUESTION, text.REASONS):
        expect(page.get_by_role("group", name=name)).to_be_visible()
    assert trouble == []


def test_keys_do_nothing_in_the_fields(page, studio, project_id):
    press(page, "4")
    press(page, "4")
    field = page.locator("#label-written textarea")
    expect(field).to_be_focused()
    page.keyboard.type("1aqwersg?")
    press(page, "Backspace")
    expect(field).to_have_value("1aqwersg")
    expect(page.locator("#choice-both_bad")).to_have_attribute("aria-pressed", "true")
    assert page.locator("[data-reason][aria-pressed=true]").count() == 0
    assert studio.label_progress(project_id).skipped == 0


# --- back and forth ---------------------------------------------------------------------------
def test_the_fourth_last_is_reopened_and_no_other(page, studio, project_id, trouble):
    for number in range(6):
        shows(page, number)
        press(page, "2", "2", "e", "Enter")
    shows(page, 6)
    press(page, "1")
    page.locator(".gs-recent summary").focus()
    press(page, "Enter")
    again = page.locator(".gs-recent li").nth(3).get_by_role("button")
    again.focus()
    press(page, "Enter")
    shows(page, 2)
    expect(page.locator("#choice-right")).to_have_attribute("aria-pressed", "true")
    expect(page.locator("[data-strength='2']")).to_have_attribute("aria-pressed", "true")
    expect(page.locator("#reason-2")).to_have_attribute("aria-pressed", "true")
    assert sorted(labels(studio, project_id)) == [0, 1, 3, 4, 5]
    press(page, "1", "Enter")
    shows(page, 6)
    expect(page.locator("#choice-left")).to_have_attribute("aria-pressed", "true")  # kept
    assert side(labels(studio, project_id)[2]) == "left"
    press(page, "Backspace")
    shows(page, 2)
    assert trouble == []


def test_skipped_case_comes_back_with_what_was_said(page, studio, project_id, trouble):
    for _ in range(2, COUNT):
        studio.skip_case(studio.next_turn(project_id).case)
    page.reload()
    ready(page)
    first = number_shown(page)
    press(page, "3", "s")
    say(page, text.SKIPPED)
    expect(page.locator("#label-progress")).to_contain_text(f"{COUNT - 1} skipped · 1 to do")
    press(page, "1", "Enter")
    say(page, "left is better")
    expect(page.locator("#label-progress")).to_contain_text("skipped, back now")
    for _ in range(COUNT - 2):
        before = number_shown(page)
        press(page, "1", "Enter")
        expect(page.locator(".gs-question .gs-text")).not_to_have_text(f"Question {before:02}")
    shows(page, first)
    expect(page.locator("#choice-tie")).to_have_attribute("aria-pressed", "true")
    press(page, "Enter")
    expect(page.get_by_text(text.ALL_DONE)).to_be_visible()
    press(page, "Backspace")
    shows(page, first)
    assert trouble == []


def test_both_bad_with_a_better_answer_and_all_of_it_taken_back(page, studio, project_id, trouble):
    shows(page, 0)
    expect(page.locator("#label-written")).to_be_hidden()
    press(page, "4")
    expect(page.locator("#label-written")).to_be_visible()
    press(page, "4")
    page.keyboard.type(HOSTILE)
    press(page, "Escape", "Enter")
    say(page, "Your answer is preferred to both.")
    shows(page, 1)
    expect(page.locator("#label-progress")).to_contain_text(f"1 of {COUNT}")
    plan = studio.plan(project_id, studio.preset("quick"))
    assert plan.num_train == 2
    press(page, "Backspace")
    shows(page, 0)
    expect(page.locator("#label-written textarea")).to_have_value(HOSTILE)
    assert studio.plan(project_id, studio.preset("quick")).num_train == 0
    expect(page.locator("#label-progress")).to_contain_text(f"0 of {COUNT}")
    assert trouble == []


def test_reload_second_tab_and_back_lose_and_double_nothing(
    page, open_page, url, studio, project_id
):
    press(page, "2", "2", "2", "q", "a")
    page.locator("#label-rationale textarea").fill("dose")  # as a paste does: one change
    page.locator("#label-rationale textarea").press("Escape")
    for leave in (  # the first at once: the words may not have left the page
        page.reload,
        lambda: (page.goto("about:blank"), page.go_back()),
        lambda: (page.go_back(), page.go_forward()),
    ):
        leave()
        ready(page)
        shows(page, 0)
        expect(page.locator("[data-strength='3']")).to_have_attribute("aria-pressed", "true")
        expect(page.locator("[data-acceptable=no]")).to_have_attribute("aria-pressed", "true")
        expect(page.locator("#reason-0")).to_have_attribute("aria-pressed", "true")
        expect(page.locator("#label-rationale textarea")).to_have_value("dose")
    other = open_page(url)
    shows(other, 0)
    page.bring_to_front()
    press(page, "Enter")
    shows(page, 1)
    other.bring_to_front()
    press(other, "1", "Enter")
    say(other, "in another window")
    shows(other, 1)
    label = labels(studio, project_id)[0]
    assert (side(label), label.judgement.strength, label.judgement.rationale) == (
        "right",
        3,
        "dose",
    )
    assert studio.label_progress(project_id).done == 1
    other.close()


# --- the project's words ----------------------------------------------------------------------
def test_words_that_never_left_the_page_outlast_a_reload(page, studio, project_id, trouble):
    """Every request from here on hangs until the page goes, as on a machine that is too busy."""
    page.evaluate("() => { window.fetch = () => new Promise(() => {}); }")
    press(page, "2", "2")
    page.locator("#label-rationale textarea").fill("dose")
    page.reload()
    ready(page)
    shows(page, 0)
    expect(page.locator("#label-rationale textarea")).to_have_value("dose")
    expect(page.locator("[data-strength='2']")).to_have_attribute("aria-pressed", "true")
    assert page.evaluate("sessionStorage.length") == 0
    press(page, "Enter")
    shows(page, 1)
    [label] = labels(studio, project_id).values()
    assert (side(label), label.judgement.rationale) == ("right", "dose")
    assert trouble == []


def test_a_repeat_is_shown_as_any_case_with_its_sides_turned(page, studio, project_id, trouble):
    asked = {"guidelines": "", "reasons": (), "is_reason_required": False}
    studio.update_project(project_id, **asked, repeat_percent=10)
    answers = ".gs-answer .gs-text"
    first = page.locator(answers).all_inner_texts()
    plain = page.locator("#page-label").inner_text()
    for number in range(MIN_DISTANCE + 1):
        shows(page, number)
        press(page, "1", "Enter")
    shows(page, 0)
    assert page.locator(answers).all_inner_texts() == first[::-1]
    assert page.locator("[data-choice][aria-pressed=true]").count() == 0
    asked_again = page.locator("#page-label").inner_text()
    assert "repeat" not in (plain + asked_again + page.locator("#label-case").inner_html()).lower()
    press(page, "1", "Enter")  # the same side: the other answer
    shows(page, MIN_DISTANCE + 1)
    contradictions = studio.agreement(project_id).health.project.contradictions.estimate
    assert (contradictions.value, contradictions.n) == (1.0, 1)
    assert trouble == []


def test_hostile_reasons_and_guidelines_are_words(page, studio, project_id, url, trouble):
    page.get_by_role("tab", name="Data").click()
    expect(page.locator("#rater-reasons textarea")).to_have_value(re.compile("accuracy"))
    page.locator("#rater-guidelines textarea").fill(GUIDELINES)
    page.locator("#rater-reasons textarea").fill(f"{HOSTILE[:40]}\n</span>`x`\n\\u12 \\frac")
    page.locator("#rater-required input").check()
    page.locator("#rater-save").click()
    expect(page.locator("#rater-receipt")).to_contain_text(text.RATER_FORM_SAVED)
    page.get_by_role("tab", name="Label").click()
    expect(page.locator("#label-choice [data-reason]")).to_have_count(3)
    words = page.eval_on_selector_all(
        "[data-reason] span", "all => all.map(one => one.textContent)"
    )
    assert words == list(studio.project(project_id).reasons)
    assert words[1:] == ["</span>`x`", "\\u12 \\frac"]
    press(page, "g")
    shown = page.locator("#label-guidelines-text")
    expect(shown).to_be_visible()
    expect(shown.locator("strong")).to_have_text("short")
    expect(shown).to_contain_text("<img src=x onerror=alert(2)>")
    expect(shown.locator("img, script, iframe, [href^='javascript']")).to_have_count(0)
    press(page, "g")
    expect(shown).to_be_hidden()

    press(page, "1", "Enter")
    say(page, text.REASON_FIRST)
    press(page, "q", "Enter")
    say(page, "Saved: left is better")
    expect(page.locator("#label-receipt")).to_contain_text(words[0])
    assert labels(studio, project_id)[0].judgement.reasons == (words[0],)
    page.wait_for_timeout(500)
    assert trouble == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nothing_is_cut_off_on_a_tablet(browser, watch, url, scheme, trouble):
    page = watch(browser.new_page(viewport={"width": 834, "height": 1112}, color_scheme=scheme))
    page.goto(url)
    ready(page)
    press(page, "4")
    page.locator(".gs-recent summary").click()
    assert page.evaluate("document.documentElement.scrollWidth") <= 834
    for button in page.locator("#label-choice button:visible").all():
        assert button.evaluate("one => one.scrollWidth <= one.clientWidth")
    assert trouble == []
