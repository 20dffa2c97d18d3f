"""A Chromium for the browser tests, and what must not happen in it."""

import contextlib

import pytest
from playwright.sync_api import expect, sync_playwright

from tests.ui.running import LEFT_BEHIND

FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]

PATIENCE_MS = 90_000  # on a busy machine a page takes its time; no test asserts on seconds
expect.set_options(timeout=PATIENCE_MS)


@pytest.fixture(scope="session")
def chromium(chromium_path):
    """One for all tests of a process: it takes seconds to start."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=str(chromium_path), args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture
def browser(chromium):
    """That one; what a test opened in it is closed, and shares nothing with the next."""
    yield chromium
    for context in chromium.contexts:
        context.close()


@pytest.fixture
def trouble():
    """Collects dialogs, errors and requests to other machines; it must stay empty."""
    return []


@pytest.fixture
def watch(trouble, leaving):
    """Notes what must not happen on a page, but for what it says as it is left for another."""

    def quietly(leave):
        def left(*args, **kwargs):
            with leaving():
                return leave(*args, **kwargs)

        return left

    def watch(page):
        for name in ("reload", "go_back", "close"):
            setattr(page, name, quietly(getattr(page, name)))
        page.set_default_timeout(PATIENCE_MS)
        page.on("dialog", lambda dialog: (trouble.append(dialog.message), dialog.dismiss()))
        page.on("pageerror", lambda error: trouble.append(str(error)))
        page.on("console", lambda said: trouble.extend([said.text] if said.type == "error" else []))
        page.on("request", lambda request: trouble.extend(_elsewhere(request.url)))
        return page

    return watch


@pytest.fixture
def leaving(trouble):
    """While a page or its studio goes, what is said of the last requests is no trouble."""

    @contextlib.contextmanager
    def leaving():
        before = len(trouble)
        yield
        trouble[before:] = [
            said for said in trouble[before:] if not any(words in said for words in LEFT_BEHIND)
        ]

    return leaving


def _elsewhere(url):
    return [] if url.startswith(("http://127.0.0.1", "data:", "blob:")) else [url]
