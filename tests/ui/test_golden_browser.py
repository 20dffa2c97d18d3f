"""The card of a candidate as the browser draws it, against the one that was looked at and kept.

Where a change is meant, look at the new card and keep it: GOLDEN=keep pytest -m browser THIS_FILE.
"""

import os
from pathlib import Path

import pytest

from gem_backend.types import Span, Spans
from tests.app.fakes import demo_studio
from tests.app.serving import serving
from tests.app.test_heatmap import tiny

pytestmark = pytest.mark.browser

GOLDEN = Path(__file__).with_name("golden_card.html")

TOKENS = ("<b>Two</b>", " signs", ",\n", "", "é", " \t", " Final Answer:", " 2", " points", "")
ENTROPY = (0.1, 1.9, 0.3, 0.0, 2.4, 0.7, 0.01, 1.2, 0.05, 0.0)


@pytest.fixture
def page(browser, watch):
    spans = Spans(Span(0, 6), Span(7, 9), True)
    studio = demo_studio()
    studio.groups["p0"] = [tiny(TOKENS, ENTROPY, spans, is_finished=True)]
    page = watch(browser.new_page(viewport={"width": 1280, "height": 900}))
    with serving(studio) as app:
        page.goto(f"{app.local_url}?tab=explore")
        page.wait_for_selector(".gs-peak")
        yield page


def test_card_is_drawn_as_the_kept_one(page, trouble):
    card = page.locator(".gs-card").evaluate("card => card.outerHTML").replace("><", ">\n<") + "\n"
    if os.environ.get("GOLDEN") == "keep":
        GOLDEN.write_text(card, encoding="utf-8")
    assert card == GOLDEN.read_text(encoding="utf-8")
    assert trouble == []
