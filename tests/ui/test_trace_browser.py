"""The curve and the words of a candidate point at each other, in a real browser."""

import re

import pytest
from playwright.sync_api import expect

from tests.app.fakes import demo_studio
from tests.app.serving import serving
from tests.app.test_heatmap import tiny

pytestmark = pytest.mark.browser

# The snowman is three tokens, of which the first two are no text yet: a point each on the curve and
# one place in the text. So the curve's fourth point is of the text's third place.
TOKENS = ("One", " two", "", "", "☃", " Final", " Answer:", " 4")

FIRST_POINT = """() => {
  const plot = document.querySelector('#explore-trace .js-plotly-plot');
  const { xaxis, yaxis } = plot._fullLayout;
  const box = plot.getBoundingClientRect();
  const at = (x) => [box.left + xaxis._offset + xaxis.d2p(x), box.top + yaxis._offset + 40];
  return { first: at(1), fourth: at(4), box: box.top };
}"""


@pytest.fixture
def page(browser, watch):
    studio = demo_studio()
    studio.groups["p0"] = [tiny(TOKENS)]
    page = watch(browser.new_page(viewport={"width": 1280, "height": 1400}))
    with serving(studio) as app:
        page.goto(f"{app.local_url}?tab=explore")
        page.wait_for_selector(".gs-token")
        page.wait_for_selector("#explore-trace .js-plotly-plot .legend")
        yield page


def test_a_point_of_the_curve_is_marked_in_the_text_and_a_click_goes_there(page, trouble):
    tokens = page.locator(".gs-token")
    page.locator("#explore-trace").scroll_into_view_if_needed()
    page.locator("#explore-trace .js-plotly-plot").hover(position={"x": 5, "y": 5})
    where = page.evaluate(FIRST_POINT)
    for name, word in (("fourth", 2), ("first", 0)):
        page.mouse.move(*where[name])
        page.mouse.move(where[name][0] + 1, where[name][1])
        expect(tokens.nth(word)).to_have_class(re.compile("gs-linked"))
        expect(page.locator(".gs-linked")).to_have_count(1)
    page.mouse.down()
    page.mouse.up()
    expect(page.locator(".gs-token.gs-cursor")).to_have_text("One")
    expect(page.locator(".gs-note")).to_be_visible()
    page.mouse.move(5, 5)
    expect(page.locator(".gs-linked")).to_have_count(0)
    assert trouble == []


def test_the_word_at_the_cursor_is_marked_on_the_curve(page, trouble):
    here = page.locator("#explore-trace .gs-here")
    expect(here).to_have_count(0)
    page.locator(".gs-tokens").focus()
    page.keyboard.press("Home")
    expect(here).to_have_count(1)
    where = page.evaluate(FIRST_POINT)
    assert here.bounding_box()["x"] == pytest.approx(where["first"][0], abs=2)
    page.keyboard.press("End")
    assert here.bounding_box()["x"] > where["fourth"][0]
    page.keyboard.press("Escape")
    expect(here).to_have_count(0)
    assert trouble == []
