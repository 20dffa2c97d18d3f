"""The expert's path, once, for real: the studio's own process, its engine, a run, and Chromium."""

import json

import pytest
from playwright.sync_api import expect

from tests.ui.running import RunningStudio, launch

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.timeout(900)]

RUN_TIMEOUT_MS = 300_000
TABS = ("Label", "Explore", "Align", "Results", "Data")


@pytest.fixture
def studio(tmp_path):
    studio = RunningStudio(tmp_path / "data")
    yield studio
    if studio.process.poll() is None:
        studio.stop()


@pytest.fixture
def open_page(browser, watch):
    def open_page(url, color_scheme="light"):
        size = {"width": 1280, "height": 900}
        page = watch(browser.new_page(viewport=size, color_scheme=color_scheme))
        page.goto(url)
        return page

    return open_page


def card_order(page):
    return page.eval_on_selector_all(
        "#page-explore .gs-card, .gs-card", "all => all.map(card => card.dataset.id)"
    )


def share_done(page):
    return int(page.locator(".gem-bar[role=progressbar]").get_attribute("aria-valuenow"))


def test_label_explore_align_and_see_the_verdict(studio, open_page, leaving, trouble):
    page = open_page(studio.url)
    label_three_by_keyboard(page)
    read_chains(page)
    learn_from_labels(page)
    page = run_outlives_the_tab(page, lambda: open_page(f"{studio.url}?tab=align"), leaving)
    read_the_verdict(page)
    with leaving():
        page.close()
    assert trouble == []

    papers = {scheme: visit_every_page(studio, open_page, scheme) for scheme in ("light", "dark")}
    assert trouble == []
    assert papers["light"] != papers["dark"]


def label_three_by_keyboard(page):
    expect(page.locator("#label-progress")).to_contain_text("224 of 248")
    page.wait_for_function("window.gemStudio?.caseId")  # its buttons hold the case, too
    for count, keys in enumerate((["1", "Enter"], ["2", "Enter"], ["3", "Enter"]), start=225):
        for key in keys:
            page.keyboard.press(key)
        expect(page.locator("#label-progress")).to_contain_text(f"{count} of 248")


def read_chains(page):
    page.get_by_role("tab", name="Explore").click()
    page.locator("#explore-sample").click()
    expect(page.locator(".gs-card")).to_have_count(5)
    # The likeliest places for an order to hang on lambda are groups whose terms disagree.
    page.locator(".gs-token").nth(2).hover()
    note = page.locator(".gs-note")
    expect(note).to_be_visible()
    expect(note).to_contain_text("nats")
    assert note.locator(".gs-alternative").count() == 5
    orders = set()
    slider = page.get_by_label("Weight of exploring").and_(page.locator("[type=range]"))
    for value in ("0", "1", "3"):
        slider.fill(value)
        expect(page.locator(".gs-card").first).to_contain_text(f"= {value}.0 ")
        orders.add(tuple(card_order(page)))
    assert len(orders) > 1, "no weight changed the order"


def learn_from_labels(page):
    """35 comparisons: those of the demo and the three just labelled, of which one is a tie."""
    lesson = page.locator("#explore-lesson")
    expect(lesson).to_contain_text("There are 35 comparisons to learn from.")
    page.locator("#explore-learn").click()
    expect(lesson.locator(".gem-weights li")).to_have_count(3)
    expect(lesson).to_contain_text("n = 35 comparisons")
    page.get_by_label("Calibrated on your labels").check()
    expect(page.locator(".gs-score").first).to_contain_text("Calibrated score")
    expect(page.locator(".gs-card")).to_have_count(5)


def run_outlives_the_tab(page, open_again, leaving):
    page.get_by_role("tab", name="Align").click()
    ranking = page.locator("#page-align").get_by_label("Calibrated on your labels")
    ranking.check()
    page.get_by_role("button", name="Align the model").click()
    expect(page.locator(".gem-bar[role=progressbar]")).to_be_visible(timeout=30_000)
    with leaving():
        page.reload()
    expect(page.locator(".gem-bar[role=progressbar]")).to_be_visible(timeout=30_000)
    seen = share_done(page)
    with leaving():
        page.close()

    page = open_again()
    bar = page.locator(".gem-bar[role=progressbar]")
    expect(bar).to_be_visible(timeout=30_000)
    page.wait_for_function(
        "seen => Number(document.querySelector('.gem-bar')?.ariaValueNow ?? 101) > seen",
        arg=seen,
        timeout=RUN_TIMEOUT_MS,
    )
    expect(bar).to_have_count(0, timeout=RUN_TIMEOUT_MS)
    expect(page.locator("#page-align .gem-lesson")).to_contain_text("Your labels")
    return page


def read_the_verdict(page):
    page.get_by_role("tab", name="Results").click()
    expect(page.locator(".gem-verdict")).to_contain_text("n = 128")
    expect(page.locator(".gem-verdict")).to_contain_text("ranking calibrated on your labels")
    expect(page.locator("#page-results .gem-lesson")).to_contain_text("Your labels")


def visit_every_page(studio, open_page, color_scheme):
    """Open each tab once and return the colour of the paper."""
    page = open_page(studio.url, color_scheme)
    for tab in TABS:
        page.get_by_role("tab", name=tab).click()
        expect(page.locator(f"#page-{tab.lower()}")).to_be_visible()
        page.wait_for_timeout(1500)  # figures are drawn after their page is there
        expect(page.locator(".toast-body")).to_have_count(0)
    return page.evaluate("getComputedStyle(document.body).backgroundColor")


def test_a_saved_label_survives_kill_9(studio, open_page, leaving, trouble):
    page = open_page(studio.url)
    expect(page.locator("#label-progress")).to_contain_text("224 of 248")
    page.wait_for_function("window.gemStudio?.caseId")  # its buttons hold the case, too
    page.keyboard.press("1")
    page.keyboard.press("Enter")
    expect(page.locator("#label-progress")).to_contain_text("225 of 248")
    with leaving():
        studio.kill()
        page.close()
    studio.start()
    page = open_page(studio.url)
    expect(page.locator("#label-progress")).to_contain_text("225 of 248")
    assert trouble == []


def test_hostile_text_is_labelled_and_exported_unchanged(tmp_path, open_page, leaving, trouble):
    prompt = "`tick` ${alert(1)} <img src=x onerror=alert(1)> {{value}} </script>"
    answers = ("\\frac{a}{b} \\u12 \u202eright to left \u05d0\u05d1", "<b>x</b> " + "50k " * 12_500)
    rows = {"prompt": prompt, "answer_a": answers[0], "answer_b": answers[1]}
    (tmp_path / "hostile.jsonl").write_text(json.dumps(rows) + "\n", "utf-8")
    where = ("--data-dir", str(tmp_path / "data"), "--project", "Hostile <b>${alert(2)}</b>")
    launch("import", str(tmp_path / "hostile.jsonl"), *where)

    studio = RunningStudio(tmp_path / "data")
    page = open_page(studio.url)
    page.locator("#project input").click()
    page.get_by_role("option", name="Hostile").click()
    expect(page.locator("#label-case")).to_contain_text(prompt)
    shown = page.eval_on_selector_all("#label-case .gs-answer .gs-text", TEXTS)
    assert sorted(shown) == sorted(answers)
    left_is_first = shown[0] == answers[0]
    expect(page.locator("#label-case[data-case]:not([data-case=''])")).to_be_visible()
    page.keyboard.press("1")
    page.locator("#label-rationale textarea, #label-rationale input").fill(prompt)
    page.locator("#label-save").click()
    expect(page.locator("#label-progress")).to_contain_text("1 of 1")
    with leaving():
        page.close()
    studio.stop()

    launch("export", *where, "--format", "jsonl", "--out", str(tmp_path / "out.jsonl"))
    row = json.loads((tmp_path / "out.jsonl").read_text("utf-8"))
    better, worse = answers if left_is_first else answers[::-1]
    assert (row["prompt"], row["chosen"], row["rejected"]) == (prompt, better, worse)
    assert row["rationale"] == prompt
    assert trouble == []


TEXTS = "all => all.map(one => one.textContent)"
