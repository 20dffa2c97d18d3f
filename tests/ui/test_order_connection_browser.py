"""The studio goes away while answers are put in order: the ranking is kept, and stored once."""

import itertools

import pytest
from playwright.sync_api import expect

from app import text
from app.studio_base import DATABASE_FILE
from storage.audit import label_log
from storage.database import Database
from storage.pairs import add_comparison
from storage.projects import create_project
from storage.recent import recent_labels
from tests.ui.test_connection_browser import LOSING, HereStudio, missing, type_words, until
from tests.ui.test_label_browser import press, ready, say, shows
from tests.ui.test_order_browser import BOARD, GRIP, cards, places, sort_as

pytestmark = [pytest.mark.browser, pytest.mark.timeout(600)]

ANSWERS = ("Wait.", "Refer today.\n\nSecond line.", "Operate now.", "Ask a colleague.")
PAIRS = list(itertools.combinations(ANSWERS, 2))
WORDS = "Not with a low eGFR: “stop” <b>first</b>"


@pytest.fixture
def folder(tmp_path):
    """A data folder with all pairs of four answers, then another case, and its project."""
    with Database(tmp_path / "data" / DATABASE_FILE) as db:
        project = create_project(db, "Order").project_id
        for pair in PAIRS:
            add_comparison(db, project, "Question 00", *pair)
        add_comparison(db, project, "Question 01", "Wait.", "Operate now.")
    return tmp_path / "data", project


@pytest.fixture
def page(browser, watch):
    return watch(browser.new_page(viewport={"width": 1280, "height": 900}))


@pytest.fixture
def here(folder):
    here = HereStudio(folder[0])
    yield here
    here.close()


def open_board(page, url, project):
    page.goto(f"{url}?project={project}")
    ready(page)
    press(page, "k")
    expect(page.locator(GRIP)).to_have_count(len(ANSWERS))


def tie_second_and_third(page):
    page.locator(GRIP).nth(2).focus()
    press(page, "t")
    assert places(page)[1:3] == ["Place 2, equally good"] * 2


def assert_stored_once(db, project, order):
    """One decision is in the log, with one label a pair, and it says this order."""
    said = label_log(db, project)
    assert [event.kind for event in said] == ["label"] * len(PAIRS)
    assert len({event.pair_id for event in said}) == len(PAIRS)
    [label] = recent_labels(db, project, "expert")
    assert [set(place) for place in label.order] == [{order[0]}, {order[1], order[2]}, {order[3]}]
    assert label.judgement.rationale == WORDS


def test_ranking_made_while_the_studio_was_gone_is_back_and_stored_once(
    folder, here, page, leaving, trouble
):
    open_board(page, here.app.local_url, folder[1])
    order = cards(page)[::-1]
    with leaving():
        here.close()
        sort_as(page, order)
        tie_second_and_third(page)
        type_words(page, WORDS)
        expect(missing(page)).to_be_visible()
        press(page, "Enter", "k", "Backspace")  # nobody is there to store, swap or undo
        expect(page.locator(BOARD)).to_be_visible()
        assert cards(page) == order
        here.open()
        say(page, text.RESTORED)
    expect(missing(page)).to_be_hidden()
    expect(page.locator(GRIP)).to_have_count(len(ANSWERS))
    assert cards(page) == order
    assert places(page)[1:3] == ["Place 2, equally good"] * 2
    expect(page.locator("#label-rationale textarea")).to_have_value(WORDS)
    assert page.evaluate("sessionStorage.length + localStorage.length") == 0
    assert label_log(here.studio._db, folder[1]) == []
    press(page, "Enter")
    shows(page, 1)
    expect(page.locator("#label-progress")).to_contain_text("6 of 7")
    assert_stored_once(here.studio._db, folder[1], order)
    assert trouble == []


@pytest.mark.parametrize("is_restarted", [False, True])
def test_ranking_whose_answer_got_lost_was_stored_once(
    folder, here, page, leaving, trouble, is_restarted
):
    page.add_init_script(LOSING)
    open_board(page, here.app.local_url, folder[1])
    order = cards(page)[::-1]
    sort_as(page, order)
    tie_second_and_third(page)
    type_words(page, WORDS)
    with leaving():
        page.evaluate("loseAnswers()")
        press(page, "Enter")
        until(page, lambda: label_log(here.studio._db, folder[1]))
        page.evaluate("loseStudio()")  # it does not find that one again either
        expect(missing(page)).to_be_visible()
        if is_restarted:
            here.close()
            here.open()
        page.evaluate("findStudio()")
        # Gradio asks for the answer once more or loads the page anew, whichever comes first.
        expect(page.locator("#label-progress")).to_contain_text("6 of 7")
        if is_restarted:
            say(page, text.SAVED_BEFORE)
        shows(page, 1)
        expect(missing(page)).to_be_hidden()
        expect(page.locator(BOARD)).to_be_hidden()
        page.close()
    assert_stored_once(here.studio._db, folder[1], order)
    assert trouble == []
