"""Every page by axe-core's rules, in light and dark, wide and narrow; and Label without a mouse."""

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect

from app import text
from app.desks.agreement import AgreementView, agreement_view
from app.studio import DATABASE_FILE, Studio
from gem_backend.types import Rater
from storage.database import Database
from storage.raters import invite
from tests.app.fakes import demo_studio
from tests.app.fakes_runs import RunsStudio, calibrated, done_view, rival_view
from tests.app.serving import serving
from tests.ui.test_label_browser import press, ready, say

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
    with serving(FullStudio(cases=demo.cases, groups=demo.groups, views=views)) as app:
        yield app.local_url


@pytest.fixture(params=["light", "dark"])
def page(browser, watch, request):
    size = {"width": 1280, "height": 900}
    context = browser.new_context(
        viewport=size, color_scheme=request.param, reduced_motion="reduce"
    )
    return watch(context.new_page())


def check(page, where, without=()):
    """Run axe at both widths; what it found, and whether the page is too wide."""
    found = []
    for width, slow in WIDTHS.items():
        page.set_viewport_size({"width": width, "height": 900})
        page.wait_for_timeout(300)
        rules = {rule: {"enabled": False} for rule in (*slow, *without)}
        result = Axe().run(page, options={"resultTypes": ["violations"], "rules": rules})
        found += [
            (where, width, rule["id"], node["target"], node["failureSummary"])
            for rule in result.response["violations"]
            for node in rule["nodes"]
        ]
        if page.evaluate("document.documentElement.scrollWidth") > width:
            found.append((where, width, "scrolls sideways"))
    return found


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


def test_login_page(page, tmp_path, trouble):
    with Database(tmp_path / DATABASE_FILE) as db:
        invite(db, "dora", "admin")
    with Studio(tmp_path, device="cpu") as studio, serving(studio) as app:
        page.goto(app.local_url)
        expect(page.get_by_label("username")).to_be_visible()
        page.evaluate("document.querySelector('button').after(document.createElement('button'))")
        found = check(page, "Login", LOGIN_WITHOUT)
        assert [one[2] for one in found] == ["button-name"] * len(WIDTHS)
        page.evaluate("document.querySelector('button:empty').remove()")
        assert check(page, "Login", LOGIN_WITHOUT) == []
        assert page.title() == text.NAME
    assert trouble == []


# --- Label by keyboard alone ------------------------------------------------------------------
SEEN = """() => {
  const style = getComputedStyle(document.activeElement);
  return style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) >= 2;
}"""


def tab_to(page, place):
    """Go on with Tab until the focus is there, which everybody can see."""
    for _ in range(80):
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
