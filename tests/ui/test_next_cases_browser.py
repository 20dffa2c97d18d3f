"""What to label next: the embedded model reads the cases that wait, the Label page follows."""

import pytest
from playwright.sync_api import expect

from app import text
from app.studio import Studio
from app.text import priority as say
from tests.app.serving import serving
from tests.ui.test_label_browser import press, ready, shows

pytestmark = [pytest.mark.browser, pytest.mark.timeout(600)]

CHAIN = "Confusion is present: 1 point. The total is 4.\nFinal Answer: 4 points, hospital"
# The third pair differs by a space alone, so no two answers score more alike.
PAIRS = (
    ("Final Answer: 4 points, hospital", "Perhaps, perhaps not, who knows: xylophone, zebra."),
    (CHAIN, "Go home.\nFinal Answer: no"),
    (CHAIN, CHAIN.replace("points, ", "points,  ")),
    (CHAIN, "qwertz 98765 \u00c4\u00d6\u00dc\nFinal Answer: \u00df"),
)
MOST_ALIKE = 2


@pytest.fixture
def studio(tmp_path):
    with Studio(tmp_path / "data", device="cpu") as studio:
        yield studio


@pytest.fixture
def project_id(studio):
    project_id = studio.create_project("Next").project_id
    for number, pair in enumerate(PAIRS):
        studio.enter_pair(project_id, f"Question {number:02}", *pair)
    return project_id


@pytest.fixture
def open_page(browser, watch, studio, project_id):
    with serving(studio) as app:

        def open_page(tab):
            page = watch(browser.new_page(viewport={"width": 1280, "height": 900}))
            page.goto(f"{app.local_url}?project={project_id}&tab={tab}")
            return page

        yield open_page


def order_of(studio, project_id):
    """The numbers of the cases that wait, as the model ordered them."""
    found = studio._db.query(
        "SELECT prompt FROM queue JOIN pairs USING (pair_id) JOIN prompts USING (prompt_id)"
        " WHERE queue.project_id = ? ORDER BY priority DESC",
        [project_id],
    )
    return [int(prompt[-2:]) for (prompt,) in found]


def open_tab(page, name):
    page.get_by_role("tab", name=text.TABS[name], exact=True).click()


def test_label_page_follows_the_order_after_the_case_at_hand(
    open_page, studio, project_id, trouble
):
    page = open_page("label")
    ready(page)
    shows(page, 0)
    press(page, "2")
    open_tab(page, "explore")
    line = page.locator("#explore-ordered")
    expect(line).to_have_text("")
    page.locator("#explore-ask-first").click()
    expect(line).to_contain_text(f" for {len(PAIRS)} cases: {say.BY_ENTROPY}.")
    order = order_of(studio, project_id)
    assert order[0] == MOST_ALIKE

    newcomer = open_page("label")
    ready(newcomer)
    shows(newcomer, MOST_ALIKE)
    newcomer.close()

    page.bring_to_front()
    open_tab(page, "label")
    ready(page)  # before that, keys are nobody's
    shows(page, 0)  # nobody loses the case they are about to judge
    expect(page.locator("#choice-right")).to_have_attribute("aria-pressed", "true")
    for number in (0, *(number for number in order if number)):
        shows(page, number)
        press(page, "1", "Enter")
    expect(page.get_by_text(text.ALL_DONE)).to_be_visible()

    open_tab(page, "explore")
    expect(line).to_have_text("")
    page.locator("#explore-ask-first").click()
    expect(page.locator(".toast-body")).to_contain_text(say.NOTHING_TO_ORDER)
    assert trouble == []
