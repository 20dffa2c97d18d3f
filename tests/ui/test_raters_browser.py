"""Two raters on the same cases, each at a browser of their own, and the admin who compares them."""

import pytest
from playwright.sync_api import expect
from sklearn.metrics import cohen_kappa_score

from app import text
from app.studio import Studio
from app.studio_base import DATABASE_FILE
from app.text import agreement as text_agreement
from storage.database import Database
from storage.identity import left_answer
from storage.pairs import add_comparison
from storage.projects import create_project, update_project
from tests.app.serving import account, serving
from tests.ui.test_connection_browser import HereStudio, type_words, what_is_said
from tests.ui.test_label_browser import press, ready, say, shows

pytestmark = [pytest.mark.browser, pytest.mark.timeout(600)]

ANSWERS = ("Wait.", "Operate now.")
# What each says of the cases, in their order: a place in ANSWERS, or another key.
SAID = {
    "anna": [0, 0, 1, 1, "3", "5", 1, "4"],
    "bert": [0, 1, 1, 0, "3", "3", 1, "4"],
}
# Everything that a page was told, whatever asked for it.
COLLECT = """
window.told = [];
const ask = window.fetch;
window.fetch = async (...request) => {
  const answer = await ask(...request);
  answer.clone().text().then((words) => window.told.push(words), () => {});
  return answer;
};
"""


@pytest.fixture(scope="module")
def accounts(tmp_path_factory):
    """A data folder with eight cases for two raters, and the passwords of all three accounts."""
    folder = tmp_path_factory.mktemp("raters")
    with Database(folder / DATABASE_FILE) as db:
        create_project(db, "Blind", project_id="blind")
        update_project(
            db,
            "blind",
            guidelines="",
            reasons=["dose"],
            is_reason_required=False,
            raters_per_case=2,
        )
        for number in range(len(SAID["anna"])):
            add_comparison(db, "blind", f"Question {number:02}", *ANSWERS)
        passwords = {"dora": account(db, "dora", "admin")}
        passwords |= {name: account(db, name) for name in SAID}
    return folder, passwords


@pytest.fixture
def studio(accounts):
    with Studio(accounts[0], device="cpu") as studio:
        yield studio


@pytest.fixture
def app(studio):
    with serving(studio) as app:
        yield app


@pytest.fixture
def enter(browser, watch, accounts):
    """Logs somebody in, at a browser of their own."""

    def enter(url, name):
        context = browser.new_context(viewport={"width": 1280, "height": 900})
        context.add_init_script(COLLECT)
        page = watch(context.new_page())
        page.goto(f"{url}?project=blind")
        log_in(page, name, accounts[1][name])
        return page

    return enter


def log_in(page, name, password):
    page.get_by_label("username").fill(name)
    page.get_by_label("password").fill(password)
    page.get_by_role("button", name="Login").click()
    expect(page.locator(f".gs-facts[data-rater={name}]")).to_be_visible()


def label_all(page, name):
    """Label every case by keyboard; return which answer stood on the left of each."""
    ready(page)
    left = []
    for number, choice in enumerate(SAID[name]):
        shows(page, number)
        left.append(page.locator("[data-side=left] .gs-text").inner_text())
        key = choice if isinstance(choice, str) else "12"[left[-1] != ANSWERS[choice]]
        press(page, key, "q")
        if number < 3:
            type_words(page, f"{name} thinks of number {number}")
        press(page, "Enter")
    expect(page.get_by_text(text.ALL_DONE)).to_be_visible()
    return left


def test_two_raters_are_blind_to_each_other_and_the_admin_sees_kappa(studio, app, enter, trouble):
    anna = enter(app.local_url, "anna")
    lefts = {"anna": label_all(anna, "anna")}
    anna.context.close()

    bert = enter(app.local_url, "bert")
    ready(bert)
    expect(bert.locator("#label-progress")).to_contain_text("0 of 8 labelled · 8 to do")
    assert bert.locator("[data-choice][aria-pressed=true]").count() == 0
    visible = [tab.inner_text() for tab in bert.get_by_role("tab").all() if tab.is_visible()]
    assert visible == ["Label"]
    expect(bert.locator("#project-new")).to_be_hidden()
    lefts["bert"] = label_all(bert, "bert")
    assert_told_nothing_of(bert, "anna")
    bert.context.close()
    assert lefts["anna"] == expected_lefts(studio, "anna")
    assert not any(map(str.__eq__, lefts["anna"], lefts["bert"]))  # bert's are turned

    dora = enter(app.local_url, "dora")
    dora.get_by_role("tab", name="Data").click()
    row = dora.get_by_role("row").filter(has_text=text_agreement.raters_of("anna", "bert"))
    kappa = cohen_kappa_score(*([str(choice) for choice in said] for said in SAID.values()))
    expect(row.locator("td").first).to_have_text(f"{kappa:.2f}")
    expect(row.locator("td").nth(2)).to_have_text("8")
    assert trouble == []
    [pair] = studio._agreement.view("blind").pairs
    assert pair.kappa.estimate.value == pytest.approx(kappa, abs=1e-12)


def expected_lefts(studio, name):
    """The answer on the first rater's left: it hangs on the pair and the rater alone."""
    pairs = studio._db.query(
        "SELECT pair_id, answer_a, answer_b FROM pairs JOIN prompts USING"
        " (prompt_id) WHERE pairs.project_id = 'blind' ORDER BY prompt"
    )
    return [{"a": a, "b": b}[left_answer(key, name)] for key, a, b in pairs]


def assert_told_nothing_of(page, name):
    told = [*page.evaluate("window.told"), page.content()]
    assert any("Saved: " in words for words in told)  # it does see what the page was told
    assert [words for words in told if name in words] == []


def test_words_kept_through_a_restart_are_given_to_nobody_else_who_logs_in(
    browser, watch, tmp_path, leaving, trouble
):
    with Database(tmp_path / DATABASE_FILE) as db:
        create_project(db, "Blind", project_id="blind")
        add_comparison(db, "blind", "Question 00", *ANSWERS)
        passwords = {"dora": account(db, "dora", "admin")}
        passwords |= {name: account(db, name) for name in SAID}
    here = HereStudio(tmp_path)
    try:
        page = watch(browser.new_page())
        page.goto(f"{here.app.local_url}?project=blind")
        log_in(page, "anna", passwords["anna"])
        ready(page)
        press(page, "2")
        type_words(page, "anna's own words")
        for name in SAID:
            with leaving():
                here.close()
                here.open()
                log_in(page, name, passwords[name])
            ready(page)
            if name == "anna":
                say(page, text.RESTORED)
                assert what_is_said(page)[1] == "anna's own words"
        assert "anna" not in page.content()
        assert what_is_said(page) == ([], "")
        assert page.evaluate("sessionStorage.length") == 0
    finally:
        with leaving():
            page.close()
        here.close()
    assert trouble == []
