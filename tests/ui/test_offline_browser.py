"""A saved page in a real browser, from a file."""

import pytest
from playwright.sync_api import expect

from app.text import LEGEND
from app.text.modes import SURPRISE_LEGEND
from tests.app.fakes import demo_studio
from tests.app.serving import serving
from tests.app.test_heatmap import HOSTILE, tiny

pytestmark = [pytest.mark.browser, pytest.mark.timeout(600)]

TOKENS = (*HOSTILE, "two\nlines", "\t", "é")


def test_saved_page_opens_without_the_studio(browser, watch, tmp_path, trouble):
    studio = demo_studio()
    studio.groups["p0"] = [tiny(TOKENS)]
    with serving(studio) as app:
        page = watch(browser.new_page(viewport={"width": 1280, "height": 900}))
        page.goto(f"{app.local_url}?tab=explore")
        page.locator("#explore-save").click()
        with page.expect_download() as download:
            page.locator("#explore-saved a[download]").first.click()
        saved = tmp_path / download.value.suggested_filename
        download.value.save_as(saved)
        page.close()
    assert saved.name == "answers.html"
    alone = watch(browser.new_page(viewport={"width": 1280, "height": 900}))
    alone.goto(saved.as_uri())
    shown = alone.eval_on_selector_all(".gs-token", "all => all.map(one => one.textContent)")
    assert tuple(shown) == TOKENS
    alone.locator(".gs-token").nth(3).hover()
    expect(alone.locator(".gs-note")).to_contain_text("0.50 nats")
    alone.locator(".gs-tokens").focus()
    alone.keyboard.press("ArrowRight")
    alone.keyboard.press("n")
    place = alone.locator(".gs-cursor").get_attribute("data-place")
    assert "gs-peak" in alone.locator(f".gs-token[data-place='{place}']").get_attribute("class")
    expect(alone.locator(".gs-legend:visible figcaption")).to_have_text([LEGEND])
    alone.locator(".gs-modes [value=surprise]").check()
    expect(alone.locator(".gs-legend:visible figcaption")).to_have_text([SURPRISE_LEGEND])
    assert alone.locator(".gs-heatmap img, .gs-heatmap script").count() == 0
    assert set(trouble) <= {saved.as_uri()}  # the only address it asks for is its own
