"""How a page is drawn in an event of its own, and which has news in the event that all share."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import gradio as gr
from gradio.blocks import Block

from app.pages import PageHandles


@dataclass(frozen=True)
class Route:
    """A page's handler for an event, with what it takes and what it fills."""

    handler: Callable[..., object]
    inputs: Sequence[Block]
    outputs: Sequence[Block]

    def run(self, project_id: str | None, *given: object) -> tuple[object, ...]:
        """Return one value for each of ``outputs``; one ``gr.skip()`` may stand for them all.

        The project is None before the address was read. Nothing is drawn then: such an answer may
        come after that of the arrival, and would take away what that has drawn.
        """
        if project_id is None:
            return tuple(gr.skip() for _ in self.outputs)
        result = self.handler(project_id, *given)
        if result == gr.skip():
            return tuple(gr.skip() for _ in self.outputs)
        values = tuple(result) if isinstance(result, tuple | list) else (result,)
        if len(values) != len(self.outputs):
            raise ValueError(f"expected {len(self.outputs)} values from a page, got {len(values)}")
        return values

    def has_news(self, project_id: str | None, *given: object) -> bool:
        """Whether running it would change anything on screen."""
        values = self.run(project_id, *given)
        return any(not isinstance(value, dict) or value != gr.skip() for value in values)


def refresh_routes(pages: Mapping[str, PageHandles]) -> dict[str, Route]:
    """Return the routes of the events that show a page."""
    return {
        name: Route(page.refresh, page.refresh_inputs, page.outputs) for name, page in pages.items()
    }


def poll_routes(pages: Mapping[str, PageHandles]) -> dict[str, Route]:
    """Return the routes of the events that bring a page's news, without pages that have none."""
    return {
        name: Route(page.poll, page.poll_inputs, page.poll_outputs)
        for name, page in pages.items()
        if page.poll is not None
    }


class News:
    """Whether a page has news; the values that all pages need to know go side by side."""

    def __init__(self, pages: Mapping[str, PageHandles]) -> None:
        """Keep the order of the mapping. A page that does not say so itself is polled for it."""
        self._asked: dict[str, tuple[Callable[..., bool], Sequence[Block]]] = {}
        for name, route in poll_routes(pages).items():
            says = pages[name].has_news
            self._asked[name] = (
                (route.has_news, route.inputs) if says is None else (says, pages[name].news_inputs)
            )
        self.inputs = [part for _, inputs in self._asked.values() for part in inputs]

    def of(self, page: str, project_id: str | None, given: Sequence[object]) -> bool:
        """Ask one page, with the values of ``inputs``; without an address read there are none."""
        if project_id is None:
            return False
        start = 0
        for name, (has_news, inputs) in self._asked.items():
            stop = start + len(inputs)
            if name == page:
                return has_news(project_id, *given[start:stop])
            start = stop
        return False
