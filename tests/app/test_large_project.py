"""Pages of a project with 50,000 pairs: what is sent to the browser stays bounded."""

import json
import time

import gradio as gr
import pytest

from app.access import ALONE
from app.main import _BUILDERS
from app.studio import Studio
from app.studio_base import DATABASE_FILE
from app.studio_explore import MOST_PROMPTS
from benchmarks.label_load import PROJECT, fill

NUM_LABELS = 100_000  # two on each pair, and all of them differ
MOST_CHARACTERS = 250_000  # of all the values of a page, of which 200 questions are most
MOST_CHOICES = 201  # of one list: those that are listed, and the one that is chosen

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


@pytest.fixture(scope="module")
def studio(tmp_path_factory):
    folder = tmp_path_factory.mktemp("large")
    fill(folder, 50, NUM_LABELS)
    assert (folder / DATABASE_FILE).exists()
    with Studio(folder, device="cpu") as studio:
        studio.access.current = lambda: ALONE  # whoever looks at the pages here is an admin
        yield studio


def sent(values):
    """What a page's handler returns, as the browser gets it: updates and values, without states."""
    return [value for value in values if isinstance(value, dict | str | gr.blocks.Block)]


def as_text(value):
    return json.dumps(value if isinstance(value, dict | str) else value.constructor_args)


def choices(value):
    listed = value.get("choices") if isinstance(value, dict) else getattr(value, "choices", None)
    return listed or []


@pytest.mark.parametrize("name", _BUILDERS)
def test_page_sends_a_bounded_number_of_values(studio, name):
    with gr.Blocks():
        page = _BUILDERS[name](studio, gr.State(PROJECT))
        given = [part.value for part in page.refresh_inputs]
        values = sent(page.refresh(PROJECT, *given))
    assert sum(len(as_text(value)) for value in values) < MOST_CHARACTERS
    assert max((len(choices(value)) for value in values), default=0) <= MOST_CHOICES


def test_lists_to_choose_from_say_how_many_there_are(studio):
    found = studio.find_prompts(PROJECT)
    assert (len(found.prompts), found.num_prompts) == (MOST_PROMPTS, NUM_LABELS // 2)
    found = studio.find_prompts(PROJECT, "question 49999:")
    assert [prompt.prompt for prompt in found.prompts] == [
        "Question 49999: is this treatment of use?"
    ]
    assert len(studio.disputes(PROJECT)) == 200
    assert studio.count_disputes(PROJECT) == (0, NUM_LABELS // 2)


def test_figures_are_worked_out_beside_the_page_and_few_pairs_of_raters_are_compared(studio):
    view = studio.agreement(PROJECT)
    while studio.is_agreement_busy(PROJECT):
        time.sleep(0.1)
    view = studio.known_agreement(PROJECT)
    assert (len(view.pairs), view.num_pairs) == (20, 50 * 49 // 2)
    assert view.krippendorff.n == NUM_LABELS // 2
