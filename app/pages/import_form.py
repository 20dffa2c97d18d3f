"""The import card of the Data page: a look at a file, the names of its columns, the import."""

import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

import gradio as gr
from gradio.blocks import Block

from app.desks.imports import chosen_columns, mapping_of
from app.events import listen
from app.records import FilePreview, ImportState
from app.studio import Studio
from app.text import imports as say
from app.text.runs import NO_PROJECT
from app.views import imports as views
from gem_backend.errors import DataError

FILE_TYPES = [".jsonl", ".json", ".csv", ".tsv", ".parquet", ".zip"]
MOST_COLUMNS = 200  # of a file, in one list to choose from
LONGEST_NAME = 60  # characters of a column's name
NO_COLUMN = -1
# Files of other kinds are recognised as a whole and have no columns to name.
WITH_COLUMNS = (
    *(
        "preference pairs",
        "cases to judge",
        "judged answers",
        "questions",
        "graded answers",
        "ranked answers",
    ),
    None,
)


class Chosen(NamedTuple):
    """The file that is on the page and not imported yet."""

    project_id: str
    file: FilePreview


@dataclass(frozen=True)
class ImportHandlers:
    """What the card's components call; each returns one value for each of its outputs."""

    studio: Studio

    def look(self, project_id: str, path: str | None) -> tuple[object, ...]:
        """Show what a file would become, its columns taken as their names say."""
        if not project_id:
            raise DataError(NO_PROJECT)
        if not path:
            raise DataError(say.NO_FILE)
        seen = self.studio.preview_import(Path(path))
        return Chosen(project_id, seen), *_seen(seen), *_lists(seen)

    def look_there(self, project_id: str, place: str) -> tuple[object, ...]:
        """Show what a file or folder of this machine would become; only who sits at it may ask."""
        if self.studio.access.asks_for_login:
            raise DataError(say.NO_FILE)
        if not place.strip():
            raise DataError(say.NO_PLACE)
        return self.look(project_id, str(Path(place.strip()).expanduser()))

    def remap(self, chosen: Chosen | None, *places: int | None) -> tuple[object, ...]:
        """Show what the file would become with other columns."""
        if chosen is None:
            raise DataError(say.NO_FILE)
        names = chosen.file.columns
        columns = {
            ours: names[place]
            for ours, place in zip(say.COLUMNS, places, strict=True)
            if place is not None and place != NO_COLUMN
        }
        try:
            seen = self.studio.preview_import(chosen.file.path, mapping_of(names, columns))
        except DataError as error:
            return gr.skip(), *_seen(replace(chosen.file, problem=error.message))
        return chosen._replace(file=seen), *_seen(seen)

    def start_import(self, project_id: str, chosen: Chosen | None) -> tuple[object, ...]:
        """Begin to import the file that is on the page, and clear it away."""
        if chosen is None or chosen.project_id != project_id:
            raise DataError(say.NO_FILE)
        path = chosen.file.path
        self.studio.start_import(project_id, path, chosen.file.mapping)
        # As it was at the start: an end before the next poll would else be missed.
        return *self.clear(), *progress_values(ImportState("running", path.name))

    def stop_import(self, project_id: str) -> tuple[object, ...]:
        """Ask the import that is under way to stop."""
        state = self.studio.stop_import(project_id)
        return progress_values(state)[1:3]

    def clear(self) -> tuple[object, ...]:
        """Forget the file that is on the page."""
        nothing = ("", gr.Button(interactive=False), gr.Row(visible=False))
        return None, *nothing, gr.Column(visible=False), None, ""

    def refresh(self, project_id: str, chosen: Chosen | None) -> tuple[object, ...]:
        """Draw the card for a project; a file that was chosen for another one goes."""
        form = self.clear()
        if chosen is None or chosen.project_id == project_id:  # a hand may be quicker than this
            form = tuple(gr.skip() for _ in form)
        return *form, *progress_values(self._state(project_id))

    def poll(self, project_id: str, seen: ImportState | None) -> object:
        """Say how the import stands; its end is a new value, for an event to follow."""
        state = self._state(project_id)
        if state == (seen or ImportState("idle")):
            return gr.skip()
        return *progress_values(state), gr.skip() if state.is_under_way else time.monotonic()

    def _state(self, project_id: str) -> ImportState:
        return self.studio.import_state(project_id) if project_id else ImportState("idle")


def progress_values(state: ImportState) -> tuple[object, ...]:
    """Return an import's state as the values of the four parts that show it."""
    can_stop = state.state == "running" and not state.stored_of
    return state, views.progress_html(state), gr.Column(visible=can_stop), views.outcome_html(state)


def _seen(seen: FilePreview) -> tuple[object, ...]:
    """Return the values of a preview, of the button to import, and of the row it stands in."""
    can_import = gr.Button(interactive=seen.format is not None and not seen.problem)
    return views.preview_html(seen), can_import, gr.Row(visible=True)


def _lists(seen: FilePreview) -> tuple[object, ...]:
    """Return a list of the file's columns for each of ours, with the one that it is taken for."""
    names = seen.columns[:MOST_COLUMNS]
    choices = [(say.NO_COLUMN, NO_COLUMN), *((_short(name), n) for n, name in enumerate(names))]
    places = {name: place for place, name in enumerate(names)}
    found = chosen_columns(seen)
    values = [places.get(found.get(ours, ""), NO_COLUMN) for ours in say.COLUMNS]
    lists = (gr.Dropdown(choices=choices, value=value) for value in values)
    has_columns = seen.format in WITH_COLUMNS and bool(names)
    return gr.Column(visible=has_columns), *lists


def _short(name: str) -> str:
    line = " ".join(name[: 2 * LONGEST_NAME].split())
    return line if len(line) <= LONGEST_NAME else f"{line[: LONGEST_NAME - 1]}…"


@dataclass(frozen=True)
class ImportCard:
    """The card as the page keeps it current; ``ended`` changes with the end of an import."""

    handlers: ImportHandlers
    chosen: gr.State
    ended: gr.State
    form: list[Block]
    progress: list[Block]

    @property
    def watched(self) -> list[Block]:
        """What ``ImportHandlers.poll`` fills."""
        return [*self.progress, self.ended]


def build_import_card(studio: Studio, project_id: gr.State) -> ImportCard:
    """Build and wire the card inside the open column."""
    handlers = ImportHandlers(studio)
    chosen, seen, ended = gr.State(None), gr.State(None), gr.State(0.0)
    with gr.Row(equal_height=False):
        upload = gr.File(
            label=say.FILE, file_types=FILE_TYPES, height=160, elem_classes="gem-drop", scale=3
        )
        with gr.Column(scale=2, visible=not studio.access.asks_for_login):
            place = gr.Textbox(
                label=say.PLACE, info=say.PLACE_HINT, max_lines=1, elem_id="import-place"
            )
            look_there = gr.Button(say.LOOK, elem_id="import-look", scale=0)
    preview = gr.HTML("", elem_id="import-preview")
    with gr.Column(visible=False, elem_id="import-columns") as columns:
        lists = _build_lists()
    with gr.Row(visible=False, elem_classes="gs-actions") as actions:
        start = gr.Button(say.IMPORT, variant="primary", elem_id="import-start", scale=0)
        cancel = gr.Button(say.CANCEL, elem_id="import-cancel", scale=0)
    progress = gr.HTML("", elem_id="import-progress")
    with gr.Column(visible=False) as running:
        gr.HTML(views.busy_html())
        with gr.Row(elem_classes="gs-actions"):
            stop = gr.Button(say.STOP, elem_id="import-stop", scale=0)
    outcome = gr.HTML("", elem_id="import-outcome")

    shown: list[Block] = [chosen, preview, start, actions]
    form: list[Block] = [*shown, columns, upload, place]
    moving: list[Block] = [seen, progress, running, outcome]
    looked: list[Block] = [*shown, columns, *lists]
    listen(upload.upload, handlers.look, [project_id, upload], looked)
    listen(upload.clear, handlers.clear, [], form)
    for asked in (look_there.click, place.submit):
        listen(asked, handlers.look_there, [project_id, place], looked)
    for one in lists:
        listen(one.input, handlers.remap, [chosen, *lists], shown, mode="always_last")
    listen(start.click, handlers.start_import, [project_id, chosen], [*form, *moving])
    listen(cancel.click, handlers.clear, [], form)
    listen(stop.click, handlers.stop_import, [project_id], [progress, running])
    return ImportCard(handlers, chosen, ended, form, moving)


def _build_lists() -> list[gr.Dropdown]:
    """Build a list to choose from for each of our columns, the usual ones first."""
    gr.HTML(
        f'<h3 class="gem-subtitle">{say.COLUMNS_TITLE}</h3>'
        f'<p class="gem-quiet">{say.COLUMNS_HINT}</p>'
    )
    names = list(say.COLUMNS)
    lists = _build_some(names[: say.FIRST_COLUMNS])
    with gr.Accordion(say.MORE_COLUMNS, open=False):
        return lists + _build_some(names[say.FIRST_COLUMNS :])


def _build_some(names: list[str]) -> list[gr.Dropdown]:
    with gr.Row(elem_classes="gem-columns"):
        return [
            gr.Dropdown(
                choices=[(say.NO_COLUMN, NO_COLUMN)],
                value=NO_COLUMN,
                label=say.COLUMNS[name],
                elem_id=f"import-column-{name}",
            )
            for name in names
        ]
