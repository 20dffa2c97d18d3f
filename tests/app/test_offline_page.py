"""A prompt saved as a page: whole, on its own, and running nothing but its own script."""

import base64
import dataclasses
import hashlib
import json
import re
from html.parser import HTMLParser

import pytest

from app.offline_page import offline_page
from app.ordering import Weighing
from app.text import offline as say
from app.views.heatmap import heat
from app.views.rankings import ranking
from gem_backend.config import ScoringConfig
from gem_backend.types import Provenance
from tests.app.test_heatmap import HOSTILE, tiny

QUESTION = "</title><script>alert(1)</script> & more"
BY_SCORE = Weighing(ScoringConfig())


class Parts(HTMLParser):
    """The tags of a page, and the text of each script with its attributes."""

    def __init__(self, page):
        super().__init__()
        self.tags, self.scripts, self._is_script = [], [], False
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        self._is_script = tag == "script"
        if self._is_script:
            self.scripts.append((dict(attrs), ""))

    def handle_endtag(self, tag):
        self._is_script = False

    def handle_data(self, data):
        if self._is_script:
            attrs, before = self.scripts[-1]
            self.scripts[-1] = attrs, before + data


@pytest.fixture
def group():
    hostile = dataclasses.replace(tiny(HOSTILE), prompt=QUESTION)
    other = dataclasses.replace(tiny(("a", "b")), candidate_id="d", prompt=QUESTION)
    return hostile, other


def test_the_page_holds_what_explore_draws_and_orders(group):
    data = {attrs.get("id"): text for attrs, text in Parts(offline_page(group, BY_SCORE)).scripts}
    assert json.loads(data["cards"])["cards"] == [heat(one) for one in group]
    assert json.loads(data["ranking"]) == ranking(group, BY_SCORE)


def test_only_its_own_script_may_run_and_nothing_is_fetched(group):
    page = offline_page(group, BY_SCORE)
    parts = Parts(page)
    [script] = [text for attrs, text in parts.scripts if "type" not in attrs]
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    [policy] = [a["content"] for tag, a in parts.tags if a.get("http-equiv")]
    assert policy == (
        f"default-src 'none'; style-src 'unsafe-inline'; script-src 'sha256-{digest}'"
    )
    assert not {tag for tag, _ in parts.tags} & {"link", "img", "iframe", "object", "embed"}
    assert not any({"src", "href"} & set(attrs) for _, attrs in parts.tags)
    assert len(parts.scripts) == 3
    names = page.replace("http://www.w3.org/2000/svg", "")  # a name, which nobody fetches
    assert not re.search(r"url\(|@import|https?://", names)


def test_what_made_the_answers_is_said():
    one = tiny(("a",))
    adapted = dataclasses.replace(
        one, provenance=Provenance("/srv/models/demo", "run-1", 0, 1.2, 1.0)
    )
    assert say.made_by([one]) == "1 answer of demo, sampled at temperature 0.9"
    assert say.made_by([one, adapted]) == (
        "2 answers of demo, demo with adapter run-1, sampled at temperature 0.9, 1.2"
    )
