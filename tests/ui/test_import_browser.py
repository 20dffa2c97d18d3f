"""A file with columns of other names in a real browser: looked at, mapped, imported, reported."""

import csv

import pytest
from playwright.sync_api import expect

from app.studio import Studio
from app.text import imports as say
from tests.app.fakes import demo_studio
from tests.app.serving import serving
from tests.app.test_heatmap import HOSTILE

pytestmark = pytest.mark.browser

HEADER = "worse <img src=x onerror=alert(1)> ${alert(2)} {{value}}"


@pytest.fixture
def page(browser, watch):
    return watch(browser.new_page(viewport={"width": 1280, "height": 900}))


@pytest.fixture
def odd(tmp_path):
    """A table in whose cells and column names hostile texts stand, and one bad row."""
    path = tmp_path / "odd <b>${alert(3)}.csv"
    with path.open("w", encoding="utf-8", newline="") as file:
        table = csv.writer(file)
        table.writerow(["question", "Antwort", HEADER])
        table.writerows(["Q " + text, "good " + text, "bad " + text] for text in HOSTILE)
        table.writerow(["Q", "same", "same"])
    return path


def choose(page, ours, theirs):
    page.locator(f"#import-column-{ours} input").click()
    page.get_by_role("option", name=theirs).click()
    expect(page.get_by_role("option")).to_have_count(0)  # the next list has the same words


def upload(page, path):
    page.locator("#page-data input[type=file]").first.set_input_files(path)


def test_odd_file_is_mapped_and_imported(page, trouble, tmp_path, odd):
    with Studio(tmp_path / "data", device="cpu") as studio, serving(studio) as app:
        page.goto(f"{app.local_url}?tab=data")
        tiles = page.locator("#page-data .gem-tiles")
        expect(tiles).to_contain_text("cases labelled")
        before = tiles.inner_text()
        upload(page, odd)
        preview = page.locator("#import-preview")
        expect(preview).to_contain_text("question")
        expect(page.locator("#import-column-prompt input")).to_have_value("question")
        expect(preview.locator(".gem-preview")).to_have_count(0)

        choose(page, "chosen", "antwort")
        expect(page.locator("#import-column-chosen input")).to_have_value("antwort")
        choose(page, "rejected", HEADER.lower())
        rows = preview.locator(".gem-preview tbody tr")
        expect(rows).to_have_count(len(HOSTILE))
        expect(rows.first).to_contain_text("A is better")
        shown = rows.locator("td:nth-child(2)").all_inner_texts()
        assert shown == ["good " + " ".join(text.split()) for text in HOSTILE]
        expect(preview.locator(".gem-refused tbody")).to_contain_text("Both answers are the same.")

        choose(page, "rejected", "antwort")
        expect(preview).to_contain_text("“antwort” is chosen twice")
        expect(page.locator("#import-start")).to_be_disabled()
        choose(page, "rejected", HEADER.lower())
        expect(rows).to_have_count(len(HOSTILE))

        page.locator("#import-start").click()
        outcome = page.locator("#import-outcome")
        expect(outcome).to_contain_text(f"{len(HOSTILE)} entries imported, 0 already there, 1 row")
        expect(outcome.locator(".gem-refused tbody tr")).to_have_count(1)
        expect(page.locator("#import-start")).to_be_hidden()
        expect(tiles).not_to_have_text(before)
        page.reload()
        expect(outcome).to_contain_text(f"{len(HOSTILE)} entries imported")
        page.close()
    assert trouble == []


def test_cancel_forgets_the_file_and_stop_stores_nothing(page, trouble, odd):
    studio = demo_studio()
    studio.rows_to_import = 10**9
    with serving(studio) as app:
        page.goto(f"{app.local_url}?tab=data")
        expect(page.locator("#page-data .gem-tiles")).to_be_visible()
        place = page.locator("#import-place input, #import-place textarea")
        place.fill(str(odd))
        page.locator("#import-look").click()
        expect(page.locator("#import-columns")).to_be_visible()
        page.locator("#import-cancel").click()
        expect(page.locator("#import-columns")).to_be_hidden()
        expect(page.locator("#import-preview")).to_be_hidden()
        expect(place).to_have_value("")

        upload(page, odd)
        expect(page.locator("#import-columns")).to_be_visible()
        choose(page, "chosen", "antwort")
        expect(page.locator("#import-preview")).to_contain_text("'rejected' is empty")
        page.locator("#import-start").click()
        page.locator("#import-stop").click()
        expect(page.locator("#import-outcome")).to_contain_text(say.STOPPED)
        expect(page.locator("#import-stop")).to_be_hidden()
    assert trouble == []
