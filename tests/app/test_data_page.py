"""The Data page: its handlers as plain functions, and the page as it is wired."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import gradio as gr
import pytest

from app.pages.data import FORMATS, DataHandlers, build_data_page, counts_panel
from app.studio import Studio
from app.text import runs as say
from gem_backend.errors import DataError
from tests.app.fakes_runs import RunsStudio


@pytest.fixture
def handlers(tmp_path):
    return DataHandlers(RunsStudio(), str(tmp_path / "cache"))


def test_counts_come_from_plan_and_progress():
    panel = counts_panel(RunsStudio(), "demo")
    for number, words in [
        (32, "pairs that train"),
        (24, "pairs held out, to check"),
        (4, "judged pairs left out"),
        (36, "cases labelled"),
        (22, "cases still to label"),
        (40, "prompts without a pair"),
    ]:
        assert f'<b class="gem-num">{number}</b><span>{words}</span>' in panel


def test_empty_project_says_what_to_do_next():
    assert say.DATA_EMPTY in counts_panel(RunsStudio(), "other")
    assert say.NO_PROJECT in counts_panel(RunsStudio(), "")


def test_export_offers_a_copy_and_leaves_the_file(handlers, tmp_path):
    handlers.studio.export = tmp_path / "pairs.jsonl"
    handlers.studio.export.write_text("{}\n")
    offered = handlers.export_file("demo", "trains", "jsonl")
    copy = Path(offered.value["path"])
    assert copy != handlers.studio.export
    assert copy.name == "pairs.jsonl"
    assert copy.read_text() == handlers.studio.export.read_text() == "{}\n"
    assert offered.visible


def test_export_of_nothing_tells_the_studios_sentence(handlers):
    with pytest.raises(DataError, match="nothing to export"):
        handlers.export_file("demo", "labels", "csv")


@pytest.mark.parametrize("contents", say.EXPORT_CONTENTS)
def test_what_a_file_would_hold_is_said(handlers, contents):
    hint, file_format, download = handlers.choose_contents(contents)
    assert say.EXPORT_HOLDS[contents] in hint
    assert (file_format.visible, download.visible) == (contents != "log", False)


def test_windows_that_export_at_once_are_each_offered_a_whole_file(tmp_path):
    asked = [name for _, name in FORMATS] * 3
    with Studio(tmp_path / "data", device="cpu") as studio:
        handlers = DataHandlers(studio, str(tmp_path / "cache"))

        def offered(name):
            return Path(handlers.export_file("demo", "labels", name).value["path"]).read_bytes()

        with ThreadPoolExecutor(len(asked)) as pool:
            together = list(pool.map(offered, asked))
        assert together == [offered(name) for name in asked]
        written = {path.name for path in (tmp_path / "data" / "exports").rglob("*.*")}
    assert len(written) == len(FORMATS)


def test_page_is_wired_private_with_matching_outputs():
    with gr.Blocks() as demo:
        handles = build_data_page(RunsStudio(), gr.State("demo"))
    assert len(handles.refresh("demo", None)) == len(handles.outputs)
    assert {event.api_visibility for event in demo.fns.values()} == {"private"}
