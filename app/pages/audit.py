"""The fold of the Data page in which an admin reads the label log."""

import gradio as gr
from gradio.blocks import Block

from app.events import listen
from app.records import LogAsked
from app.studio import Studio
from app.text import audit as say
from app.views.audit import log_html


class AuditFold:
    """The log of a project, a page at a time; it is read when the fold is opened.

    Args:
        studio: the use cases behind it.
        project_id: the open project.
    """

    def __init__(self, studio: Studio, project_id: gr.State) -> None:
        """Build the components inside the open column, and wire them."""
        self._studio = studio
        self._place = gr.State(0)
        with gr.Accordion(say.TITLE, open=False, elem_id="audit") as self._fold:
            gr.HTML(f'<p class="gem-quiet">{say.HINT}</p>')
            with gr.Row():
                self._rater = gr.Dropdown(
                    [(say.ALL, "")], value="", label=say.RATER, filterable=False, min_width=160
                )
                self._kind = gr.Dropdown(
                    say.KINDS, value="", label=say.KIND, filterable=False, min_width=200
                )
                self._question = gr.Textbox(label=say.QUESTION, max_lines=1, min_width=200)
                self._since, self._until = (
                    gr.Textbox(label=label, placeholder=say.DAY, max_lines=1, min_width=128)
                    for label in (say.SINCE, say.UNTIL)
                )
            with gr.Row(elem_classes="gs-actions"):
                find = gr.Button(say.FIND, elem_id="audit-find", scale=0)
                self._newer = gr.Button(say.NEWER, elem_id="audit-newer", scale=0)
                self._older = gr.Button(say.OLDER, elem_id="audit-older", scale=0)
            self._shown = gr.HTML("", elem_id="audit-log")
        asked: list[Block] = [
            project_id,
            *(self._rater, self._kind, self._question, self._since, self._until),
        ]
        turned = [self._place, self._rater, self._shown, self._newer, self._older]
        for trigger in (
            *(self._fold.expand, find.click, self._rater.input, self._kind.input),
            *(self._question.submit, self._since.submit, self._until.submit),
        ):
            listen(trigger, self.read_log, asked, turned)
        listen(self._newer.click, self.read_newer, [self._place, *asked], turned)
        listen(self._older.click, self.read_older, [self._place, *asked], turned)

    @property
    def outputs(self) -> list[Block]:
        """What ``values`` fills."""
        return [self._fold, self._rater, self._shown]

    def values(self) -> tuple[object, ...]:
        """Return the fold closed and empty: its project may be another one now."""
        return gr.Accordion(open=False), gr.Dropdown([(say.ALL, "")], value=""), ""

    def read_log(self, project_id: str, *asked: str | None) -> tuple[object, ...]:
        """Show the newest of the events that were asked for."""
        return self._read(0, project_id, asked)

    def read_newer(self, place: int, project_id: str, *asked: str | None) -> tuple[object, ...]:
        """Turn a page towards today."""
        return self._read(place - 1, project_id, asked)

    def read_older(self, place: int, project_id: str, *asked: str | None) -> tuple[object, ...]:
        """Turn a page back in time."""
        return self._read(place + 1, project_id, asked)

    def _read(
        self, place: int, project_id: str, asked: tuple[str | None, ...]
    ) -> tuple[object, ...]:
        sought = LogAsked(*(value or "" for value in asked))
        part = self._studio.read_log(project_id, sought, max(0, place))
        is_last = part.first + len(part.lines) > part.total
        return (
            part.place,
            gr.Dropdown([(say.ALL, ""), *((name, name) for name in part.raters)]),
            log_html(part),
            gr.Button(interactive=part.place > 0),
            gr.Button(interactive=not is_last),
        )
