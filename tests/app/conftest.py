import contextlib
import time

import pytest

from tests.app.fakes import demo_studio
from tests.app.serving import serving


@pytest.fixture(autouse=True)
def two_hours_ahead(monkeypatch):
    """This machine's clock, two hours ahead of UTC wherever the tests run."""
    if not hasattr(time, "tzset"):
        pytest.skip("the time zone cannot be set here")
    with monkeypatch.context() as zone:
        zone.setenv("TZ", "<+02>-02")
        time.tzset()
        yield
    time.tzset()


@pytest.fixture
def studio():
    """A project with six cases and one group of five candidates, in memory."""
    return demo_studio()


@pytest.fixture
def served():
    """Serves a studio until the test ends: ``served(studio) -> gr.Blocks``."""
    with contextlib.ExitStack() as stack:
        yield lambda studio: stack.enter_context(serving(studio))
