"""Five answers of 2,000 tokens: a key touches what it moves, and what is off the screen rests."""

from dataclasses import replace

import pytest
from playwright.sync_api import expect

from app.components.heatmap import WORDS
from gem_backend.types import Span, Spans
from tests.app.fakes import demo_studio
from tests.app.serving import serving
from tests.app.test_heatmap import tiny

pytestmark = pytest.mark.browser

TOKENS = 2000
ANSWER_AT = 1900
FORKS_FROM = 1500  # before that, every word is as good as certain

# What is asked of the cards and what changes in them, from here on. A search among the cards, or
# one anywhere that finds their words by the hundred, is one too many.
COUNT = """() => {
  const root = document.querySelector('.gs-cards');
  const counted = (window.counted = { searches: [], changed: new Set() });
  const inCards = (node) => node instanceof Element && (root === node || root.contains(node));
  const names = ['querySelector', 'querySelectorAll'];
  names.push('getElementsByClassName', 'getElementsByTagName');
  for (const kind of [Element.prototype, Document.prototype, DocumentFragment.prototype]) {
    for (const name of names.filter((one) => kind[one] && !kind[one].isCounting)) {
      const own = kind[name];
      kind[name] = function search(...asked) {
        const found = own.apply(this, asked);
        const many = found?.length > 100 && [...found].some((one) => one.matches('.gs-token'));
        if (inCards(this) || many) window.counted.searches.push(asked[0]);
        return found;
      };
      kind[name].isCounting = true;
    }
  }
  const watching = { subtree: true, childList: true, characterData: true, attributes: true };
  new MutationObserver((records) => {
    for (const record of records) counted.changed.add(record.target);
  }).observe(root, watching);
}"""
COUNTED = "() => ({ searches: window.counted.searches, changed: window.counted.changed.size })"
WORDS_DRAWN = """one => {
  const word = one.closest('.gs-card').querySelector('.gs-token');
  return word.checkVisibility({ contentVisibilityAuto: true });
}"""
IN_SIGHT = """one => {
  const at = one.getBoundingClientRect();
  const frame = one.closest('.gs-tokens').getBoundingClientRect();
  const inside = (low, high) => at.top >= low - 1 && at.bottom <= high + 1;
  return inside(0, innerHeight) && inside(frame.top, frame.bottom);
}"""


def long_answer(number):
    texts = [f" word{place}\n" if place % 15 == 14 else f" w{place}" for place in range(TOKENS)]
    texts[700] = f" needle{number}"
    entropies = [0.01 + 2 * (place >= FORKS_FROM) * (place % 3) for place in range(TOKENS)]
    spans = Spans(Span(0, ANSWER_AT), Span(ANSWER_AT, TOKENS), True)
    return replace(tiny(texts, entropies, spans), candidate_id=f"long-{number}", answer=" 5")


@pytest.fixture
def app():
    studio = demo_studio()
    studio.groups["p0"] = [long_answer(number) for number in range(5)]
    with serving(studio) as app:
        yield app


@pytest.fixture
def page(browser, watch):
    return watch(browser.new_page(viewport={"width": 1280, "height": 900}))


def explore(page, app, more=""):
    page.goto(f"{app.local_url}?tab=explore{more}")
    page.wait_for_selector(".gs-card h3")
    expect(page.locator(".gs-peak").first).to_be_attached()
    expect(page.locator("#explore-trace .js-plotly-plot .legend")).to_be_attached()


def counted(page, act):
    """What was asked of the cards, and how many of their elements changed, by something done."""
    page.evaluate(COUNT)
    act()
    return page.evaluate(COUNTED)


def test_a_key_searches_no_card_and_changes_two_words(app, page, trouble):
    explore(page, app)
    page.locator(".gs-tokens").first.focus()
    for key in ("ArrowRight", "ArrowLeft", "End", "Home", "n", "n", "p", "ArrowRight"):
        before = page.locator(".gs-cursor").get_attribute("data-place")
        done = counted(page, lambda key=key: page.keyboard.press(key))
        assert page.locator(".gs-cursor").get_attribute("data-place") != before
        assert done == {"searches": [], "changed": 2}, key
    assert trouble == []


def test_another_share_of_forks_changes_the_words_that_become_or_cease_to_be_one(
    app, page, trouble
):
    explore(page, app)
    marked = "() => [...document.querySelectorAll('.gs-token')].map((one) => one.className)"
    before = page.evaluate(marked)
    slider = page.get_by_label("Share of forks").and_(page.locator("[type=range]"))
    page.evaluate(COUNT)
    slider.fill("0.05")
    page.wait_for_function(
        "() => document.querySelectorAll('.gs-card .gs-peak').length === 5 * 95"  # 5 % of 1,900
    )
    changed = sum(one != other for one, other in zip(before, page.evaluate(marked), strict=True))
    touched = "[...window.counted.changed].filter((one) => one.matches('.gs-token')).length"
    assert page.evaluate(touched) == changed
    # A mark that took room would lay out all words of its card anew.
    width = "one => getComputedStyle(one).borderBottomWidth"
    assert page.locator(".gs-token.gs-peak").first.evaluate(width) == "3px"
    assert page.locator(".gs-token:not(.gs-peak)").first.evaluate(width) == "3px"
    assert trouble == []


def test_another_colour_searches_no_card_and_changes_the_words_whose_colour_does(
    app, page, trouble
):
    explore(page, app)
    marked = "() => [...document.querySelectorAll('.gs-token')].map((one) => one.className)"
    for mode in ("surprise", "step", "token"):
        before = page.evaluate(marked)
        done = counted(page, page.locator(f".gs-modes [value={mode}]").check)
        after = page.evaluate(marked)
        assert done["searches"] == []
        changed = sum(one != other for one, other in zip(before, after, strict=True))
        assert 0 < done["changed"] == changed
    assert trouble == []


def test_cards_off_the_screen_rest_and_are_still_found_copied_and_read(app, page, trouble):
    explore(page, app)
    first, last = page.locator(".gs-tokens").first, page.locator(".gs-tokens").last
    assert first.evaluate(WORDS_DRAWN)
    assert not last.evaluate(WORDS_DRAWN)
    number = page.locator(".gs-card").last.get_attribute("data-id").removeprefix("long-")
    copied = page.evaluate(
        "() => { const all = getSelection(); all.selectAllChildren(document.querySelector("
        "'.gs-cards')); const said = String(all); all.removeAllRanges(); return said; }"
    )
    assert f"needle{number} w701 w702" in copied
    assert not last.evaluate(WORDS_DRAWN)
    assert page.evaluate(f"find('needle{number}')")
    assert page.evaluate("String(getSelection())") == f"needle{number}"
    page.wait_for_function(WORDS_DRAWN, arg=last.element_handle())
    assert trouble == []


def test_screen_readers_get_every_card_and_the_words_of_the_one_with_the_focus(app, page, trouble):
    explore(page, app)
    session = page.context.new_cdp_session(page)

    def said(role):
        nodes = session.send("Accessibility.getFullAXTree")["nodes"]
        shown = [node for node in nodes if node.get("role", {}).get("value") == role]
        return [node.get("name", {}).get("value") for node in shown if not node.get("ignored")]

    assert [name for name in said("heading") if name.startswith("Rank")] == ["Rank 1 of 5"] * 5
    assert said("group").count(WORDS["tokens"]) == 5
    card = page.locator(".gs-card").last
    needle = card.get_attribute("data-id").replace("long-", " needle")
    assert needle not in said("StaticText")
    card.locator(".gs-tokens").evaluate("one => one.focus({ preventScroll: true })")
    page.wait_for_function(WORDS_DRAWN, arg=card.locator(".gs-tokens").element_handle())
    assert needle in said("StaticText")
    assert trouble == []


def test_a_card_that_left_the_screen_comes_back_where_it_was_scrolled_to(app, page, trouble):
    explore(page, app)
    box = page.locator(".gs-tokens").first
    box.evaluate("one => { one.scrollTop = 900; }")
    page.locator(".gs-tokens").last.scroll_into_view_if_needed()
    page.wait_for_function(f"one => !({WORDS_DRAWN})(one)", arg=box.element_handle())
    box.scroll_into_view_if_needed()
    page.wait_for_function(WORDS_DRAWN, arg=box.element_handle())
    assert box.evaluate("one => one.scrollTop") == 900
    assert trouble == []


@pytest.mark.parametrize(("key", "place"), [("End", TOKENS - 1), ("n", FORKS_FROM + 1)])
def test_a_key_brings_a_far_word_of_a_resting_card_on_the_screen(app, page, trouble, key, place):
    explore(page, app)
    box = page.locator(".gs-tokens").last
    assert not box.evaluate(WORDS_DRAWN)
    box.evaluate("one => one.focus({ preventScroll: true })")
    page.keyboard.press(key)
    cursor = page.locator(".gs-card").last.locator(".gs-cursor")
    page.wait_for_function(f"one => ({IN_SIGHT})(one)", arg=cursor.element_handle())
    assert cursor.get_attribute("data-place") == str(place)
    assert cursor.evaluate(WORDS_DRAWN)
    note, word = page.locator(".gs-note").bounding_box(), cursor.bounding_box()
    gap = min(
        abs(note["y"] + note["height"] - word["y"]), abs(note["y"] - word["y"] - word["height"])
    )
    assert gap < 12
    assert trouble == []


def test_a_link_brings_a_resting_card_to_the_middle(app, page, trouble):
    explore(page, app)
    key = page.locator(".gs-card").nth(3).get_attribute("data-id")
    explore(page, app, f"&candidate={key}")
    named = page.locator(".gs-named")
    expect(named).to_have_attribute("data-id", key)
    middle = "one => { const at = one.getBoundingClientRect(); return (at.top + at.bottom) / 2; }"
    page.wait_for_function(
        f"one => Math.abs(({middle})(one) - innerHeight / 2) < 2", arg=named.element_handle()
    )
    assert named.evaluate(WORDS_DRAWN)
    assert trouble == []
