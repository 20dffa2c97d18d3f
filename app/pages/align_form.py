"""The form of Align: plan and example, preset, method, and the settings in their folds."""

from dataclasses import dataclass

import gradio as gr
from gradio.components import Component

from app.run_option_table import OPTIONS, Option, Place
from app.run_options import Value
from app.text import calibration as words
from app.text import runs as say

_COLUMNS = 3
Setting = gr.Number | gr.Radio | gr.Checkbox | gr.CheckboxGroup


@dataclass(frozen=True)
class FormParts:
    """The form and the plan beside it."""

    column: gr.Column
    preset: gr.Radio
    settings: list[Setting]
    options: list[Setting]
    plan: list[Component]
    health: gr.HTML
    align: gr.Button


def build_form(values: tuple[Value, ...]) -> FormParts:
    """Lay the form out, filled with these values of ``OPTIONS``."""
    options: dict[Option, Setting] = {}
    with gr.Column() as column:
        with gr.Row(equal_height=False):
            with gr.Column(scale=5, min_width=420, elem_classes="gem-card"):
                gr.HTML(f'<h2 class="gem-title">{say.PLAN_TITLE}</h2>')
                plan = gr.HTML("")
                health = gr.HTML("", elem_id="align-health")
                with gr.Accordion(say.EXAMPLE_TITLE, open=False):
                    example = gr.HTML("")
            with gr.Column(scale=4, min_width=360, elem_classes="gem-card"):
                preset = gr.Radio(
                    say.PRESETS, value="quick", label=say.SETTINGS_TITLE, elem_classes="gem-stack"
                )
                options |= _build_options("main", values)
                seed = gr.Number(0, label=say.SEED_LABEL, info=say.SEED_HINT, precision=0)
                align = gr.Button(say.ALIGN_BUTTON, variant="primary", size="lg")
        with gr.Accordion(words.RIVAL_TITLE, open=False, elem_classes="gem-card gem-options"):
            options |= _build_options("rival", values)
        with gr.Accordion(say.ADVANCED_TITLE, open=False, elem_classes="gem-card gem-options"):
            for place, title in words.PLACES:
                gr.HTML(f'<h3 class="gem-subtitle">{title}</h3>')
                options |= _build_options(place, values)
    in_order = [options[row] for row in OPTIONS]
    settings: list[Setting] = [preset, seed, *in_order]
    return FormParts(column, preset, settings, in_order, [plan, example, align], health, align)


def _build_options(place: Place, values: tuple[Value, ...]) -> dict[Option, Setting]:
    """Lay out the settings of one part of the form; long choices have a row of their own."""
    options: dict[Option, Setting] = {}
    rows = [(row, value) for row, value in zip(OPTIONS, values, strict=True) if row.place == place]
    wide = [pair for pair in rows if len(pair[0].choices) > _COLUMNS]
    narrow = [pair for pair in rows if pair not in wide]
    for pair in wide:
        options[pair[0]] = _option(*pair)
    for start in range(0, len(narrow), _COLUMNS):
        with gr.Row():
            for row, value in narrow[start : start + _COLUMNS]:
                options[row] = _option(row, value)
    return options


def _option(row: Option, value: Value) -> Setting:
    label, hint, is_seen = row.label, row.hint, row.is_offered
    if isinstance(value, list):
        return gr.CheckboxGroup(row.choices, value=value, label=label, info=hint, visible=is_seen)
    if row.kind == "tick":
        return gr.Checkbox(bool(value), label=label, info=hint, visible=is_seen)
    if row.kind == "choice":
        stack = "gem-stack" if len(row.choices) > _COLUMNS else None
        return gr.Radio(
            row.choices,
            value=str(value),
            label=label,
            info=hint,
            visible=is_seen,
            elem_classes=stack,
        )
    whole = 0 if row.kind == "count" else None
    return gr.Number(float(value), label=label, info=hint, visible=is_seen, precision=whole)
