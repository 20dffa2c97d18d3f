"""What an expert waits for: a page, the next case, a chain of thought, another order of the cards.

Usage: python -m benchmarks.pages [--candidates 100000] [--tokens 512] [--heatmap] [--chromium PATH]

Fills a new data folder with that many stored candidates, the question that Explore opens with
having five of that many tokens, and with cases to label. Then it measures the studio's own part in
this process (what it takes to show those five, and to order them anew), and the whole in Chromium:
from the address to a page that takes keys, from the first key to the next case, from the slider to
the new order, from a key or a click on the heatmap to the frame that shows what it did (``words_``
and ``colour_``; for these also the processor's time that the page's main thread took until then,
and of that style and layout alone). ``--heatmap`` measures this last part only.
Prints one JSON object; times are in milliseconds, each with n, median and 95th percentile.
"""

import argparse
import json
import os
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import numpy as np
import pyarrow as pa
from playwright.sync_api import CDPSession, Page, sync_playwright

from app.actions.explore import ExploreActions
from app.main import serve
from app.pages.explore_handlers import ExploreHandlers
from app.studio import Studio
from app.studio_base import DATABASE_FILE
from gem_backend.types import Candidate, Provenance, Span, Spans
from storage.candidates import candidate_rows
from storage.database import Database
from storage.identity import new_id
from storage.opening import open_database
from storage.pairs import add_comparison
from storage.projects import create_project, upsert_prompt

GROUP = 5
OTHER_TOKENS = 16  # of each stored candidate that is not shown
GROUPS_AT_ONCE = 1000
CASES = 60
ACTS = 40  # of each kind, on the heatmap
COLOURS = ("sentence", "surprise", "window", "token")
SETTLED = "() => window.gemStudio?.caseId && document.querySelector('#label-case [data-pair]')"
# From an event to the end of the frame that it brings: its message comes after that frame's paint.
NOTE_FRAMES = """
for (const name of ['keydown', 'change']) {
  addEventListener(name, (event) => {
    window.framed = undefined;
    requestAnimationFrame(() => {
      const after = new MessageChannel();
      after.port1.onmessage = () => { window.framed = performance.now() - event.timeStamp; };
      after.port2.postMessage('');
    });
  }, true);
}
"""
WORK = {"work": ("TaskDuration",), "style_and_layout": ("RecalcStyleDuration", "LayoutDuration")}

Json = dict[str, object]
Acts = Callable[[Page, str], Json]


def main() -> None:
    """Fill, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--candidates", type=int, default=100_000, help="stored ones, in all")
    parser.add_argument("--tokens", type=int, default=512, help="of each that is shown")
    parser.add_argument("--heatmap", action="store_true", help="only keys and colours on it")
    parser.add_argument("--chromium", default="/usr/bin/chromium", help="the program")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        project_id, prompt_id = fill(Path(folder), options.candidates, options.tokens)
        with Studio(Path(folder), device="cpu") as studio:
            found: Json = {"candidates": options.candidates, "tokens": options.tokens}
            if not options.heatmap:
                found |= {"server": studios_part(studio, project_id, prompt_id)}
            acts = _read_only if options.heatmap else _everything
            found |= {"browser": in_chromium(studio, project_id, options.chromium, acts)}
    print(json.dumps(found | {"cores": os.cpu_count()}))


def fill(folder: Path, num_candidates: int, num_tokens: int) -> tuple[str, str]:
    """Store candidates and cases; return the project and the question that Explore opens with."""
    draw = np.random.default_rng(0)
    with open_database(folder / DATABASE_FILE) as db:
        project_id = create_project(db, "Pages").project_id
        asked = [f"Question {number:05}" for number in range(num_candidates // GROUP)]
        prompt_ids = [upsert_prompt(db, project_id, prompt, "train").prompt_id for prompt in asked]
        _store(db, draw, prompt_ids[:1], num_tokens)
        for start in range(1, len(prompt_ids), GROUPS_AT_ONCE):
            _store(db, draw, prompt_ids[start : start + GROUPS_AT_ONCE], OTHER_TOKENS)
        for number in range(CASES):
            add_comparison(db, project_id, f"Case {number:02}", "Wait.", "Operate now.")
    return project_id, prompt_ids[0]


def _store(db: Database, draw: np.random.Generator, prompt_ids: list[str], num_tokens: int) -> None:
    """Store a group of candidates for each question, in one batch of rows."""
    groups = [
        candidate_rows([_candidate(draw, num_tokens) for _ in range(GROUP)], new_id(), prompt_id)
        for prompt_id in prompt_ids
    ]
    db.insert("candidates", pa.concat_tables(groups))


def _candidate(draw: np.random.Generator, num_tokens: int) -> Candidate:
    """Invent an answer; its figures are as many and as long as those of a real one."""
    texts = tuple(f" word{place % 97}" for place in range(num_tokens))
    entropy = draw.gamma(0.5, 1.0, num_tokens)
    probs = np.sort(draw.dirichlet(np.ones(6), num_tokens)[:, :5], axis=1)[:, ::-1]
    answer_at = num_tokens * 4 // 5
    return Candidate(
        candidate_id=new_id(),
        prompt="Question",
        text="".join(texts),
        answer="".join(texts[answer_at:]),
        token_ids=tuple(range(num_tokens)),
        token_texts=texts,
        token_entropy=tuple(entropy.tolist()),
        token_logprob=tuple((-entropy).tolist()),
        top_tokens=tuple(f" other{rank}" for _ in texts for rank in range(5)),
        top_probs=tuple(probs.ravel().tolist()),
        spans=Spans(Span(0, answer_at), Span(answer_at, num_tokens), True),
        is_finished=True,
        provenance=Provenance("benchmark", None, 0, 1.0, 1.0),
    )


def studios_part(studio: Studio, project_id: str, prompt_id: str) -> Json:
    """Measure the handlers as Gradio calls them, without Gradio."""
    handlers = ExploreHandlers(ExploreActions(studio))
    group = handlers.actions.group(prompt_id)
    lambdas = iter(number / 100 for number in range(1000))
    return {
        "whole_page": timed(lambda: handlers.refresh(project_id, prompt_id, None), 30),
        "show_group": timed(lambda: handlers.load(project_id, prompt_id), 30),
        "order_anew": timed(lambda: handlers.reorder(project_id, group, "", next(lambdas)), 30),
    }


def in_chromium(studio: Studio, project_id: str, chromium: str, acts: Acts) -> Json:
    """Measure what somebody at the page waits for."""
    app = serve(studio, wait=False)
    try:
        with _new_page(chromium) as page:
            return acts(page, f"{app.local_url}?project={project_id}")
    finally:
        app.close()


def _everything(page: Page, address: str) -> Json:
    return {
        "label_opens": timed(lambda: _open_label(page, address), 10),
        "next_case": timed(lambda: _label(page), 40),
        "explore_opens": timed(lambda: _open_explore(page, address), 10),
        "cards_in_new_order": timed(lambda: _move_slider(page), 20),
    } | _reading(page)


def _read_only(page: Page, address: str) -> Json:
    _open_explore(page, address)
    return _reading(page)


@contextmanager
def _new_page(chromium: str) -> Iterator[Page]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=chromium, args=["--no-sandbox", "--disable-gpu"]
        )
        page = browser.new_page(viewport={"width": 1280, "height": 900})
        page.add_init_script(NOTE_FRAMES)
        yield page
        browser.close()


def _open_label(page: Page, address: str) -> None:
    page.goto(f"{address}&tab=label")
    page.wait_for_function(SETTLED)


def _label(page: Page) -> None:
    shown = page.evaluate("window.gemStudio.caseId")
    page.keyboard.press("1")
    page.keyboard.press("Enter")
    page.wait_for_function("shown => window.gemStudio.caseId !== shown", arg=shown)


def _open_explore(page: Page, address: str) -> None:
    page.goto(f"{address}&tab=explore")
    page.wait_for_function(f"() => document.querySelectorAll('.gs-card').length === {GROUP}")


def _move_slider(page: Page) -> None:
    slider = page.get_by_label("Weight of exploring").and_(page.locator("[type=range]"))
    value = (float(slider.input_value()) + 0.3) % 3
    slider.fill(f"{value:.1f}")
    page.wait_for_function(
        "words => document.querySelector('.gs-card').textContent.includes(words)",
        arg=f"= {float(slider.input_value()):.1f} ",
    )


def _mark_other_forks(page: Page) -> None:
    """Move the slider of the forks' share; the first card's marks follow."""
    marks = "document.querySelectorAll('.gs-card')[0].querySelectorAll('.gs-peak').length"
    shown = page.evaluate(marks)
    slider = page.get_by_label("Share of forks").and_(page.locator("[type=range]"))
    slider.fill(f"{0.1 + (float(slider.input_value()) + 0.2) % 0.8:.2f}")
    page.wait_for_function(f"shown => {marks} !== shown", arg=shown)


def _reading(page: Page) -> Json:
    """Mark other forks, move the cursor in the last card and colour all of them."""
    found: Json = {"forks_marked_anew": timed(lambda: _mark_other_forks(page), 20)}
    box = page.locator(".gs-tokens").last
    box.focus()
    session = page.context.new_cdp_session(page)
    session.send("Performance.enable", {"timeDomain": "threadTicks"})
    keys = {"next": ["ArrowRight"], "fork": ["n"], "end_and_start": ["End", "Home"]}
    for name, some in keys.items():
        presses = [partial(page.keyboard.press, key) for key in some]
        found[f"words_{name}"] = _framed(page, session, presses)
    modes = [page.locator(f".gs-modes [value={colour}]") for colour in COLOURS]
    return found | {"colour_chosen": _framed(page, session, [mode.check for mode in modes])}


def _framed(page: Page, session: CDPSession, acts: Sequence[Callable[[], None]]) -> Json:
    """Do these in turn, and say how long each took to be seen and what it cost the page."""
    took: dict[str, list[float]] = {"framed": [], **{name: [] for name in WORK}}
    for number in range(ACTS):
        before = _spent(session)
        acts[number % len(acts)]()
        page.wait_for_function("window.framed !== undefined")
        took["framed"].append(page.evaluate("window.framed"))
        for name, spent in _spent(session).items():
            took[name].append(spent - before[name])
    return {name: _said(some) for name, some in took.items()}


def _spent(session: CDPSession) -> dict[str, float]:
    """Return the processor's time that the page's main thread has spent so far, in ms."""
    metrics = session.send("Performance.getMetrics")["metrics"]
    values = {metric["name"]: 1000 * metric["value"] for metric in metrics}
    return {name: sum(values[part] for part in parts) for name, parts in WORK.items()}


def timed(act: Callable[[], object], n: int) -> Json:
    """Do something n times and say how long that took."""
    took_ms = []
    for _ in range(n):
        started = time.perf_counter()
        act()
        took_ms.append((time.perf_counter() - started) * 1000)
    return _said(took_ms)


def _said(took_ms: Sequence[float]) -> Json:
    low, high = np.percentile(took_ms, (50, 95))
    return {"n": len(took_ms), "median": round(float(low), 1), "p95": round(float(high), 1)}


if __name__ == "__main__":
    main()
