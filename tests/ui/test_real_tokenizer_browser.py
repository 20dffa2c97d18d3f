"""GPT-2's real vocabulary over random weights: what cuts characters to pieces is shown whole."""

import json
import re

import pytest

from gem_backend.policy import load_policy
from gem_backend.sampling import score_completion
from tests.app.fakes import demo_studio
from tests.app.serving import serving
from tests.gem_backend.conftest import gpt2_tokenizer, random_llama  # noqa: F401 - a fixture

pytestmark = [pytest.mark.browser, pytest.mark.slow]

PROMPT = "A man of 71 has atrial fibrillation. Naïve façade? 你好 👩🏽‍⚕️\n"
COMPLETION = (
    "Age 71 scores (1) — naïve 😀 façade 👩🏽‍⚕️.\n"
    "```python\n\tif age >= 75:\n\t    score += 2  # “two”\n```\n"
    "Żółć, Übelkeit, 血圧 120/80.\nFinal Answer: 2 points 你好 🩺"
)


@pytest.fixture
def folder(gpt2_tokenizer, tmp_path):  # noqa: F811 - the fixture
    model = random_llama(len(gpt2_tokenizer), max_position_embeddings=512, initializer_range=0.6)
    model.save_pretrained(tmp_path / "model")
    gpt2_tokenizer.save_pretrained(tmp_path / "model")
    return tmp_path / "model"


def test_emoji_accents_and_code_are_shown_with_the_figures_of_score(
    browser, watch, trouble, folder, run_python
):
    words = ["--model", str(folder), "--prompt", PROMPT, "--completion", COMPLETION, "--json"]
    done = run_python("launch.py", "score", "--no-setup", *words)
    assert done.returncode == 0, done.stderr
    score = json.loads(done.stdout.splitlines()[-1])
    candidate = score_completion(load_policy(str(folder), device="cpu"), PROMPT, COMPLETION)
    assert list(candidate.token_ids) == [token["id"] for token in score["tokens"]]
    studio = demo_studio()
    studio.groups["p0"] = [candidate]
    page = watch(browser.new_page(viewport={"width": 1280, "height": 1200}))
    with serving(studio) as app:
        page.goto(f"{app.local_url}?tab=explore")
        page.wait_for_selector(".gs-token")
        shown = page.eval_on_selector_all(".gs-token", "all => all.map(one => one.textContent)")
        assert "".join(shown) == COMPLETION
        assert {"é", "ï"} & set("".join(shown))
        assert any("👩" in one for one in shown)
        assert len(shown) < len(candidate.token_ids)  # pieces of a character are one
        check_figures(page, shown, score["tokens"])
        page.close()
    assert trouble == []


def check_figures(page, shown, tokens):
    """Each unit shows the highest entropy among its tokens, as ``launch.py score`` gives them."""
    notes = page.evaluate(
        """() => [...document.querySelectorAll('.gs-token')].map((token) => {
            token.dispatchEvent(new MouseEvent('mouseover', { bubbles: true }));
            return document.querySelector('.gs-note').innerText;
        })"""
    )
    place = 0
    for text, note in zip(shown, notes, strict=True):
        end = place + 1
        while "".join(token["text"] for token in tokens[place:end]) != text:
            end += 1
        highest = max(token["entropy"] for token in tokens[place:end])
        figure = float(re.search(r"Entropy\n(\d+\.\d\d) nats", note)[1])
        # three decimals travel, two are shown
        assert figure == pytest.approx(highest, abs=0.0005 + 0.005 + 1e-4)
        place = end
    assert place == len(tokens)
