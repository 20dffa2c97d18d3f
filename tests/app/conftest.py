import contextlib

import pytest

from tests.app.fakes import demo_studio
from tests.app.serving import serving


@pytest.fixture
def studio():
    """A project with six cases and one group of five candidates, in memory."""
    return demo_studio()


@pytest.fixture
def served():
    """Serves a studio until the test ends: ``served(studio) -> gr.Blocks``."""
    with contextlib.ExitStack() as stack:
        yield lambda studio: stack.enter_context(serving(studio))
