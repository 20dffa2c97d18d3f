"""The studio goes away in the middle of a case: no word is lost, nothing is stored twice."""

import json
import time

import pytest
from playwright.sync_api import expect

from app import text
from app.main import serve
from app.studio import Studio
from app.studio_base import DATABASE_FILE
from storage.audit import label_log
from storage.database import Database
from storage.pairs import add_comparison
from storage.projects import create_project
from tests.ui.conftest import PATIENCE_MS
from tests.ui.running import RunningStudio
from tests.ui.test_label_browser import press, ready, say, shows

pytestmark = [pytest.mark.browser, pytest.mark.timeout(600)]

COUNT = 4
WORDS = "Not with a low eGFR: “stop” <b>first</b>"


@pytest.fixture
def folder(tmp_path):
    """A data folder with a project of four cases."""
    with Database(tmp_path / "data" / DATABASE_FILE) as db:
        project = create_project(db, "Keys").project_id
        for number in range(COUNT):
            add_comparison(db, project, f"Question {number:02}", "Wait.", "Operate now.")
    return tmp_path / "data", project


@pytest.fixture
def page(browser, watch):
    return watch(browser.new_page(viewport={"width": 1280, "height": 900}))


def show(page, url, project):
    page.goto(f"{url}?project={project}")
    ready(page)
    shows(page, 0)


def type_words(page, words):
    page.locator("#label-rationale textarea").click()
    page.keyboard.type(words)
    press(page, "Escape")


def missing(page):
    return page.get_by_role("alert").filter(has_text=text.CONNECTION_LOST)


def what_is_said(page):
    pressed = page.eval_on_selector_all(
        "#label-choice [aria-pressed=true]", "all => all.map(one => one.textContent)"
    )
    return pressed, page.locator("#label-rationale textarea").input_value()


def events(folder):
    path, project = folder
    with Database(path / DATABASE_FILE) as db:
        return [(one.kind, one.rationale) for one in label_log(db, project)]


def test_killed_in_mid_case_and_started_again(folder, page, leaving, trouble):
    studio = RunningStudio(folder[0])
    try:
        show(page, studio.url, folder[1])
        press(page, "3", "Enter")
        shows(page, 1)
        press(page, "2", "2", "w")
        with leaving():
            studio.kill()
            type_words(page, WORDS)
            press(page, "a")
            expect(missing(page)).to_be_visible()
            expect(page.locator(".toast-body")).to_be_hidden()  # one sentence is enough
            press(page, "Enter", "s", "Backspace")  # nobody is there to store, skip or undo
            shows(page, 1)
            before = what_is_said(page)
            studio.start()
            say(page, text.RESTORED)
        expect(missing(page)).to_be_hidden()
        shows(page, 1)
        assert what_is_said(page) == before
        assert WORDS in before[1]
        assert page.evaluate("sessionStorage.length + localStorage.length") == 0
        press(page, "Enter")
        shows(page, 2)
        expect(page.locator("#label-progress")).to_contain_text(f"2 of {COUNT}")
    finally:
        with leaving():
            page.close()
        studio.stop()
    assert events(folder) == [("label", WORDS), ("label", "")]
    assert trouble == []


class HereStudio:
    """A studio in the tests' own process: it comes and goes in a moment, on the same port."""

    def __init__(self, folder):
        self.folder = folder
        self.port = None
        self.open()

    def open(self):
        self.studio = Studio(self.folder, device="cpu")
        self.app = serve(self.studio, port=self.port, wait=False)
        self.port = self.app.server_port

    def close(self):
        self.app.close()
        self.studio.close()


@pytest.fixture
def here(folder):
    here = HereStudio(folder[0])
    yield here
    here.close()


# In the page, before any other script: the answers on their way can be lost, and then the studio.
LOSING = """(() => {
  const ask = window.fetch, streams = new Set();
  let isMute = false, isGone = false;
  const isFor = ([address], part) => String(address.url ?? address).includes(part);
  window.fetch = async (...request) => {
    const isStream = isFor(request, '/queue/data');
    if (isGone && (isStream || isFor(request, '/app_id'))) throw new TypeError('Failed to fetch');
    const answer = await ask(...request);
    if (!isStream) return answer;
    const passing = new TransformStream({
      start: (stream) => streams.add(stream),
      transform: (chunk, stream) => { if (!isMute) stream.enqueue(chunk); },
      flush: () => isMute ? new Promise(() => {}) : undefined, // its end is no answer either
    });
    return new Response(answer.body.pipeThrough(passing), answer);
  };
  window.loseAnswers = () => { isMute = true; };
  window.loseStudio = () => {
    isGone = true;
    streams.forEach((stream) => stream.error(new TypeError('network error')));
  };
  window.findStudio = () => { isMute = isGone = false; };
})()"""


def until(page, condition, patience_ms=PATIENCE_MS):
    """Wait for what the studio does, while the page goes on."""
    end = time.monotonic() + patience_ms / 1000
    while not condition():
        assert time.monotonic() < end, "this did not happen"
        page.wait_for_timeout(50)


def test_answer_that_got_lost_was_saved_once(folder, here, page, leaving, trouble):
    page.add_init_script(LOSING)
    show(page, here.app.local_url, folder[1])
    press(page, "1")
    type_words(page, WORDS)
    with leaving():
        page.evaluate("loseAnswers()")
        press(page, "Enter")
        until(page, lambda: label_log(here.studio._db, folder[1]))
        page.evaluate("loseStudio()")
        expect(missing(page)).to_be_visible()
        page.evaluate("findStudio()")
        # Gradio asks for the answer once more or loads the page anew, whichever comes first.
        expect(page.locator("#label-progress")).to_contain_text(f"1 of {COUNT}")
        shows(page, 1)
        expect(missing(page)).to_be_hidden()
        page.wait_for_function("() => !document.querySelector('#label-rationale textarea')?.value")
        page.close()
    assert len(label_log(here.studio._db, folder[1])) == 1
    assert trouble == []


def test_studio_that_was_closed_and_opened_behind_a_hidden_page(
    folder, here, page, leaving, trouble
):
    show(page, here.app.local_url, folder[1])
    with leaving():
        page.route("**/queue/join*", lambda route: None)  # as in a tab that hardly ever asks
        type_words(page, WORDS)
        press(page, "4")
        here.close()
        here.open()
        page.unroute("**/queue/join*")
        page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
        say(page, text.RESTORED)
    shows(page, 0)
    pressed, words = what_is_said(page)
    assert (len(pressed), words) == (1, WORDS)
    assert trouble == []


def test_hostile_kept_words_break_nothing(folder, here, page, trouble):
    page.goto(here.app.local_url)
    ready(page)
    hostile = {"rater": "expert", "choice": {"case": "'; --"}, "rationale": {"a": []}}
    page.evaluate("kept => sessionStorage.setItem('gem-studio-kept', kept)", json.dumps(hostile))
    page.reload()
    ready(page)
    expect(page.locator(".toast-body")).to_contain_text("no longer there")
    page.keyboard.press("1")
    expect(page.locator("#choice-left")).to_have_attribute("aria-pressed", "true")
    assert page.evaluate("sessionStorage.length") == 0
    assert trouble == []
