"""The pages; each module has one ``build_<page>_page(studio, project_id) -> PageHandles``.

A page is built inside the ``gr.Tab`` that ``app.main`` opened for it. The project's id travels in
the shared ``gr.State``; a page never keeps the project anywhere else.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from gradio.blocks import Block


@dataclass(frozen=True)
class PageHandles:
    """What ``app.main`` needs in order to keep a page current.

    ``refresh(project_id, *refresh_inputs)`` returns one value for each of ``outputs``; it runs each
    time the page is shown: its tab is opened, or the browser loads or the project changes with it
    open. ``poll(project_id, *poll_inputs)`` returns one value for each of ``poll_outputs``; the
    shared timer runs it about once a second while the page's tab is the open one, so it returns
    ``gr.skip()`` when nothing changed. A poll that takes many inputs goes with a
    ``has_news(project_id, *news_inputs)`` that takes few: the timer asks that instead, and polls
    when the answer is yes.
    """

    refresh: Callable[..., object]
    outputs: Sequence[Block]
    refresh_inputs: Sequence[Block] = ()
    poll: Callable[..., object] | None = None
    poll_inputs: Sequence[Block] = ()
    poll_outputs: Sequence[Block] = ()
    has_news: Callable[..., bool] | None = None
    news_inputs: Sequence[Block] = ()
