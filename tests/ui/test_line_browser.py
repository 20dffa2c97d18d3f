"""Runs that wait for the device, in a real browser: planned, put in line, taken out of it."""

import pytest
from playwright.sync_api import expect

from app.run_specs import new_run_spec, snapshot
from app.studio import Studio
from app.text import runs as say
from gem_backend.reporter import Reporter
from gem_backend.run_dir import RunDir
from storage import runs
from tests.app.serving import serving

pytestmark = [pytest.mark.browser, pytest.mark.timeout(600)]


@pytest.fixture
def studio(tmp_path):
    with Studio(tmp_path / "data", device="cpu") as studio:
        yield studio


@pytest.fixture
def at_work(studio, tmp_path):
    """A run that holds the device; its worker is this test, which trains nothing."""
    project = studio.project("demo")
    spec = new_run_spec(studio.preset("quick"), project, *snapshot(studio._db, "demo"))
    run = RunDir.create(tmp_path / "data" / "runs" / spec.run_id, spec)
    reporter = Reporter(run)
    runs.register_run(studio._db, spec, run.path)
    yield reporter
    reporter.end("stopped", "")


@pytest.fixture
def page(browser, watch, studio, at_work):
    with serving(studio) as app:
        page = watch(browser.new_page(viewport={"width": 1280, "height": 900}))
        page.goto(f"{app.local_url}?project=demo&tab=align")
        yield page


def button(page, words):
    return page.get_by_role("button", name=words, exact=True)


def rows(page):
    return page.locator(".gem-line tbody tr")


def test_a_second_run_is_planned_waits_and_is_taken_out(page, studio, trouble):
    for number in (1, 2):
        button(page, say.ANOTHER_BUTTON).click()
        expect(page.get_by_text(say.behind(number))).to_be_visible()
        button(page, say.LINE_UP_BUTTON).click()
        expect(rows(page)).to_have_count(number)
        expect(button(page, say.LINE_UP_BUTTON)).to_be_hidden()
    begun, first, second = (one.run.run_id for one in studio.line("demo"))
    expect(rows(page).nth(1)).to_contain_text(say.begins(2))
    rows(page).nth(0).get_by_role("button").focus()
    page.keyboard.press("Enter")
    expect(rows(page)).to_have_count(1)
    expect(rows(page)).to_contain_text(say.begins(1))
    assert [one.run.run_id for one in studio.line("demo")] == [begun, second]
    states = {run.run_id: run.status.state for run in studio.runs("demo")}
    assert states[first] == "stopped"
    page.reload()
    expect(rows(page)).to_have_count(1)
    rows(page).get_by_role("button").click()
    expect(page.locator(".gem-line")).to_be_hidden()
    assert [one.run.run_id for one in studio.line("demo")] == [begun]
    assert trouble == []
