"""The import card: its handlers as plain functions, and the card as it is wired."""

import httpx
import pytest

from app.pages.import_form import MOST_COLUMNS, NO_COLUMN, ImportHandlers
from app.records import ImportState
from app.text import imports as say
from gem_backend.errors import DataError
from gem_backend.types import ImportReport, SkippedRow
from storage.errors import EntryError
from tests.app.serving import call
from tests.app.test_heatmap import HOSTILE

IDLE = ImportState("idle")


@pytest.fixture
def handlers(studio):
    return ImportHandlers(studio)


@pytest.fixture
def odd(tmp_path):
    path = tmp_path / "odd.csv"
    path.write_text("Frage;besser;schlechter\n" + "Q;ja;nein\n" * 3)
    return path


def places(**chosen):
    return [chosen.get(ours, NO_COLUMN) for ours in say.COLUMNS]


def test_recognised_file_is_shown_with_its_columns_chosen(handlers, tmp_path):
    path = tmp_path / "rows.csv"
    path.write_text("question,better,worse,annotator\nQ,yes,no,anna\n")
    chosen, preview, start, row, columns, *lists = handlers.look("demo", str(path))
    assert "Recognised: pairs" in preview
    assert (start.interactive, row.visible, columns.visible) == (True, True, True)
    found = dict(zip(say.COLUMNS, lists, strict=True))
    assert {ours: one.value for ours, one in found.items() if one.value != NO_COLUMN} == {
        "prompt": 0,
        "chosen": 1,
        "rejected": 2,
        "rater": 3,
    }
    assert found["split"].choices == [
        ("none", NO_COLUMN), ("question", 0), ("better", 1), ("worse", 2), ("annotator", 3)
    ]  # fmt: skip
    assert (chosen.project_id, chosen.file.path) == ("demo", path)
    assert handlers.studio.imported is None


def test_other_choice_changes_the_preview_and_is_what_is_imported(handlers, odd):
    chosen, preview, start, _, columns, *_ = handlers.look("demo", str(odd))
    assert say.UNKNOWN in preview
    assert (start.interactive, columns.visible) == (False, True)
    asked = places(prompt=0, chosen=1, rejected=2)
    chosen, preview, start, _ = handlers.remap(chosen, *asked)
    assert ">ja<" in preview and "A is better" in preview
    assert start.interactive
    cleared, *_, state, _, running, _ = handlers.start_import("demo", chosen)
    mapping = {"frage": "prompt", "besser": "chosen", "schlechter": "rejected"}
    assert handlers.studio.imported == (odd, mapping)
    assert (cleared, state, running.visible) == (None, ImportState("running", "odd.csv"), True)


def test_column_chosen_twice_is_said_and_forgets_nothing(handlers, odd):
    chosen, *_ = handlers.look("demo", str(odd))
    kept, preview, start, _ = handlers.remap(chosen, *places(prompt=0, chosen=1, rejected=1))
    assert kept == {"__type__": "update"}  # the page's choice stays as it was
    assert "“besser” is chosen twice" in preview
    assert not start.interactive


def test_file_that_is_recognised_as_a_whole_asks_for_no_columns(handlers, tmp_path):
    path = tmp_path / "claims.csv"
    path.write_text("question,answer,claim,label_0,label_1\nQ,A,C,Neutral,Entailment\n")
    _, preview, start, _, columns, *_ = handlers.look("demo", str(path))
    assert "claims that several people checked" in preview
    assert (start.interactive, columns.visible) == (True, False)


def test_file_that_cannot_be_read_is_said_and_cannot_be_imported(handlers, tmp_path):
    path = tmp_path / "empty.csv"
    path.write_text("")
    _, preview, start, row, columns, *_ = handlers.look("demo", str(path))
    assert "The file is empty." in preview
    assert (start.interactive, row.visible, columns.visible) == (False, True, False)


def test_columns_beyond_number_and_length_do_not_reach_the_page(handlers, tmp_path):
    path = tmp_path / "wide.csv"
    path.write_text(",".join(f"{'long ' * 20}{n}" for n in range(500)) + "\n")
    *_, first = handlers.look("demo", str(path))
    assert len(first.choices) == MOST_COLUMNS + 1
    assert max(len(name) for name, _ in first.choices) == 60


def test_folder_of_this_machine_is_looked_at_unless_others_log_in(handlers, tmp_path, monkeypatch):
    (tmp_path / "train.jsonl").write_text('{"prompt": "Q", "chosen": "a", "rejected": "b"}\n')
    _, preview, *_ = handlers.look_there("demo", f" {tmp_path} ")
    assert "Recognised: pairs" in preview
    _, preview, *_ = handlers.look_there("demo", str(tmp_path / "nothing"))
    assert say.NOT_THERE in preview
    with pytest.raises(DataError, match="path"):
        handlers.look_there("demo", " ")
    monkeypatch.setattr(handlers.studio.access, "asks_for_login", True)
    with pytest.raises(DataError, match="Choose a file"):
        handlers.look_there("demo", str(tmp_path))


def test_nothing_is_imported_without_file_or_into_another_project(handlers, odd):
    with pytest.raises(DataError, match="No project"):
        handlers.look("", str(odd))
    for path in (None, ""):
        with pytest.raises(DataError, match="Choose a file"):
            handlers.look("demo", path)
    chosen, *_ = handlers.look("demo", str(odd))
    for project_id, held in (("demo", None), ("other", chosen)):
        with pytest.raises(DataError, match="Choose a file"):
            handlers.start_import(project_id, held)
    with pytest.raises(DataError, match="Choose a file"):
        handlers.remap(None, *places())
    assert handlers.studio.imported is None


def test_refused_start_keeps_the_file(handlers, odd):
    chosen, *_ = handlers.look("demo", str(odd))
    handlers.studio.refuses = EntryError(say.ANOTHER_RUNS)
    with pytest.raises(EntryError):
        handlers.start_import("demo", chosen)


def test_poll_tells_each_change_once_and_the_end_as_an_event(handlers, odd):
    skip = handlers.poll("demo", None)
    assert skip == {"__type__": "update"}
    handlers.studio.import_report = ImportReport(3, 0, (SkippedRow(2, HOSTILE[0]),))
    handlers.studio.start_import("demo", odd)
    seen, told = None, []
    while seen is None or seen.is_under_way:
        seen, progress, running, outcome, ended = handlers.poll("demo", seen)
        told.append((progress, running.visible, outcome != "", ended != skip))
    assert [one[1:] for one in told] == [(True, False, False)] * 3 + [(False, True, True)]
    assert "1,000 rows read" in told[2][0]
    assert "<img" not in outcome
    assert handlers.poll("demo", seen) == skip


def test_stopped_import_says_that_nothing_was_stored(handlers, odd):
    handlers.studio.start_import("demo", odd)
    progress, running = handlers.stop_import("demo")
    assert (say.STOPPING in progress, running.visible) == (True, False)
    seen, *_ = handlers.poll("demo", None)
    _, progress, _, outcome, _ = handlers.poll("demo", seen)
    assert (progress, "nothing was stored" in outcome) == ("", True)


def test_page_that_comes_back_shows_how_the_import_stands(handlers, odd):
    chosen, *_ = handlers.look("demo", str(odd))
    handlers.studio.start_import("demo", odd)
    *form, state, progress, running, _ = handlers.refresh("demo", chosen)
    assert state.state == "running" and "odd.csv" in progress and running.visible
    assert all(value == {"__type__": "update"} for value in form)
    cleared, *_, state, progress, running, _ = handlers.refresh("other", chosen)
    assert (cleared, state, progress, running.visible) == (None, IDLE, "", False)
    assert len(handlers.refresh("", None)) == len(handlers.refresh("demo", chosen))


def test_card_is_wired_from_the_upload_to_the_report(served, studio, odd):
    app = served(studio)
    with httpx.Client(base_url=app.local_url, trust_env=False, timeout=20) as client:
        sent = client.post("/gradio_api/upload", files={"files": (odd.name, odd.read_bytes())})
        file = {"path": sent.json()[0], "orig_name": odd.name, "meta": {"_type": "gradio.FileData"}}
        call(client, app, "arrive", ["label"])
        seen = call(client, app, "look", [None, file])["output"]["data"]
        assert say.UNKNOWN in seen[1]
        asked = places(prompt=0, chosen=1, rejected=2)
        seen = call(client, app, "remap", [None, *asked])["output"]["data"]
        assert ">ja<" in seen[1]
        assert call(client, app, "start_import", [None, None])["success"]
        outside = {**file, "path": str(odd)}
        assert not call(client, app, "look", [None, outside])["success"]
    path, mapping = studio.imported
    assert path.name == odd.name and path != odd
    assert mapping["schlechter"] == "rejected"
