"""The Data page: what the project holds, a file in, a file out."""

import time
from dataclasses import dataclass
from typing import Literal

import gradio as gr
from gradio.blocks import Block
from gradio.processing_utils import save_file_to_cache

from app.events import listen
from app.pages import PageHandles
from app.pages.agreement import AgreementCard
from app.pages.audit import AuditFold
from app.pages.disputes import DisputesCard
from app.pages.import_form import Chosen, build_import_card
from app.pages.rater_form import build_rater_form
from app.pages.raters import RatersCard
from app.records import ImportState
from app.studio import Studio
from app.text import disputes as text_disputes
from app.text import imports as text_import
from app.text import raters as text_raters
from app.text import runs as say
from app.views import tables
from gem_backend.errors import DataError

Format = Literal["jsonl", "csv", "parquet", "zip"]
FORMATS: tuple[tuple[str, Format], ...] = (
    ("JSONL", "jsonl"),
    ("CSV", "csv"),
    ("Parquet", "parquet"),
    ("“datasets” folder (.zip)", "zip"),
)
Contents = Literal["trains", "labels", "unjudged", "log"]


def counts_panel(studio: Studio, project_id: str) -> str:
    """Return the project's counts: prompts by split, pairs and labels."""
    if not project_id:
        return tables.empty(say.NO_PROJECT)
    prompts = studio.prompt_counts(project_id)
    labels = studio.label_progress(project_id)
    if not prompts and not labels.total:
        return tables.empty(say.DATA_EMPTY)
    plan = studio.plan(project_id, studio.preset("quick", 0))
    left_out = sum(group.count for group in plan.left_out)
    return tables.tiles(
        [
            (plan.num_train, "pairs that train"),
            (plan.num_held_out, "pairs held out, to check"),
            (left_out, "judged pairs left out"),
            (labels.done, "cases labelled"),
            (labels.pending + labels.skipped, "cases still to label"),
            (prompts.get("pool", 0), "prompts without a pair"),
        ]
    )


@dataclass(frozen=True)
class DataHandlers:
    """What the components call; each returns one value for each of its outputs."""

    studio: Studio
    cache_dir: str

    def refresh(self, project_id: str) -> tuple[object, ...]:
        """Draw the page for a project, without what an earlier export left on it."""
        return counts_panel(self.studio, project_id), gr.File(None, visible=False)

    def counts(self, project_id: str) -> str:
        """Draw the counts alone."""
        return counts_panel(self.studio, project_id)

    def choose_contents(self, contents: Contents) -> tuple[object, ...]:
        """Say what the file would hold; a log has one format only."""
        hint = f'<p class="gem-quiet">{say.EXPORT_HOLDS[contents]}</p>'
        return hint, gr.Radio(visible=contents != "log"), gr.File(None, visible=False)

    def export_file(self, project_id: str, contents: Contents, file_format: Format) -> gr.File:
        """Write the export and offer a copy in Gradio's own folder, the only one it may read."""
        if not project_id:
            raise DataError(say.NO_PROJECT)
        if contents == "log":
            path = self.studio.export_file(project_id, "log")
        else:
            path = self.studio.export_file(project_id, file_format, contents)
        return gr.File(save_file_to_cache(path, self.cache_dir), visible=True)


def build_data_page(studio: Studio, project_id: gr.State) -> PageHandles:
    """Lay the page out and wire it."""
    with gr.Column(elem_classes="gem-page"):
        with gr.Column(elem_classes="gem-card"):
            gr.HTML(f'<h2 class="gem-title">{say.DATA_COUNTS_TITLE}</h2>')
            counts = gr.HTML("")
        with gr.Column(elem_classes="gem-card"):
            _heading(text_import.IMPORT_TITLE, text_import.IMPORT_HINT)
            imports = build_import_card(studio, project_id)
        with gr.Column(elem_classes="gem-card"):
            _heading(say.EXPORT_TITLE, say.EXPORT_HINT)
            handlers, download = _build_export(studio, project_id)
        with gr.Column(elem_classes="gem-card"):
            form = build_rater_form(studio, project_id)
        with gr.Column(elem_classes="gem-card"):
            _heading(text_raters.RATERS_TITLE, text_raters.RATERS_HINT)
            accounts = RatersCard(studio)
        with gr.Column(elem_classes="gem-card"):
            agreement = AgreementCard(studio, project_id)
        with gr.Column(elem_classes="gem-card"):
            _heading(text_disputes.TITLE, text_disputes.HINT)
            disputes = DisputesCard(studio, project_id)
        with gr.Column(elem_classes="gem-card"):
            audit = AuditFold(studio, project_id)

    opened = gr.State(0.0)  # what takes longer is drawn by an event of its own
    settling = [project_id, *disputes.held]

    def draw_disputes(opened_at: float, project_id: str, *held: object) -> object:
        # 0 where the page was never drawn: for somebody who may not see it
        return disputes.refreshed(project_id, *held) if opened_at else gr.skip()

    drawn: list[Block] = [opened, *settling]
    listen(opened.change, draw_disputes, drawn, disputes.outputs, mode="always_last")
    listen(imports.ended.change, handlers.counts, [project_id], [counts])
    listen(imports.ended.change, agreement.judged, [project_id], agreement.outputs)

    def refresh(project_id: str, chosen: Chosen | None, *in_form: object) -> tuple[object, ...]:
        card = imports.handlers.refresh(project_id, chosen)
        own = (*form.values(project_id, *in_form), *accounts.values())
        own += (*agreement.judged(project_id), time.monotonic(), *audit.values())
        return *handlers.refresh(project_id), *card, *own

    def poll(project_id: str, seen: ImportState | None, is_waiting: bool) -> object:
        card = imports.handlers.poll(project_id, seen)
        turn = agreement.poll(project_id, is_waiting)
        if isinstance(card, tuple):
            return *card, turn
        return gr.skip() if turn == gr.skip() else (*(card for _ in imports.watched), turn)

    outputs: list[Block] = [
        *(counts, download),
        *(*imports.form, *imports.progress),
        *form.outputs,
        *(accounts.table, accounts.said),
        *agreement.outputs,
        opened,
        *audit.outputs,
    ]
    return PageHandles(
        refresh=refresh,
        refresh_inputs=[imports.chosen, *form.fields],
        outputs=outputs,
        poll=poll,
        poll_inputs=[*imports.progress[:1], agreement.is_waiting],
        poll_outputs=[*imports.watched, agreement.worked_out],
    )


def _build_export(studio: Studio, project_id: gr.State) -> tuple[DataHandlers, gr.File]:
    """Build and wire the card that makes a file; the file is offered where it ends."""
    contents = gr.Radio(
        [(words, name) for name, words in say.EXPORT_CONTENTS.items()],
        value="trains",
        label=say.EXPORT_WHAT,
        elem_id="export-contents",
    )
    holds = gr.HTML(f'<p class="gem-quiet">{say.EXPORT_HOLDS["trains"]}</p>')
    file_format = gr.Radio(FORMATS, value="jsonl", label=say.EXPORT_FORMAT, elem_id="export-format")
    with gr.Row(elem_classes="gs-actions"):
        export = gr.Button(say.EXPORT_BUTTON, elem_id="export", scale=0)
    download = gr.File(
        label=say.EXPORT_FILE, visible=False, interactive=False, elem_id="export-file"
    )
    handlers = DataHandlers(studio, download.GRADIO_CACHE)
    listen(contents.input, handlers.choose_contents, [contents], [holds, file_format, download])
    listen(export.click, handlers.export_file, [project_id, contents, file_format], [download])
    return handlers, download


def _heading(title: str, hint: str) -> None:
    gr.HTML(f'<h2 class="gem-title">{title}</h2><p class="gem-quiet">{hint}</p>')
