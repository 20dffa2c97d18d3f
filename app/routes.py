"""Which page acts on an event that all pages share; the others stay as they are."""

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

    def skipped(self) -> tuple[object, ...]:
        """Return the values that change nothing."""
        return tuple(gr.skip() for _ in self.outputs)

    def run(self, project_id: str, *given: object) -> tuple[object, ...]:
        """Return one value for each of ``outputs``; one ``gr.skip()`` may stand for them all."""
        result = self.handler(project_id, *given)
        if result == gr.skip():
            return self.skipped()
        values = tuple(result) if isinstance(result, tuple | list) else (result,)
        if len(values) != len(self.outputs):
            raise ValueError(f"expected {len(self.outputs)} values from a page, got {len(values)}")
        return values

    def has_news(self, project_id: str, *given: object) -> bool:
        """Whether running it would change anything on screen."""
        values = self.run(project_id, *given)
        return any(not isinstance(value, dict) or value != gr.skip() for value in values)


class Routes:
    """The routes of several pages, by name; the values of all go side by side, in their order."""

    def __init__(self, routes: Mapping[str, Route]) -> None:
        """Keep the order of the mapping."""
        self.routes = dict(routes)
        self.inputs = [part for route in routes.values() for part in route.inputs]
        self.outputs = [part for route in routes.values() for part in route.outputs]

    def own(self, page: str, given: Sequence[object]) -> Sequence[object]:
        """Return a page's share of the values of ``inputs``."""
        start = 0
        for name, route in self.routes.items():
            stop = start + len(route.inputs)
            if name == page:
                return given[start:stop]
            start = stop
        return ()

    def send(self, page: str, project_id: str, given: Sequence[object]) -> tuple[object, ...]:
        """Run one page's route and return a value for each of ``outputs``."""
        values: list[object] = []
        for name, route in self.routes.items():
            mine = name == page
            values += route.run(project_id, *self.own(page, given)) if mine else route.skipped()
        return tuple(values)


def refresh_routes(pages: Mapping[str, PageHandles]) -> Routes:
    """Return the routes of the event that shows a page."""
    return Routes(
        {
            name: Route(page.refresh, page.refresh_inputs, page.outputs)
            for name, page in pages.items()
        }
    )


def poll_routes(pages: Mapping[str, PageHandles]) -> Routes:
    """Return the routes of the shared timer, without the pages that do not poll."""
    return Routes(
        {
            name: Route(page.poll, page.poll_inputs, page.poll_outputs)
            for name, page in pages.items()
            if page.poll is not None
        }
    )
