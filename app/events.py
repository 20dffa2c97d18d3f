"""How pages connect a component's event to a handler: private, quiet, with errors told in words."""

import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Literal

import gradio as gr
from gradio.blocks import Block
from gradio.context import LocalContext
from gradio.events import Dependency

from app.errors import told

# What is pressed between the two waits: a later answer must not overtake it.
ASK = "(...given) => { window.gemStudio.ask(); return given; }"
_SETTLE = "() => window.gemStudio.settle()"


def listen(  # noqa: PLR0913 - each is a choice of how Gradio runs it
    trigger: Callable[..., Dependency],
    handler: Callable[..., object],
    inputs: Sequence[Block],
    outputs: Sequence[Block],
    *,
    mode: Literal["once", "multiple", "always_last"] = "once",
    js: str | None = None,
    is_raw: bool = False,
) -> Dependency:
    """Connect ``trigger`` (as in ``button.click``) to a handler that returns at once.

    The event is absent from the API description, shows no spinner, and runs for several users at
    the same time. ``once`` drops presses while the handler runs; ``js`` may change the inputs on
    the way. ``is_raw`` hands values over as they come and go: Gradio's conversions, a thread for
    each part of the page, cost more than most handlers. Returns the event, whose ``then`` can be
    the next trigger.
    """
    return trigger(
        told(handler),
        list(inputs),
        list(outputs),
        js=js,
        api_visibility="private",
        show_progress="hidden",
        # Gradio's script tells every part that an event fills how the event stands, and goes on
        # telling all that any event ever filled: with none named here, it tells nobody.
        show_progress_on=[],
        trigger_mode=mode,
        concurrency_limit=None,
        preprocess=not is_raw,
        postprocess=not is_raw,
    )


def run_in_browser(trigger: Callable[..., Dependency], inputs: Sequence[Block], js: str) -> None:
    """Connect ``trigger`` to a script that takes the inputs and returns nothing."""
    trigger(None, list(inputs), [], js=js, api_visibility="private", show_progress="hidden")


def settle_after(event: Dependency) -> None:
    """Let the keys go on when an event that holds them has its answer, also one that is an error.

    Gradio's script lets nothing but ``failure`` follow an error.
    """
    for over in (event.then, event.failure):
        run_in_browser(over, [], _SETTLE)


def listen_to_typing(
    fields: Sequence[Block], handler: Callable[..., None], inputs: Sequence[Block]
) -> None:
    """Connect every change of some fields to a handler that keeps them.

    One call at a time and the newest last, so that none overtakes another. A Textbox keeps the
    first change after Python filled it to itself, so leaving it tells again.
    """
    names = ("input", "blur")
    triggers = [getattr(field, name) for field in fields for name in names if hasattr(field, name)]
    listen(functools.partial(gr.on, triggers), handler, inputs, [], mode="always_last")


def address() -> Mapping[str, str]:
    """Return what the page's address named when it was opened; nothing outside of an event."""
    request = LocalContext.request.get(None)
    return {} if request is None else request.query_params
