"""How answers are drawn, and those that were drawn before, in a real browser."""

import re

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect

from app import text
from app.studio import Studio
from app.text import sampling as say
from tests.app.serving import serving
from tests.ui.running import open_fold

pytestmark = [pytest.mark.browser, pytest.mark.timeout(600)]

VIEW = {"width": 1280, "height": 900}
SHORT, LONG = 12, 200


@pytest.fixture
def page(browser, watch):
    return watch(browser.new_page(viewport=VIEW))


@pytest.fixture
def app(tmp_path):
    with Studio(tmp_path / "data", device="cpu") as studio, serving(studio) as app:
        yield app


def ids(page):
    return set(page.eval_on_selector_all(".gs-card", "all => all.map((one) => one.dataset.id)"))


def longest(page):
    """The most tokens of an answer on screen."""
    count = "all => Math.max(...all.map((one) => one.querySelectorAll('.gs-token').length))"
    return page.eval_on_selector_all(".gs-card", count)


def fill(page, label, value):
    """Type a number into the fold, which is opened with a key where it is closed."""
    field = page.get_by_label(label)
    if not field.is_visible():
        open_fold(page, say.FOLD, field)
    field.fill(str(value))


def sample(page):
    """Press the button and return the cards that came in place of all that were there."""
    before = ids(page)
    page.locator("#explore-sample:enabled").click()
    changed(page, before)
    return ids(page)


def changed(page, before):
    page.wait_for_function(
        """(before) => {
          const cards = [...document.querySelectorAll('.gs-card')].map((one) => one.dataset.id);
          return cards.length && !cards.some((one) => before.includes(one));
        }""",
        arg=sorted(before),
    )


def open_list(page):
    """The entries of the list, which is open then, and the one that is chosen."""
    page.locator("#explore-groups input").click()
    entries = page.get_by_role("option")
    expect(entries.first).to_be_visible()
    return entries.all_inner_texts(), page.get_by_role("option", selected=True).inner_text()


def violations(page):
    found = Axe().run(page, context="#page-explore").response["violations"]
    return [(rule["id"], node["target"]) for rule in found for node in rule["nodes"]]


def test_answers_of_another_length_are_opened_again_and_stay_after_a_reload(app, page, trouble):
    page.goto(f"{app.local_url}?tab=explore")
    fill(page, say.LONGEST, 0)
    page.locator("#explore-sample:enabled").click()
    expect(page.get_by_text(say.longest_refused(8192))).to_be_visible()
    fill(page, say.LONGEST, SHORT)
    short = sample(page)
    assert longest(page) <= SHORT
    expect(page.locator("#explore-groups")).to_be_hidden()
    fill(page, say.LONGEST, LONG)
    long = sample(page)
    assert longest(page) > SHORT
    assert violations(page) == []

    entries, chosen = open_list(page)
    assert [" · 5 answers · Base model · variety 0.9, seed 0" in one for one in entries] == [1, 1]
    assert chosen == entries[0]
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    page.wait_for_url(re.compile("group="))
    changed(page, long)
    assert ids(page) == short
    page.reload()
    page.wait_for_selector(".gs-card")
    assert ids(page) == short
    page.locator(".gs-card .gs-token[data-place='3']").first.click()
    page.locator(".gs-note .gs-on").click()
    expect(page.locator(".gs-card")).to_have_count(10)
    assert short < ids(page)  # the others joined the group that was open
    assert trouble == []


def test_a_link_to_an_earlier_answer_chooses_its_group_until_others_are_drawn(
    app, page, leaving, trouble
):
    page.goto(f"{app.local_url}?tab=explore")
    earlier = sample(page)
    fill(page, text.SEED, 1)
    newest = sample(page)
    with leaving():
        page.goto(f"{app.local_url}?tab=explore&candidate={min(earlier)}")
    expect(page.locator(".gs-named")).to_have_attribute("data-id", min(earlier))
    entries, chosen = open_list(page)
    assert chosen == entries[1]
    page.keyboard.press("Escape")
    page.get_by_role("tab", name=text.TABS["label"]).click()
    page.get_by_role("tab", name=text.TABS["explore"]).click()
    page.wait_for_url(re.compile("tab=explore"))
    assert ids(page) == earlier  # another tab and back leave it open
    fill(page, text.SEED, 2)
    assert not sample(page) & (earlier | newest)
    page.wait_for_url(lambda url: "candidate=" not in url)
    assert len(open_list(page)[0]) == 3
    assert trouble == []
