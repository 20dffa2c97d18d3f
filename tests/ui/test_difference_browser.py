"""The same answers read by another model: asked for, drawn and gone with the next answers."""

import json
import re
from xml.etree import ElementTree as ET

import pytest
from playwright.sync_api import expect

from app.components.heatmap import WORDS
from app.text import LEGEND
from app.text import difference as say
from app.text.modes import SURPRISE_LEGEND
from app.views.heatmap import heat
from tests.app.fakes import demo_studio, make_candidate
from tests.app.serving import serving

pytestmark = pytest.mark.browser


def test_the_difference_between_two_models_is_shown_on_the_words(browser, watch, trouble):
    studio = demo_studio()
    sampled = [make_candidate(studio.texts[place], place, f"p0-{place}") for place in range(2)]
    studio.groups["p0"] = sampled
    page = watch(browser.new_page(viewport={"width": 1280, "height": 1000}))
    with serving(studio) as app:
        page.goto(f"{app.local_url}?tab=explore")
        page.wait_for_selector(".gs-card h3")
        expect(page.locator(".gs-modes [value=difference]")).to_have_count(0)
        page.locator("#explore-read-again").click()
        expect(page.locator(".gs-modes [value=difference]")).to_be_checked()
        expect(page.locator(".gs-mode-hint")).to_contain_text("Adapter of")
        read = studio.reading(sampled).group
        for one, other in zip(sampled, read, strict=True):
            drawn = heat(one, other)
            assert shown(page, one.candidate_id) == drawn["levels"]["difference"]
        first = page.locator(".gs-card").first
        key = first.get_attribute("data-id")
        at = next(at for at, one in enumerate(sampled) if one.candidate_id == key)
        drawn = heat(sampled[at], read[at])
        place = drawn["entropy"].index(max(drawn["entropy"]))
        first.locator(f".gs-token[data-place='{place}']").hover()
        fall = drawn["entropy"][place] - drawn["other"][place]
        expect(page.locator(".gs-note")).to_contain_text(f"(\u2212{fall:.2f})", timeout=5000)
        page.locator(".gs-modes [value=token]").check()
        page.get_by_role("tab", name="Label").click()
        page.get_by_role("tab", name="Explore").click()
        expect(page.locator(".gs-modes [value=token]")).to_be_checked()
        expect(page.locator(".gs-modes [value=difference]")).to_have_count(1)
        page.locator("#explore-sample:enabled").click()
        expect(page.locator(".gs-card")).to_have_count(5)
        expect(page.locator(".gs-modes [value=difference]")).to_have_count(0)
        expect(page.locator(".gs-mode-hint")).to_have_text(WORDS["hint_token"])
        page.close()
    assert trouble == []


def test_the_legend_is_that_of_what_the_colour_shows_on_the_page_and_in_a_picture(
    browser, watch, trouble
):
    studio = demo_studio()
    studio.groups["p0"] = [make_candidate(studio.texts[0], 0, "p0-0")]
    page = watch(browser.new_page(viewport={"width": 1280, "height": 1000}))
    legend = page.locator(".gs-legend:visible")
    with serving(studio) as app:
        page.goto(f"{app.local_url}?tab=explore")
        page.wait_for_selector(".gs-card h3")
        expect(legend.locator("figcaption")).to_have_text([LEGEND])
        page.locator("#explore-read-again").click()
        expect(legend.locator("figcaption")).to_have_text([say.LEGEND])
        for fill, line in ((".l8", "dotted"), (".g8", "double")):
            expect(legend.locator(f".gs-signs {fill}")).to_have_css("text-decoration-style", line)
        drawn = picture(page)
        assert unspaced(say.LEGEND) in drawn
        assert unspaced(say.LESS_SURE) in drawn
        assert unspaced(LEGEND) not in drawn
        page.locator(".gs-modes [value=surprise]").check()
        expect(legend.locator("figcaption")).to_have_text([SURPRISE_LEGEND])
        assert unspaced(SURPRISE_LEGEND) in picture(page)
        page.locator(".gs-modes [value=token]").check()
        expect(legend.locator("figcaption")).to_have_text([LEGEND])
        page.close()
    assert trouble == []


def unspaced(words):
    """The words without the blanks at which a picture's lines may end."""
    return re.sub(r"\s", "", words)


def picture(page):
    """What a saved picture of the first card says."""
    page.locator(".gs-card summary").first.click()
    with page.expect_download() as download:
        page.locator(".gs-as-svg").first.click()
    page.locator(".gs-card summary").first.click()
    return unspaced("".join(ET.parse(download.value.path()).getroot().itertext()))


def shown(page, key):
    classes = page.eval_on_selector_all(
        f".gs-card[data-id={json.dumps(key)}] .gs-token", "all => all.map(one => one.className)"
    )
    found = [re.search(r"\b([hgl])(\d+)\b", one) for one in classes]
    return [-int(one[2]) if one[1] == "l" else int(one[2]) for one in found]
