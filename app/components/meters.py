"""How far each candidate is that is being drawn: a row of meters that change in place."""

from typing import TypedDict

import gradio as gr

from app.records import TaskState
from app.text import branches as say

# Only figures and words change; a meter stays as long as its candidate is drawn.
_SHOW = """
const row = element.querySelector('.gs-meters');
const make = () => {
  const one = document.createElement('div');
  const words = document.createElement('span');
  const meter = document.createElement('meter');
  one.append(words, meter);
  row.append(one);
};
const show = () => {
  const { names, tokens, most } = props.value || { names: [], tokens: [], most: 1 };
  while (row.children.length > names.length) row.lastChild.remove();
  while (row.children.length < names.length) make();
  names.forEach((name, place) => {
    const [words, meter] = row.children[place].children;
    words.textContent = name;
    meter.setAttribute('aria-label', name);
    meter.max = most;
    meter.value = tokens[place];
  });
};
show();
watch('value', show);
"""


class Meters(TypedDict):
    """What the row shows, one entry for each candidate."""

    names: list[str]
    tokens: list[int]
    most: int


def meters(elem_id: str) -> gr.HTML:
    """Make an empty row; its value is ``meters_value(...)``."""
    return gr.HTML(
        meters_value(TaskState("idle"), 1),
        html_template='<div class="gs-meters"></div>',
        js_on_load=_SHOW,
        apply_default_css=False,
        elem_id=elem_id,
    )


def meters_value(task: TaskState, most: int) -> Meters:
    """Return what each candidate has of at most so many tokens; nothing unless they are drawn."""
    tokens = list(task.tokens) if task.state == "running" else []
    names = [say.meter_words(number, count, most) for number, count in enumerate(tokens, start=1)]
    return Meters(names=names, tokens=tokens, most=most)
