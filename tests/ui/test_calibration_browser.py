"""Learning from labels in a real browser: the card, the order, and the form that starts a run."""

import pytest
from playwright.sync_api import expect

from app.text import calibration as say
from tests.app.fakes import demo_studio
from tests.app.fakes_runs import RunsStudio, calibrated, done_view, rival_view
from tests.app.serving import serving
from tests.ui.running import open_fold

pytestmark = pytest.mark.browser


@pytest.fixture
def page(browser, watch):
    return watch(browser.new_page(viewport={"width": 1280, "height": 900}))


def order(page):
    return page.eval_on_selector_all(".gs-card", "all => all.map(card => card.dataset.id)")


def test_learned_labels_change_the_order_and_say_why(page, trouble):
    with serving(demo_studio()) as app:
        page.goto(f"{app.local_url}?tab=explore")
        lesson = page.locator("#explore-lesson")
        expect(lesson).to_contain_text("There are 12 comparisons to learn from.")
        expect(page.locator(".gs-score").first).to_contain_text("S =")
        by_score = order(page)
        page.locator("#explore-learn").click()
        expect(lesson.locator(".gem-weights li")).to_have_count(3)
        expect(page.locator("#explore-learn-status")).to_contain_text(say.LEARNED)
        expect(page.locator("#explore-learn")).to_have_text(say.LEARN_AGAIN)
        assert order(page) == by_score

        page.get_by_label("Calibrated on your labels").check()
        first = page.locator(".gs-card").first
        expect(first.locator(".gs-score")).to_contain_text("Calibrated score")
        expect(first.locator(".gs-term").first).to_contain_text(
            "likely to be preferred to the next"
        )
        calibrated_order = order(page)
        assert sorted(calibrated_order) == sorted(by_score)
        assert calibrated_order != by_score

        score = first.locator(".gs-score").inner_text()
        slider = page.get_by_label("Weight of exploring").and_(page.locator("[type=range]"))
        slider.fill("3")
        expect(page.locator(".gs-score", has_text=score)).to_have_count(0)
        page.get_by_label("By entropy (paper)").check()
        expect(page.locator(".gs-score").first).to_contain_text("S =")
    assert trouble == []


def test_choices_of_the_form_reach_the_run(page, trouble):
    studio = RunsStudio(views={"run-1": calibrated(done_view()), "run-3": rival_view("dpo")})
    with serving(studio) as app:
        page.goto(f"{app.local_url}?tab=align")
        expect(page.locator("#page-align .gem-lesson")).to_contain_text(say.RUN_TITLE)
        page.get_by_label("Calibrated on your labels").check()
        open_fold(page, say.RIVAL_TITLE, page.get_by_label("IPO:"))
        page.get_by_label("IPO:").check()
        plan = page.locator("#page-align .gem-facts").first
        expect(plan).to_contain_text("IPO")
        page.get_by_label("Standard:").check()
        page.get_by_role("button", name="Advanced settings").click()
        expect(page.get_by_label("Rounds", exact=True)).to_have_value("6")
        expect(plan).to_contain_text("IPO")
        page.get_by_label("Calibrated on your labels").check()
        page.get_by_role("button", name="Align the model").click()
        expect(page.locator(".gem-bar[role=progressbar]")).to_be_visible()
    started = studio.started[0]
    assert (started.preset, started.method, started.ranking) == ("standard", "ipo", "calibrated")
    assert trouble == []


def test_results_set_methods_side_by_side(page, trouble):
    studio = RunsStudio(views={"run-1": calibrated(done_view()), "run-3": rival_view("dpo")})
    with serving(studio) as app:
        page.goto(f"{app.local_url}?tab=results")
        expect(page.locator(".gem-methods tbody tr")).to_have_count(2)
        expect(page.locator("#page-results .gem-lesson")).to_contain_text(say.RUN_TITLE)
        page.locator(".gem-row-button").nth(1).click()
        expect(page.locator(".gem-methods tbody tr").first).to_contain_text("DPO")
        expect(page.locator("#page-results .gem-lesson")).to_have_count(0)
    assert trouble == []
