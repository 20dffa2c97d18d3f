"""The Data page: what the project holds, a file in, a file out."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import gradio as gr
from gradio.blocks import Block
from gradio.processing_utils import save_file_to_cache

from app import text_agreement, text_disputes, text_raters
from app import text_runs as say
from app.events import listen
from app.pages import PageHandles
from app.pages.disputes import DisputesCard
from app.pages.rater_form import build_rater_form
from app.pages.raters import RatersCard
from app.studio import Studio
from app.views import agreement as views
from app.views import tables
from gem_backend.errors import DataError

Format = Literal["jsonl", "csv", "parquet", "log"]
FORMATS: tuple[tuple[str, Format], ...] = (
    ("JSONL", "jsonl"),
    ("CSV", "csv"),
    ("Parquet", "parquet"),
    ("Label log", "log"),
)
FILE_TYPES = [".jsonl", ".json", ".csv", ".tsv", ".parquet"]


def counts_panel(studio: Studio, project_id: str) -> str:
    """Return the project's counts: prompts by split, pairs and labels."""
    if not project_id:
        return tables.empty(say.NO_PROJECT)
    prompts = studio.prompts(project_id)
    labels = studio.label_progress(project_id)
    if not prompts and not labels.total:
        return tables.empty(say.DATA_EMPTY)
    plan = studio.plan(project_id, studio.preset("quick", 0))
    left_out = sum(group.count for group in plan.left_out)
    splits = [prompt.split for prompt in prompts]
    return tables.tiles(
        [
            (plan.num_train, "pairs that train"),
            (plan.num_held_out, "pairs held out, to check"),
            (left_out, "judged pairs left out"),
            (labels.done, "cases labelled"),
            (labels.pending + labels.skipped, "cases still to label"),
            (splits.count("pool"), "prompts without a pair"),
        ]
    )


@dataclass(frozen=True)
class DataHandlers:
    """What the components call; each returns one value for each of its outputs."""

    studio: Studio
    cache_dir: str

    def refresh(self, project_id: str) -> tuple[object, ...]:
        """Draw the page for a project, without what an earlier import or export left on it."""
        return counts_panel(self.studio, project_id), "", None, gr.File(None, visible=False)

    def judged(self, project_id: str) -> tuple[str, str]:
        """Draw what the raters agree on, and what the labels give away."""
        if not project_id:
            return "", ""
        view = self.studio.agreement(project_id)
        return views.agreement_html(view), views.health_html(view)

    def import_file(self, project_id: str, path: str | None) -> tuple[object, ...]:
        """Import the file that was just chosen and say what became of each row."""
        if not project_id:
            raise DataError(say.NO_PROJECT)
        if path is None:
            raise DataError(say.NO_FILE)
        report = self.studio.import_file(project_id, Path(path))
        return counts_panel(self.studio, project_id), tables.import_report(report), None

    def export_file(self, project_id: str, file_format: Format) -> gr.File:
        """Write the export and offer a copy in Gradio's own folder, the only one it may read."""
        if not project_id:
            raise DataError(say.NO_PROJECT)
        path = self.studio.export_file(project_id, file_format)
        return gr.File(save_file_to_cache(path, self.cache_dir), visible=True)


def build_data_page(studio: Studio, project_id: gr.State) -> PageHandles:
    """Lay the page out and wire it."""
    with gr.Column(elem_classes="gem-page"):
        with gr.Column(elem_classes="gem-card"):
            gr.HTML(f'<h2 class="gem-title">{say.DATA_COUNTS_TITLE}</h2>')
            counts = gr.HTML("")
        with gr.Row(equal_height=False):
            with gr.Column(elem_classes="gem-card", scale=3, min_width=420):
                _heading(say.IMPORT_TITLE, say.IMPORT_HINT)
                upload = gr.File(
                    label=say.IMPORT_LABEL,
                    file_types=FILE_TYPES,
                    height=160,
                    elem_classes="gem-drop",
                )
                report = gr.HTML("")
            with gr.Column(elem_classes="gem-card", scale=2, min_width=320):
                _heading(say.EXPORT_TITLE, say.EXPORT_HINT)
                file_format = gr.Radio(FORMATS, value="jsonl", label=say.EXPORT_FORMAT)
                export = gr.Button(say.EXPORT_BUTTON)
                download = gr.File(label=say.EXPORT_FILE, visible=False, interactive=False)
        with gr.Column(elem_classes="gem-card"):
            form = build_rater_form(studio, project_id)
        with gr.Column(elem_classes="gem-card"):
            _heading(text_raters.RATERS_TITLE, text_raters.RATERS_HINT)
            accounts = RatersCard(studio)
        with gr.Column(elem_classes="gem-card"):
            _heading(text_agreement.AGREEMENT_TITLE, text_agreement.AGREEMENT_HINT)
            agreement = gr.HTML("", elem_id="agreement")
            _heading(text_agreement.HEALTH_TITLE, text_agreement.HEALTH_HINT)
            health = gr.HTML("", elem_id="label-health")
        with gr.Column(elem_classes="gem-card"):
            _heading(text_disputes.TITLE, text_disputes.HINT)
            disputes = DisputesCard(studio, project_id)
    handlers = DataHandlers(studio, download.GRADIO_CACHE)
    imported = listen(
        upload.upload, handlers.import_file, [project_id, upload], [counts, report, upload]
    )
    listen(imported.then, handlers.judged, [project_id], [agreement, health])
    listen(export.click, handlers.export_file, [project_id, file_format], [download])

    def refresh(project_id: str) -> tuple[object, ...]:
        judged = handlers.judged(project_id)
        own = (*form.values(project_id), *accounts.values(), *judged)
        own += disputes.values(project_id)
        return *handlers.refresh(project_id), *own

    outputs: list[Block] = [
        *(counts, report, upload, download),
        *form.outputs,
        *(accounts.table, accounts.said),
        *(agreement, health),
        *disputes.outputs,
    ]
    return PageHandles(refresh=refresh, outputs=outputs)


def _heading(title: str, hint: str) -> None:
    gr.HTML(f'<h2 class="gem-title">{title}</h2><p class="gem-quiet">{hint}</p>')
