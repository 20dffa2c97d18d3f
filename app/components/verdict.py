"""The buttons that judge a case and the list of the last labels: drawn in the browser.

The templates are static and the scripts write what people wrote with ``textContent``: a reason or a
question is never read as HTML or as code.
"""

from collections.abc import Sequence
from dataclasses import asdict
from typing import TypedDict

import gradio as gr

from app import text
from app.actions.label_records import Choice
from app.look import asset
from app.records import RecentLine


class RecentList(TypedDict, total=False):
    """What the list shows; ``reopen`` is the pair whose button was pressed last."""

    lines: list[dict[str, str]]
    reopen: str


def verdict_buttons() -> gr.HTML:
    """Make the five answers, the strength, whether it may be used, and the reasons.

    The value is a ``Choice``. The event ``input`` follows every press.
    """
    choices = "".join(
        f'<button type="button" id="choice-{name}" data-choice="{name}" aria-pressed="false">'
        f'<kbd aria-hidden="true">{key}</kbd><span>{label}</span></button>'
        for name, key, label in text.CHOICES
    )
    return gr.HTML(
        Choice(case="", choice=None, strength=1, is_acceptable=True, reasons=[], words=[]),
        html_template=(
            f'<h2 id="choice-question">{text.VERDICT_QUESTION}</h2>'
            '<div role="group" aria-labelledby="choice-question" class="gs-choices">'
            f'{choices}</div><div class="gs-finer">{_strengths()}{_acceptable()}{_reasons()}</div>'
            f"<p data-hint hidden>{text.CANNOT_JUDGE_HINT}</p>"
        ),
        js_on_load=asset("verdict.js"),
        apply_default_css=False,
        elem_id="label-choice",
    )


def _strengths() -> str:
    buttons = "".join(
        f'<button type="button" data-strength="{level}" aria-pressed="false" disabled>'
        f"{label}</button>"
        for level, label in text.STRENGTHS
    )
    hint = f"<small>{text.STRENGTH_HINT}</small>"
    return _group("strength", text.STRENGTH_QUESTION, buttons + hint)


def _acceptable() -> str:
    buttons = "".join(
        f'<button type="button" data-acceptable="{value}" aria-pressed="false" disabled>'
        f"{label}</button>"
        for value, label in (("yes", text.ACCEPTABLE), ("no", text.NOT_ACCEPTABLE))
    )
    question = (
        f'<span data-for="one">{text.ACCEPTABLE_QUESTION}</span>'
        f'<span data-for="tie" hidden>{text.ACCEPTABLE_TIE}</span>'
    )
    return _group("acceptable", question, f'{buttons}<kbd aria-hidden="true">a</kbd>')


def _reasons() -> str:
    question = f"{text.REASONS} <span data-required hidden>{text.REASON_REQUIRED}</span>"
    return _group("reasons", question, '<span data-reasons class="gs-chips"></span>')


def _group(name: str, question: str, content: str) -> str:
    return (
        f'<div role="group" aria-labelledby="{name}-question" class="gs-{name}">'
        f'<span id="{name}-question">{question}</span>{content}</div>'
    )


def recent_list() -> gr.HTML:
    """Make the fold with the last labels; its value is ``recent_value(...)``.

    The event ``reopen`` says that the button of ``value["reopen"]`` was pressed.
    """
    return gr.HTML(
        recent_value(()),
        html_template=(
            f'<details class="gs-recent"><summary>{text.RECENT}</summary>'
            f'<p data-empty>{text.NO_RECENT}</p><ol data-reopen="{text.REOPEN}"></ol></details>'
        ),
        js_on_load=asset("recent.js"),
        apply_default_css=False,
        elem_id="label-recent",
    )


def recent_value(lines: Sequence[RecentLine]) -> RecentList:
    """Return the value that lists these labels."""
    return RecentList(lines=[asdict(line) for line in lines], reopen="")
