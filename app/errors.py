"""The one place where a failure becomes something a person reads."""

import functools
import html
import logging
from collections.abc import Callable
from typing import Protocol, TypeVar, cast, runtime_checkable

import gradio as gr

from app import text
from app.file_words import refusal

_log = logging.getLogger(__name__)
_Handler = TypeVar("_Handler", bound=Callable[..., object])


@runtime_checkable
class ToldError(Protocol):
    """What GemError and StorageError have in common: a sentence and a title for a person."""

    message: str
    title: str


def told(handler: _Handler) -> _Handler:
    """Turn what a handler raises into a message on screen.

    Errors that carry ``message`` and ``title`` are shown with both; every other error is logged
    with its traceback and shown as unexpected. Messages are escaped: they may quote somebody's
    data, and Gradio shows them as HTML.
    """

    @functools.wraps(handler)
    def guarded(*args: object, **kwargs: object) -> object:
        try:
            return handler(*args, **kwargs)
        except gr.Error:
            raise
        except Exception as error:  # the outermost boundary
            raise _shown(handler, error) from error

    return cast(_Handler, guarded)


def polled(
    handler: Callable[..., tuple[object, ...]], num_outputs: int
) -> Callable[..., tuple[object, ...]]:
    """Let a poll that fails leave the page as it is: a message each second would help nobody.

    The failure is logged with its traceback, once until the poll works again.
    """
    failing = False

    @functools.wraps(handler)
    def guarded(*args: object) -> tuple[object, ...]:
        nonlocal failing
        try:
            values = handler(*args)
        except Exception:  # noqa: BLE001 - as in `told`: the outermost boundary
            if not failing:
                _log.exception("a poll failed")
            failing = True
            return tuple(gr.skip() for _ in range(num_outputs))
        failing = False
        return values

    return guarded


def _shown(handler: Callable[..., object], error: Exception) -> gr.Error:
    if isinstance(error, ToldError):
        return _message(error.title, error.message)
    refused = refusal(error) if isinstance(error, OSError) else None
    if refused is not None:
        return _message(text.REFUSED_TITLE, refused)
    name = getattr(handler, "__name__", "handler")
    _log.error("unexpected failure in %s", name, exc_info=error)
    return _message(text.UNEXPECTED_TITLE, text.UNEXPECTED)


def _message(title: str, sentence: str) -> gr.Error:
    """Return a message that stays until it is closed; Gradio shows no title of its own for it."""
    words = f"<strong>{html.escape(title)}</strong><br>{html.escape(sentence)}"
    return gr.Error(words, duration=None, title=title, print_exception=False)
