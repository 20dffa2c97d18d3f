"""A line that a screen reader announces when it changes."""

import gradio as gr

# The element stays and only its text changes; Gradio would replace a plain value's element, and a
# status region that appears together with its text is not announced.
_SHOW = """
const line = element.querySelector('p');
const show = () => { line.textContent = (props.value || {}).text || ''; };
show();
watch('value', show);
"""


def live_text(elem_id: str) -> gr.HTML:
    """Make an empty line; its value is ``said(...)``."""
    return gr.HTML(
        said(""),
        html_template='<p role="status" aria-live="polite"></p>',
        js_on_load=_SHOW,
        apply_default_css=False,
        elem_id=elem_id,
        elem_classes="gs-said",
    )


def said(words: str) -> dict[str, str]:
    """Return the value of a live line."""
    return {"text": words}
