"""Two raters differ on a case and an admin settles it, by keyboard alone, over the real storage."""

import json
from pathlib import Path

import pytest
from playwright.sync_api import expect

from app import text
from app.studio import Studio
from app.studio_base import DATABASE_FILE
from app.text import disputes as say
from app.text import runs as text_runs
from storage.audit import label_log
from storage.database import Database
from storage.pairs import Judgement, add_comparison, save_label, show_case
from storage.projects import create_project
from tests.app.serving import account, serving
from tests.ui.test_label_browser import press
from tests.ui.test_raters_browser import log_in

pytestmark = [pytest.mark.browser, pytest.mark.timeout(600)]

ANSWERS = ("Wait.", "Operate now.")
SAID = (("a", "b"), ("a", "a"), ("tie", "b"))  # by anna and bert, of each question
MOST_TABS = 80  # far more than the Data page has parts that take the focus
BLANK = (["1", "on"], "")  # no verdict, slightly, acceptable to use, no words


@pytest.fixture
def folder(tmp_path):
    """A data folder with three cases that two raters judged."""
    with Database(tmp_path / "data" / DATABASE_FILE) as db:
        create_project(db, "Study", project_id="study")
        for number, verdicts in enumerate(SAID):
            comparison = add_comparison(db, "study", f"Question {number:02}", *ANSWERS)
            for rater, verdict in zip(("anna", "bert"), verdicts, strict=True):
                said = Judgement(verdict, rationale=f"{rater} on {number}")
                save_label(db, show_case(comparison, rater), rater, said)
    return tmp_path / "data"


@pytest.fixture
def open_page(folder, browser, watch):
    """Opens the Data page for an account; the mouse is not touched from there on."""
    with Database(folder / DATABASE_FILE) as db:
        passwords = {name: account(db, name, "admin") for name in ("dora", "emil")}

    def open_page(url, name="dora"):
        page = watch(browser.new_context(viewport={"width": 1280, "height": 900}).new_page())
        page.goto(f"{url}?project=study&tab=data")
        log_in(page, name, passwords[name])
        expect(page.locator("#dispute-settle")).to_be_visible()
        return page

    return open_page


@pytest.fixture
def studio(folder, open_page):
    with Studio(folder, device="cpu") as studio:
        yield studio


@pytest.fixture
def url(studio):
    with serving(studio) as app:
        yield app.local_url


@pytest.fixture
def page(open_page, url):
    return open_page(url)


# --- keys -------------------------------------------------------------------------------------
def go_to(page, part):
    """Press Tab until the focus is on a part of the page."""
    for _ in range(MOST_TABS):
        if part.evaluate("one => one === document.activeElement"):
            return
        press(page, "Tab")
    raise AssertionError(f"Tab does not come to {part}")


def tick(page, name, role="radio"):
    go_to(page, page.get_by_role(role, name=name, exact=True))
    press(page, "Space")


def press_button(page, name):
    go_to(page, page.get_by_role("button", name=name, exact=True))
    press(page, "Enter")


def choose_second(page, name):
    """Choose the second case of the list, which has a name."""
    go_to(page, page.locator("#dispute input"))
    press(page, "ArrowDown")
    option = page.get_by_role("option", name=name, exact=True)
    expect(page.locator("#dispute input")).to_have_attribute(
        "aria-activedescendant", option.get_attribute("id")
    )
    press(page, "Enter")


def fill_in(page, answer, why, is_acceptable=False):
    """Say that an answer is very much better, and whether it is acceptable to use."""
    is_left = page.locator("#dispute-case [data-side=left] .gs-text").inner_text() == answer
    tick(page, "Left is better" if is_left else "Right is better")
    tick(page, "Very much")
    if not is_acceptable:
        tick(page, say.ACCEPTABLE, "checkbox")
    go_to(page, page.get_by_label(say.RATIONALE))
    page.keyboard.type(why)


def export(page):
    """Make the export file, with other content than before, and return what it says of case 0."""
    link = page.locator("#page-data a[download]")
    before = [found.get_attribute("href") for found in link.all()]  # it has a hash of the content
    press_button(page, text_runs.EXPORT_BUTTON)
    expect(link).to_be_visible()
    for address in before:
        expect(link).not_to_have_attribute("href", address)
    with page.expect_download() as taken:
        go_to(page, link)
        press(page, "Enter")
    rows = [json.loads(line) for line in Path(taken.value.path()).read_text("utf-8").splitlines()]
    return [row for row in rows if row["prompt"] == "Question 00"]


# --- what is seen -----------------------------------------------------------------------------
def form(page):
    """What is ticked in the form, and the words in it."""
    card = page.locator(".gem-card:has(#dispute-choice)")
    ticked = card.locator("input:checked").evaluate_all("all => all.map((one) => one.value)")
    return ticked, page.get_by_label(say.RATIONALE).input_value()


def stands(page, num_settled, question):
    """Wait until so many cases are settled and a question is shown."""
    expect(page.locator("#disputes-line")).to_have_text(say.progress(num_settled, 2))
    expect(page.locator("#dispute-case .gs-question .gs-text")).to_have_text(question)


def who_said(page):
    """Who says something about the case, and in which words."""
    rows = page.locator(".gem-disputes tbody tr").all()
    return [(row.locator("th").inner_text(), row.locator("td").last.inner_text()) for row in rows]


def receipt(page, words):
    expect(page.locator("#dispute-receipt")).to_have_text(words)


RATERS = [("anna", "anna on 0"), ("bert", "bert on 0")]


def test_settled_by_keys_alone_it_trains_until_it_is_taken_back(page, trouble):
    stands(page, 0, "Question 00")
    assert who_said(page) == RATERS
    assert [row["chosen"] for row in export(page)] == list(ANSWERS)  # as anna, and as bert, say
    fill_in(page, ANSWERS[1], "the label says so", is_acceptable=True)
    press_button(page, say.SETTLE)
    stands(page, 1, "Question 02")
    receipt(page, say.SETTLED)
    [row] = export(page)
    assert (row["chosen"], row["rejected"]) == (ANSWERS[1], ANSWERS[0])

    choose_second(page, say.case_name(2, "Question 00", is_settled=True))
    stands(page, 1, "Question 00")
    assert who_said(page) == [*RATERS, (say.settled_by("dora"), "the label says so")]
    press_button(page, say.WITHDRAW)
    stands(page, 0, "Question 00")
    receipt(page, say.WITHDRAWN)
    assert who_said(page) == RATERS
    assert [row["chosen"] for row in export(page)] == list(ANSWERS)
    assert trouble == []


def test_words_and_ticks_of_one_case_are_not_there_for_the_next(page, trouble):
    assert form(page) == BLANK
    fill_in(page, ANSWERS[0], "settled")
    assert form(page) != BLANK
    press_button(page, say.SETTLE)
    stands(page, 1, "Question 02")
    assert form(page) == BLANK
    fill_in(page, ANSWERS[0], "never said")
    choose_second(page, say.case_name(2, "Question 00", is_settled=True))
    stands(page, 1, "Question 00")
    assert form(page) == BLANK
    assert trouble == []


# Two presses in one go, as on a machine that is busy while they are made.
SETTLE_VALUES = 8  # project, case, what is listed, five fields: no other event of the page
TWO_PRESSES = "settle => { settle.click(); settle.click(); }"


def test_second_press_at_once_settles_no_case_that_nobody_saw(page, studio, trouble):
    fill_in(page, ANSWERS[1], "once")
    pressed = []

    def only_the_first(route):
        if len(json.loads(route.request.post_data)["data"]) == SETTLE_VALUES:
            pressed.append(route)
        if pressed[1:] != [route]:
            route.continue_()

    page.route("**/queue/join*", only_the_first)
    page.locator("#dispute-settle").evaluate(TWO_PRESSES)
    stands(page, 1, "Question 02")
    pressed[1].continue_()
    receipt(page, text.CASE_CHANGED)
    stands(page, 1, "Question 02")
    assert form(page) == BLANK
    assert [event.is_final for event in label_log(studio._db, "study")].count(True) == 1
    assert trouble == []


def test_settlement_of_another_admin_stays_and_that_is_said(page, open_page, url, trouble):
    fill_in(page, ANSWERS[0], "mine")
    press_button(page, say.SETTLE)
    stands(page, 1, "Question 02")
    other = open_page(url, "emil")
    choose_second(other, say.case_name(2, "Question 00", is_settled=True))
    stands(other, 1, "Question 00")
    press_button(other, say.WITHDRAW)
    receipt(other, say.NOT_MINE)
    stands(other, 1, "Question 00")
    assert who_said(other) == [*RATERS, (say.settled_by("dora"), "mine")]
    assert trouble == []
