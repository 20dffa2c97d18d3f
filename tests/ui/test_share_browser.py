"""Two cards side by side, a link to one, and its picture, in a real browser."""

import io
import re
from xml.etree import ElementTree as ET

import pytest
from PIL import Image
from playwright.sync_api import expect

from app.components.heatmap import WORDS
from gem_backend.types import Span, Spans
from tests.app.fakes import demo_studio, make_candidate
from tests.app.serving import serving
from tests.app.test_heatmap import HOSTILE, tiny

pytestmark = pytest.mark.browser

SVG = "{http://www.w3.org/2000/svg}"
TOKENS = (*HOSTILE, " line\nbreak", "\x1b", " dose" * 400, " the", " end")


@pytest.fixture
def studio():
    studio = demo_studio()
    studio.groups["p0"] = [
        make_candidate(studio.texts[place % len(studio.texts)], place, f"p0-{place}")
        for place in range(4)
    ]
    return studio


@pytest.fixture
def page(browser, watch):
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    context.grant_permissions(["clipboard-read", "clipboard-write"])
    yield watch(context.new_page())
    context.close()


@pytest.fixture
def app(studio):
    with serving(studio) as app:
        yield app


def explore(page, app, more=""):
    page.goto(f"{app.local_url}?tab=explore{more}")
    page.wait_for_selector(".gs-card h3")


def ids(page):
    return page.eval_on_selector_all(".gs-card", "all => all.map((one) => one.dataset.id)")


def test_two_compared_cards_stand_beside_each_other_and_go_back(app, page, trouble):
    explore(page, app)
    ranked = ids(page)
    chosen = [ranked[3], ranked[1]]
    for key in chosen:
        page.locator(f".gs-card[data-id='{key}'] .gs-compare").click()
    assert ids(page) == [*chosen, ranked[0], ranked[2]]
    assert page.evaluate("document.activeElement.closest('.gs-card').dataset.id") == chosen[1]
    first, second, third = (
        page.locator(".gs-card").nth(place).bounding_box() for place in range(3)
    )
    assert first["y"] == second["y"]
    assert first["x"] + first["width"] < second["x"]
    assert third["width"] > first["width"] + second["width"]
    page.set_viewport_size({"width": 834, "height": 1100})
    first, second = (page.locator(".gs-card").nth(place).bounding_box() for place in range(2))
    assert first["y"] + first["height"] < second["y"]
    page.locator(".gs-compare[aria-pressed=true]").first.click()
    assert ids(page) == ranked
    assert trouble == []


def test_a_link_shows_its_candidate_and_a_chosen_prompt_stays_after_a_reload(
    app, page, trouble, leaving
):
    explore(page, app)
    last = ids(page)[-1]
    card = page.locator(f".gs-card[data-id='{last}']")
    card.locator("summary").click()
    card.locator(".gs-as-link").click()
    expect(page.locator(".gs-as-link", has_text=WORDS["copied"])).to_have_count(1)
    link = page.evaluate("navigator.clipboard.readText()")
    assert f"candidate={last}" in link
    with leaving():
        page.goto("about:blank")
        page.goto(link)
    page.wait_for_selector(".gs-named")
    assert page.locator(".gs-named").get_attribute("data-id") == last
    box = page.locator(".gs-named").bounding_box()
    assert 0 <= box["y"] + box["height"] / 2 <= 900
    page.locator("#explore-prompt input").click()
    page.get_by_role("option").nth(1).click()
    page.wait_for_url(re.compile("prompt=p1"))
    assert "candidate=" not in page.url
    asked = page.locator("#explore-controls .gs-text").inner_text()
    page.reload()
    page.wait_for_function(
        "(asked) => document.querySelector('#explore-controls .gs-text')?.innerText === asked",
        arg=asked,
    )
    assert trouble == []


def test_a_line_from_right_to_left_begins_on_its_right(app, page, studio, trouble):
    words = ("שלום", " עולם", ".")
    studio.groups["p0"] = [tiny(words)]
    explore(page, app)
    svg = ET.fromstring(picture(page, "svg").decode())
    lines = {node.text: node for node in svg.iter(f"{SVG}text") if node.text in words}
    assert set(lines) == set(words)
    card = page.locator(".gs-card").bounding_box()
    for word, node in lines.items():
        place = page.locator(".gs-token").nth(words.index(word)).bounding_box()
        assert node.get("direction") == "rtl"
        right = place["x"] + place["width"] - card["x"] + 24  # the picture's margin
        assert float(node.get("x")) == pytest.approx(right, abs=1.5)
    assert trouble == []


def picture(page, name):
    page.locator(".gs-card summary").first.click()
    with page.expect_download() as download:
        page.locator(f".gs-as-{name}").first.click()
    page.locator(".gs-card summary").first.click()
    assert download.value.suggested_filename.endswith(f".{name}")
    with open(download.value.path(), "rb") as file:
        return file.read()


def test_a_card_is_saved_as_a_picture_of_all_of_it_and_its_words_are_no_code(
    app, page, studio, trouble
):
    count = len(TOKENS)
    spans = Spans(Span(0, count - 2), Span(count - 1, count), True)
    entropies = [0.0] + [1.0] * (count - 1)
    studio.groups["p0"] = [tiny(TOKENS, entropies, spans=spans)]
    explore(page, app)
    svg = ET.fromstring(picture(page, "svg").decode())
    assert {node.tag for node in svg.iter()} == {
        SVG + tag for tag in ("svg", "rect", "line", "text")
    }
    said = "".join(node.text for node in svg.iter(f"{SVG}text"))
    for token in HOSTILE:
        assert token in said
    assert said.count("dose") == 400
    assert "\ufffd" in said
    fills = [node.get("fill") for node in svg.iter(f"{SVG}rect")]
    tint = page.eval_on_selector(
        ".gs-token:nth-child(2)", "e => getComputedStyle(e).backgroundColor"
    )
    assert fills.count(tint) >= count - 1
    assert WORDS["hint_token"] in said
    png = Image.open(io.BytesIO(picture(page, "png")))
    assert png.size == (2 * int(svg.get("width")), 2 * int(svg.get("height")))
    assert len(png.convert("RGB").getcolors(1 << 24)) > 16
    assert page.locator(".gs-whole").count() == 0
    assert trouble == []
