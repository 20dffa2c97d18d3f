"""How the studio looks: the theme and the style sheets and scripts of ``assets``."""

from functools import cache
from pathlib import Path

import gradio as gr

from app.views.heatmap import ramp_css

_ASSETS = Path(__file__).with_name("assets")
STYLE_SHEETS = ("studio.css", "label.css", "order.css", "explore.css", "heatmap.css", "runs.css")

# Fonts of the reader's own system: nothing is fetched, and no shipped font file is incomplete.
_FONT = ("system-ui", "-apple-system", "Segoe UI", "Roboto", "Noto Sans", "Arial", "sans-serif")
_MONO = ("ui-monospace", "Cascadia Mono", "Consolas", "Menlo", "Liberation Mono", "monospace")


@cache
def asset(name: str) -> str:
    """Return the text of a file in ``assets``."""
    return (_ASSETS / name).read_text(encoding="utf-8")


def style() -> str:
    """Return all style sheets as one, with the colours of the scale."""
    return "\n".join([*(asset(name) for name in STYLE_SHEETS), ramp_css()])


def head() -> str:
    """Return what goes into the page's head: the key handling, and what watches the connection."""
    return f"<script>{asset('hotkeys.js')}{asset('connection.js')}</script>"


def theme() -> gr.themes.Base:
    """Return a quiet theme whose colours are the custom properties of ``studio.css``."""
    theme = gr.themes.Base(
        font=list(_FONT),
        font_mono=list(_MONO),
        text_size=gr.themes.sizes.text_lg,
        radius_size=gr.themes.sizes.radius_md,
        spacing_size=gr.themes.sizes.spacing_lg,
    )
    colours = {f"{name}{mode}": value for name, value in _COLOURS for mode in ("", "_dark")}
    return theme.set(**colours, **_SIZES)


# Panels are drawn by the style sheets; Gradio's own boxes around each field go.
_SIZES = {
    "block_border_width": "0px",
    "block_padding": "0px",
    "block_shadow": "none",
    "input_border_width": "1px",
    "button_border_width": "1px",
    "button_border_width_dark": "1px",
    "input_padding": "8px 12px",
    "layout_gap": "16px",
    "form_gap_width": "16px",
}


# The properties switch with the colour scheme, so light and dark name the same ones.
_COLOURS = (
    ("body_background_fill", "var(--gs-page)"),
    ("body_text_color", "var(--gs-text)"),
    ("body_text_color_subdued", "var(--gs-quiet)"),
    ("background_fill_primary", "var(--gs-surface)"),
    ("background_fill_secondary", "var(--gs-page)"),
    ("border_color_primary", "var(--gs-line)"),
    ("border_color_accent", "var(--gs-accent)"),
    ("block_background_fill", "transparent"),
    ("block_border_color", "var(--gs-line)"),
    ("block_info_text_color", "var(--gs-quiet)"),
    ("block_label_text_color", "var(--gs-text)"),
    ("block_title_text_color", "var(--gs-text)"),
    ("input_background_fill", "var(--gs-field)"),
    ("input_border_color", "var(--gs-field-line)"),
    ("input_border_color_focus", "var(--gs-accent)"),
    ("input_placeholder_color", "var(--gs-quiet)"),
    ("button_primary_background_fill", "var(--gs-accent)"),
    ("button_primary_background_fill_hover", "var(--gs-accent-strong)"),
    ("button_primary_text_color", "var(--gs-on-accent)"),
    ("button_primary_border_color", "var(--gs-accent)"),
    ("button_secondary_background_fill", "var(--gs-surface)"),
    ("button_secondary_background_fill_hover", "var(--gs-soft)"),
    ("button_secondary_text_color", "var(--gs-text)"),
    ("button_secondary_border_color", "var(--gs-field-line)"),
    ("checkbox_background_color_selected", "var(--gs-accent)"),
    ("checkbox_border_color_selected", "var(--gs-accent)"),
    ("checkbox_border_color", "var(--gs-field-line)"),
    ("checkbox_border_color_hover", "var(--gs-accent)"),
    ("checkbox_border_color_focus", "var(--gs-accent)"),
    ("slider_color", "var(--gs-accent)"),
    ("link_text_color", "var(--gs-accent)"),
    ("table_text_color", "var(--gs-text)"),
)
