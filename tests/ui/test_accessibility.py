"""Every page by axe-core's rules, in light and dark, wide and narrow; and Label without a mouse."""

import re
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect

from app import text
from app.desks.agreement import AgreementView, agreement_view
from app.studio import Studio
from app.studio_base import DATABASE_FILE
from app.text import agreement as text_agreement
from app.text import audit as text_audit
from app.text import raters as text_raters
from app.text import runs as text_runs
from gem_backend.types import Project, Rater
from storage.adjudication import settle
from storage.database import Database
from storage.pairs import Judgement, add_comparison, save_label, show_case
from storage.projects import create_project, update_project
from storage.raters import invite
from tests.app.fakes import demo_studio
from tests.app.fakes_runs import RunsStudio, calibrated, done_view, rival_view, waiting_run
from tests.app.serving import account, serving
from tests.ui.test_connection_browser import HereStudio
from tests.ui.test_label_browser import press, ready, say
from tests.ui.test_raters_browser import log_in

pytestmark = [pytest.mark.browser, pytest.mark.timeout(600)]

# Colours do not hang on the width, and their rule takes as long as all others together.
WIDTHS = {1280: (), 834: ("color-contrast",)}
# Gradio draws the login page without a landmark, and we only give it a sentence.
LOGIN_WITHOUT = ("landmark-one-main", "region")


class FullStudio(RunsStudio):
    """Something to see on every page."""

    def raters(self) -> list[Rater]:
        return [Rater("dora", "admin"), Rater("anna", is_invited=True)]

    def agreement(self, project_id: str) -> AgreementView:
        said = {"anna": "first first second tie", "bert": "first second second tie"}
        return agreement_view(
            (f"case {number}", rater, verdict)
            for rater, verdicts in said.items()
            for number, verdict in enumerate(verdicts.split())
        )


@pytest.fixture(scope="module")
def url():
    demo = demo_studio()
    views = {"run-1": calibrated(done_view()), "run-3": rival_view()}
    line = (waiting_run("run-8", 1),)
    full = FullStudio(cases=demo.cases, groups=demo.groups, views=views, waiting=line)
    with serving(full) as app:
        yield app.local_url


@pytest.fixture
def page(browser, watch):
    size = {"width": 1280, "height": 900}
    context = browser.new_context(viewport=size, color_scheme="light", reduced_motion="reduce")
    return watch(context.new_page())


def check(page, where, without=()):
    """Run axe in the light at both widths and in the dark; what it found, and what is too wide.

    In the dark only the colours are looked at: nothing else is different there.
    """
    found = []
    for width, slow in WIDTHS.items():
        page.set_viewport_size({"width": width, "height": 900})
        page.wait_for_timeout(300)
        rules = {rule: {"enabled": False} for rule in (*slow, *without)}
        found += violations(page, where, f"light, {width}", {"rules": rules})
        if page.evaluate("document.documentElement.scrollWidth") > width:
            found.append((where, width, "scrolls sideways"))
    page.emulate_media(color_scheme="dark")
    page.wait_for_function("document.body.classList.contains('dark')")
    page.wait_for_timeout(500)  # colours go over into each other
    found += violations(page, where, "dark", {"runOnly": ["color-contrast"]})
    page.emulate_media(color_scheme="light")
    page.wait_for_function("!document.body.classList.contains('dark')")
    return found


def violations(page, where, look, options):
    result = Axe().run(page, options={"resultTypes": ["violations"], **options})
    return [
        (where, look, rule["id"], node["target"], node["failureSummary"])
        for rule in result.response["violations"]
        for node in rule["nodes"]
    ]


def test_every_page(page, url, trouble):
    page.goto(url)
    ready(page)
    found = check(page, "Label")
    press(page, "4")
    page.locator(".gs-recent summary").click()
    press(page, "g")
    found += check(page, "Label, all open")
    press(page, "?")
    found += check(page, "Keys")
    press(page, "Escape")
    for tab, sign in (
        ("Explore", ".gs-card"),
        ("Align", "#page-align .gem-card"),
        ("Results", ".gem-verdict"),
        ("Data", "#agreement table"),
    ):
        page.get_by_role("tab", name=tab).click()
        expect(page.locator(sign).first).to_be_visible()
        page.wait_for_timeout(1000)  # figures are drawn after their page is there
        found += check(page, tab)
    assert trouble == []
    assert found == []


EMPTY = {
    "Explore": text.NO_CANDIDATES,
    "Align": text_runs.NO_RUN_YET,
    "Results": text_runs.HISTORY_EMPTY,
    "Data": text_runs.DATA_EMPTY,
}


def test_a_project_without_anything(page, trouble):
    with serving(RunsStudio(all_projects=[Project("new", "New")])) as app:
        page.goto(f"{app.local_url}?project=new")
        expect(page.get_by_text(text.NO_CASES)).to_be_visible()
        found = check(page, "Label without cases")
        for tab, sign in EMPTY.items():
            page.get_by_role("tab", name=tab).click()
            expect(page.get_by_text(sign).first).to_be_visible()
            if tab == "Data":
                page.locator("#audit button.label-wrap").click()
                expect(page.get_by_text(text_audit.NONE)).to_be_visible()
            page.wait_for_timeout(1000)
            found += check(page, f"{tab} without anything")
            cards = page.locator(".gem-card").filter(visible=True)
            assert all(words.strip() for words in cards.all_inner_texts()), tab
    assert trouble == []
    assert found == []


@pytest.fixture
def here(tmp_path):
    """A studio with accounts: raters who differ, contradict themselves and go round in a circle."""
    with Database(tmp_path / DATABASE_FILE) as db:
        create_project(db, "Crowd", project_id="crowd")
        update_project(
            db,
            "crowd",
            guidelines="",
            reasons=["dose"],
            is_reason_required=False,
            raters_per_case=3,
        )
        around = ("Rest.", "Aspirin.", "Tea.")
        for first, second in zip(around, around[1:] + around[:1], strict=True):
            pair = add_comparison(db, "crowd", "A cold?", first, second)
            preferred = "a" if pair.answer_a == first else "b"
            save_label(db, show_case(pair, "anna"), "anna", Judgement(preferred))
        pair = add_comparison(db, "crowd", "Fever?", "Wait.", "Operate now.")
        for rater, is_acceptable in (("anna", True), ("bert", False), ("bert", True)):
            said = Judgement("ab"[is_acceptable], 2, is_acceptable, "Too late.", reasons=("dose",))
            save_label(db, show_case(pair, rater), rater, said)
        settle(db, show_case(pair, "dora"), "dora", Judgement("tie"))
        save_label(db, show_case(pair, "anna"), "anna", Judgement("both_bad"))
        password = account(db, "dora", "admin")
    studio = HereStudio(tmp_path)
    yield studio, password
    studio.close()


def test_accounts_board_import_dispute_log_and_a_lost_connection(
    page, here, tmp_path, leaving, trouble
):
    studio, password = here
    page.goto(f"{studio.app.local_url}?project=crowd")
    log_in(page, "dora", password)
    ready(page)
    page.locator("#account-more").click()
    expect(page.get_by_label(text_raters.NEW_PASSWORD)).to_be_visible()
    if not page.locator("#label-order .gs-order").is_visible():
        press(page, "k")
    expect(page.locator("#label-order [data-grip]")).to_have_count(3)
    found = check(page, "Account and board")
    page.get_by_role("tab", name="Data").click()
    expect(page.locator("#dispute-case .gs-answers")).to_be_visible()
    page.locator("#audit button.label-wrap").click()
    page.locator("#audit-log summary").first.click()
    expect(page.get_by_text(text_agreement.CYCLE_TITLE).first).to_be_visible()
    rows = tmp_path / "rows.csv"
    rows.write_text("question,chosen,rejected\nQ,yes,no\nQ,same,same\n")
    page.locator("#page-data input[type=file]").first.set_input_files(rows)
    expect(page.locator("#import-preview .gem-preview")).to_be_visible()
    page.locator("#rater-name").locator("input, textarea").fill("cleo")
    page.locator("#rater-invite").click()
    expect(page.locator("#raters-said code")).to_be_visible()
    found += check(page, "Data, all open")
    with leaving():
        studio.close()
        expect(page.get_by_role("alert").filter(has_text=text.CONNECTION_LOST)).to_be_visible()
        found += check(page, "Connection lost")
        page.close()
        studio.open()
    assert trouble == []
    assert found == []


# What the rules must find, or they were not asked.
SPOIL = """document.querySelector('button').insertAdjacentHTML('afterend',
  '<button class="spoilt"></button>' +
  '<p class="spoilt" style="color:#777;background:#888">pale</p>')"""


def test_login_page(page, tmp_path, trouble):
    with Database(tmp_path / DATABASE_FILE) as db:
        invite(db, "dora", "admin")
    with Studio(tmp_path, device="cpu") as studio, serving(studio) as app:
        page.goto(app.local_url)
        expect(page.get_by_label("username")).to_be_visible()
        page.evaluate(SPOIL)
        found = sorted(one[2] for one in check(page, "Login", LOGIN_WITHOUT))
        assert found == ["button-name"] * len(WIDTHS) + ["color-contrast"] * 2
        page.evaluate("document.querySelectorAll('.spoilt').forEach((one) => one.remove())")
        assert check(page, "Login", LOGIN_WITHOUT) == []
        assert page.title() == text.NAME
    assert trouble == []


# --- Label by keyboard alone ------------------------------------------------------------------
SEEN = """() => {
  // the frame of a list is three elements around its field
  const near = [document.activeElement];
  while (near.length < 4) near.push(near.at(-1).parentElement);
  return near.map((element) => getComputedStyle(element)).some(
    (style) => style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) >= 2);
}"""


def tab_to(page, place):
    """Go on with Tab until the focus is there, which everybody can see."""
    for _ in range(250):  # ten cards with all their buttons may be in between
        press(page, "Tab")
        if page.evaluate("place => document.activeElement.matches(place)", place):
            assert page.evaluate(SEEN), f"the focus on {place} cannot be seen"
            return
    raise AssertionError(f"Tab does not come to {place}")


def test_a_case_is_labelled_reopened_and_entered_without_a_mouse(browser, watch, tmp_path, trouble):
    with Studio(tmp_path, device="cpu") as studio, serving(studio) as app:
        project = studio.create_project("Keys").project_id
        studio.enter_pair(project, "Question 00", "Wait.", "Operate now.")
        page = watch(browser.new_page(reduced_motion="reduce"))
        page.goto(f"{app.local_url}?project={project}")
        ready(page)
        for place in ("#choice-right", "[data-strength='2']", "[data-acceptable=no]", "#reason-1"):
            tab_to(page, place)
            press(page, "Space")
        tab_to(page, "#label-rationale textarea")
        page.keyboard.type("too late")
        tab_to(page, "#label-save")
        press(page, "Enter")
        expect(page.get_by_text(text.ALL_DONE)).to_be_visible()
        [label] = studio.recent_labels(project)
        said = label.judgement
        assert (said.strength, said.is_acceptable, said.reasons, said.rationale) == (
            *(2, False, ("safety",), "too late"),
        )
        tab_to(page, ".gs-recent summary")
        press(page, "Enter")
        tab_to(page, ".gs-recent li button")
        press(page, "Enter")
        say(page, text.REOPENED)
        enter_a_pair(page)
        assert studio.label_progress(project).pending == 2
    assert trouble == []


def enter_a_pair(page):
    tab_to(page, ".gs-more button.label-wrap")
    press(page, "Enter")
    for words in ("Typed", "One.", "Two."):
        tab_to(page, ".gs-more textarea")
        page.keyboard.type(words)
    tab_to(page, ".gs-more input[type=radio]")
    tab_to(page, "#label-add")
    press(page, "Enter")
    say(page, text.PAIR_ADDED)


# --- Data by keyboard alone -------------------------------------------------------------------
def test_a_rater_is_invited_and_labels_exported_without_a_mouse(browser, watch, tmp_path, trouble):
    with Studio(tmp_path, device="cpu") as studio, serving(studio) as app:
        project = studio.create_project("Keys").project_id
        case = studio.enter_pair(project, "Question", "Wait.", "Operate now.")
        studio.save_label(case, Judgement("b"))
        page = watch(browser.new_page(reduced_motion="reduce"))
        page.goto(f"{app.local_url}?project={project}&tab=data")
        expect(page.locator("#page-data .gem-tiles")).to_be_visible()
        tab_to(page, "#export-format [value=csv]")
        press(page, "Space")
        tab_to(page, "#export")
        press(page, "Enter")
        expect(page.locator("#export-file a").first).to_be_visible()
        tab_to(page, "#export-file a")
        with page.expect_download() as download:
            press(page, "Enter")
        assert download.value.suggested_filename == "keys-trains.csv"
        assert "Operate now." in Path(download.value.path()).read_text("utf-8")
        tab_to(page, "#rater-name :is(input, textarea)")
        page.keyboard.type("dora")
        tab_to(page, "#rater-role input")
        role = page.locator("#rater-role input")
        expect(role).to_have_attribute("aria-activedescendant", re.compile("option-0$"))  # open
        press(page, "ArrowDown")
        expect(role).to_have_attribute("aria-activedescendant", re.compile("option-1$"))
        press(page, "Enter")
        expect(role).to_have_value(re.compile("^Admin"))
        tab_to(page, "#rater-invite")
        press(page, "Enter")
        expect(page.locator("#raters-said code")).to_be_visible()
        assert [(one.rater, one.role) for one in studio.raters()] == [("dora", "admin")]
    assert trouble == []


# --- Explore by keyboard alone ----------------------------------------------------------------
def test_answers_are_sampled_read_branched_and_paired_without_a_mouse(
    browser, watch, tmp_path, trouble
):
    """With the embedded model; by axe's rules in each state that Explore has on the way."""
    with Studio(tmp_path, device="cpu") as studio, serving(studio) as app:
        page = watch(browser.new_page(reduced_motion="reduce"))
        page.goto(f"{app.local_url}?tab=explore")
        expect(page.locator("#explore-sample:enabled")).to_be_visible()
        tab_to(page, "#explore-drawing button.label-wrap")
        press(page, "Enter")
        tab_to(page, "#explore-sample")
        press(page, "Enter")
        expect(page.locator(".gs-card")).to_have_count(5)
        expect(page.locator("#explore-stop")).to_be_hidden()
        found = check(page, "Explore, how answers are drawn")
        tab_to(page, ".gs-tokens")
        press(page, "ArrowRight", "ArrowRight", "ArrowRight", "Enter")
        expect(page.locator(".gs-note button").first).to_be_focused()
        found += check(page, "Explore, a token's note")
        press(page, "Enter")
        expect(page.locator(".gs-card")).to_have_count(10)
        expect(page.locator("#explore-stop")).to_be_hidden()
        found += check(page, "Explore, other ways on")
        for _ in range(2):
            tab_to(page, ".gs-compare[aria-pressed=false]")
            press(page, "Enter")
        expect(page.locator(".gs-compare[aria-pressed=true]")).to_have_count(2)
        found += check(page, "Explore, two compared")
        tab_to(page, ".gs-share summary")
        press(page, "Enter")
        found += check(page, "Explore, share open")
        tab_to(page, ".gs-modes input")
        press(page, "ArrowRight")
        found += check(page, "Explore, another colour")
        tab_to(page, "#explore-rank")
        press(page, "Enter")
        expect(page.locator("#page-label")).to_be_visible()
        ready(page)
        assert studio.label_progress("demo").pending > 24
        assert found == []
    assert trouble == []
