"""How each rater works, as the admin sees it while a rater labels; the rater sees none of it."""

import pytest
from playwright.sync_api import expect

from app import text
from app.studio import Studio
from app.studio_base import DATABASE_FILE
from storage.database import Database
from storage.pairs import Judgement, add_comparison, save_label, show_case
from storage.projects import create_project, update_project
from tests.app.serving import account, serving
from tests.ui.test_label_browser import press, ready, shows
from tests.ui.test_raters_browser import COLLECT, assert_told_nothing_of, log_in

pytestmark = [pytest.mark.browser, pytest.mark.timeout(600)]

# Verdict and seconds for each case, in their order; anna has yet to judge the last one.
SAID = {
    "anna": [("a", 4.0), ("a", 6.0), ("both_bad", 9.0)],
    "bert": [("a", 5.0), ("b", 8.0), ("both_bad", 13.0), ("cannot_judge", 40.0)],
}
# Judgements, time, cannot judge, both bad, agrees with others: shares with Wilson's 95 % interval,
# times with their whole range, as fewer than six allow no interval.
ANNA_BEFORE = ["3", "6 s 4 to 9 s, n = 3", "0 % 0 to 56 %", "33 % 6 to 79 %"]
BERT = ["4", "10 s 5 to 40 s, n = 4", "25 % 5 to 70 %", "25 % 5 to 70 %"]
ON_THREE = "67 % 21 to 94 %, n = 3"
ON_FOUR = "75 % 30 to 95 %, n = 4"


@pytest.fixture
def folder(tmp_path):
    with Database(tmp_path / DATABASE_FILE) as db:
        create_project(db, "Ward", project_id="ward")
        update_project(
            db, "ward", guidelines="", reasons=(), is_reason_required=False, raters_per_case=2
        )
        for number in range(4):
            comparison = add_comparison(db, "ward", f"Question {number:02}", "Wait.", "Operate.")
            for rater, said in SAID.items():
                for verdict, elapsed_s in said[number : number + 1]:
                    judgement = Judgement(verdict, elapsed_s=elapsed_s)
                    save_label(db, show_case(comparison, rater), rater, judgement)
    return tmp_path


@pytest.fixture
def enter(folder, browser, watch):
    """Logs somebody in at a tab, at a browser of their own that keeps what it is told."""
    with Database(folder / DATABASE_FILE) as db:
        passwords = {"dora": account(db, "dora", "admin")}
        passwords |= {name: account(db, name) for name in SAID}

    def enter(url, name, tab):
        context = browser.new_context(viewport={"width": 1280, "height": 900})
        context.add_init_script(COLLECT)
        page = watch(context.new_page())
        page.goto(f"{url}?project=ward&tab={tab}")
        log_in(page, name, passwords[name])
        return page

    return enter


@pytest.fixture
def url(folder, enter):
    with Studio(folder, device="cpu") as studio, serving(studio) as app:
        yield app.local_url


def cells(page, rater):
    """What the table says of a rater, but for when they were there last."""
    row = page.locator("#raters-at-work tbody tr").filter(has_text=rater)
    return [" ".join(cell.inner_text().split()) for cell in row.locator("td").all()[:-1]]


def test_admin_sees_each_raters_figures_and_the_next_label_in_them(url, enter, trouble):
    dora = enter(url, "dora", "data")
    expect(dora.locator("#raters-at-work tbody tr")).to_have_count(len(SAID))
    assert cells(dora, "anna") == [*ANNA_BEFORE, ON_THREE]
    assert cells(dora, "bert") == [*BERT, ON_THREE]

    anna = enter(url, "anna", "label")
    ready(anna)
    shows(anna, 3)
    press(anna, "5", "Enter")
    expect(anna.get_by_text(text.ALL_DONE)).to_be_visible()
    assert_told_nothing_of(anna, "bert")

    dora.bring_to_front()
    dora.get_by_role("tab", name=text.TABS["label"]).click()
    dora.get_by_role("tab", name=text.TABS["data"]).click()
    row = dora.locator("#raters-at-work tbody tr").filter(has_text="anna")
    expect(row.locator("td").first).to_have_text("4")
    _, time, *shares = cells(dora, "anna")
    assert time.endswith(", n = 4")
    assert shares == ["25 % 5 to 70 %", "25 % 5 to 70 %", ON_FOUR]
    assert cells(dora, "bert") == [*BERT, ON_FOUR]
    assert trouble == []


def test_plain_rater_comes_to_no_other_page_by_address_or_by_keys(url, enter, trouble):
    anna = enter(url, "anna", "data")
    ready(anna)
    expect(anna.get_by_role("tab")).to_have_text([text.TABS["label"]])
    anna.get_by_role("tab").focus()
    press(anna, "ArrowRight", "ArrowLeft", "ArrowLeft", "1")
    expect(anna.locator("#choice-left")).to_have_attribute("aria-pressed", "true")
    anna.wait_for_timeout(700)  # a moment, until what another page says would be there
    expect(anna.locator(".toast-body")).to_have_count(0)
    expect(anna.locator("#page-label")).to_be_visible()
    assert not any("bert" in told for told in [*anna.evaluate("window.told"), anna.content()])
    assert trouble == []
