"""Rank first, see the machine's order second: the whole path in a real browser."""

import pytest
from playwright.sync_api import expect

from app import text
from app.studio import Studio
from app.text import blind as say
from app.text import order as text_order
from gem_backend.automation_bias import AutomationBias, Tau
from gem_backend.ranking import rank_candidates
from storage.candidates import save_group
from storage.projects import update_project, upsert_prompt
from storage.reveals import list_reveals
from tests.app.fakes import demo_studio, make_candidate
from tests.app.serving import serving
from tests.ui.test_accessibility import check
from tests.ui.test_label_browser import press, ready
from tests.ui.test_label_browser import say as say_of_case
from tests.ui.test_order_browser import GRIP, cards, sort_as

pytestmark = [pytest.mark.browser, pytest.mark.timeout(600)]

ANSWERS = tuple(f"The score counts {n} of the signs.\nFinal Answer: {n} points" for n in range(4))

GUIDELINES = "Prefer the newer score."  # the form is filled once they stand in it


@pytest.fixture
def studio(tmp_path):
    with Studio(tmp_path / "data", device="cpu") as studio:
        yield studio


@pytest.fixture
def group(studio):
    """A question of a project, with four candidates; the best first."""
    project_id = studio.create_project("Blind").project_id
    how = {"reasons": (), "is_reason_required": False}
    update_project(studio._db, project_id, guidelines=GUIDELINES, **how)
    prompt = upsert_prompt(studio._db, project_id, "Question 00")
    candidates = [
        make_candidate(answer, place, f"c{place}", prompt.prompt)
        for place, answer in enumerate(ANSWERS)
    ]
    save_group(studio._db, prompt.prompt_id, candidates)
    return project_id, [one.candidate.text for one in rank_candidates(candidates)]


@pytest.fixture
def page(browser, watch, studio, group):
    """The page that makes the project ask experts to rank first."""
    page = watch(browser.new_context(viewport={"width": 1280, "height": 900}).new_page())
    with serving(studio) as app:
        page.goto(f"{app.local_url}?project={group[0]}&tab=data")
        expect(page.locator("#rater-guidelines textarea")).to_have_value(GUIDELINES)
        page.locator("#rater-blind-first input").check()
        page.locator("#rater-save").click()
        expect(page.locator("#rater-receipt")).to_have_text(text.RATER_FORM_SAVED)
        yield page


def open_tab(page, name):
    page.get_by_role("tab", name=text.TABS[name]).click()


def save_as(page, answers):
    """Puts the board in order and saves it: no case is left then."""
    expect(page.locator(GRIP)).to_have_count(4)
    is_so_already = cards(page) == answers  # drawn by lot: one board in 24
    sort_as(page, answers)
    press(page, "Enter")
    if is_so_already:
        say_of_case(page, text_order.NOT_MOVED)
        press(page, "Enter")
    expect(page.get_by_text(text.ALL_DONE)).to_be_visible()


def test_cards_are_withheld_until_the_answers_are_in_order(page, studio, group, trouble):
    project_id, best_first = group
    open_tab(page, "explore")
    expect(page.locator("#explore-withheld")).to_contain_text(say.WITHHELD)
    expect(page.locator(".gs-card, #explore-results, #explore-order")).to_have_count(0)
    assert not any(answer in page.content() for answer in ("1 points", "2 points"))
    page.locator("#explore-put-in-order").click()
    ready(page)
    press(page, "k")
    # the machine's order but for its last two: 5 of 6 pairs stand the same way
    save_as(page, [best_first[place] for place in (0, 1, 3, 2)])
    assert list_reveals(studio._db, project_id) == []

    open_tab(page, "explore")
    expect(page.locator(".gs-card")).to_have_count(4)
    expect(page.locator("#explore-withheld")).to_be_hidden()
    words = "You and the machine: Kendall's tau 0.67 over 4 answers"
    expect(page.locator("#explore-tau")).to_contain_text(words)
    [kept] = list_reveals(studio._db, project_id)
    assert kept.tau == pytest.approx(2 / 3)

    open_tab(page, "label")
    expect(page.get_by_text(text.ALL_DONE)).to_be_visible()  # as the page was left
    page.wait_for_timeout(1500)  # a moment, as anybody takes: the opened tab asks what is new
    press(page, "Backspace")
    expect(page.get_by_text(text.ALL_DONE)).to_be_hidden()
    save_as(page, best_first)
    open_tab(page, "data")
    cells = page.locator(".gem-bias tbody tr td")
    expect(cells).to_have_text(["1", "1", "+0.33n = 1", say.ONE_CHANGE])
    assert list_reveals(studio._db, project_id) == [kept]
    assert trouble == []


def test_cards_that_nobody_withholds_are_put_in_order_too(browser, watch, studio, group, trouble):
    project_id, best_first = group
    page = watch(browser.new_context(viewport={"width": 1280, "height": 900}).new_page())
    with serving(studio) as app:
        page.goto(f"{app.local_url}?project={project_id}&tab=explore")
        expect(page.locator(".gs-card")).to_have_count(4)
        expect(page.locator("#explore-tau")).to_be_empty()
        page.locator("#explore-rank").click()
        ready(page)
        press(page, "k")
        save_as(page, best_first[::-1])
        open_tab(page, "explore")
        words = "Kendall's tau \N{MINUS SIGN}1.00 over 4 answers"
        expect(page.locator("#explore-tau")).to_contain_text(words)
        assert list_reveals(studio._db, project_id) == []
    assert trouble == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_what_is_withheld_and_what_follows_keep_the_rules_of_axe(browser, watch, scheme, trouble):
    made_up = demo_studio()
    made_up.bias = (
        AutomationBias("anna", 9, 3, 3, 0.5, (0.1, 0.9)),
        AutomationBias("bert", 4, 1, 0, None, None),
    )
    context = browser.new_context(color_scheme=scheme, reduced_motion="reduce")
    page = watch(context.new_page())
    with serving(made_up) as app:
        made_up.is_blind = True
        page.goto(f"{app.local_url}?tab=explore")
        expect(page.locator("#explore-put-in-order")).to_be_visible()
        found = check(page, "withheld")
        made_up.is_blind, made_up.tau = False, Tau(0.6, 5)
        open_tab(page, "label")
        open_tab(page, "explore")
        expect(page.locator("#explore-tau")).to_contain_text("tau 0.60 over 5 answers")
        expect(page.locator(".gs-card")).to_have_count(5)
        page.wait_for_timeout(1000)  # the curve is drawn after its page is there
        found += check(page, "shown")
        open_tab(page, "data")
        expect(page.locator(".gem-bias")).to_contain_text(say.TOWARDS)
        found += check(page, "figures")
    assert trouble == []
    assert found == []
