"""A file is looked at, then imported in the background; stopped, it leaves nothing behind."""

import json
import os
import threading
import time

import pytest

from app.desks.imports import ImportDesk, chosen_columns, look, mapping_of
from app.records import ImportState
from app.tasks import Tasks
from app.text import imports as say
from gem_backend.errors import DataError
from storage import exchange
from storage.errors import EntryError
from storage.pairs import training_pairs
from storage.projects import create_project, list_prompts

# Imports 75,000 long rows and stops a second import midway. Prints what was stored, by how much
# the process grew (in MiB), how many others wrote while it was read, and how the second ended. The
# database may use a quarter of what it usually may: all above that is ours. The peak is read where
# the system keeps it of this program alone: ru_maxrss begins with that of the program before.
IMPORT_LARGE = """
import sys, time
from pathlib import Path
from app.desks.imports import ImportDesk
from app.tasks import Tasks
from storage.database import Database
from storage.projects import create_project, list_prompts

def peak_mib():
    [line] = [one for one in open("/proc/self/status") if one.startswith("VmHWM")]
    return int(line.split()[1]) / 1024

def follow(desk, project, act=lambda state: None):
    num_written = 0
    while (state := desk.state(project)).is_under_way:
        create_project(db, f"Other {time.monotonic()}")
        num_written += desk.state(project).rows < 75_000
        act(state)
        time.sleep(0.2)
    return state, num_written

folder = Path(sys.argv[1])
with Database(folder / "studio.duckdb") as db:
    db.execute_script("SET memory_limit = '256MB'")
    desk = ImportDesk(db, Tasks())
    first, second = (create_project(db, name).project_id for name in ("Large", "Stopped"))
    desk.start(first, folder / "small.jsonl", {})
    follow(desk, first)
    before = peak_mib()
    desk.start(first, folder / "many.jsonl", {})
    state, num_written = follow(desk, first)
    grown = peak_mib() - before
    desk.start(second, folder / "many.jsonl", {})
    ended, _ = follow(desk, second, lambda now: desk.stop(second) if now.rows > 20_000 else None)
    print(state.report.imported, grown, num_written, ended.state, len(list_prompts(db, second)))
"""


def wait_for_end(desk, project_id):
    deadline = time.monotonic() + 60
    while desk.state(project_id).is_under_way:
        assert time.monotonic() < deadline, "the import did not end"
        time.sleep(0.01)
    return desk.state(project_id)


def write(path, *rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


@pytest.fixture
def project_id(db):
    return create_project(db, "Fever").project_id


@pytest.fixture
def desk(db):
    return ImportDesk(db, Tasks())


@pytest.fixture
def odd(tmp_path):
    """A file whose columns have other names than ours, and a second meaning for one of them."""
    row = {"Frage": "Q", "besser": "yes", "schlechter": "no", "strength": "quite"}
    return write(tmp_path / "odd.jsonl", row)


def test_import_ends_with_its_report(desk, db, project_id, tmp_path):
    good, bad = ({"prompt": "Q", "chosen": text, "rejected": "no"} for text in ("yes", "no"))
    path = write(tmp_path / "rows.jsonl", good, bad)
    assert desk.state(project_id) == ImportState("idle")
    assert desk.start(project_id, path, {}).file == "rows.jsonl"
    ended = wait_for_end(desk, project_id)
    assert (ended.state, ended.report.imported, ended.report.skipped[0].line) == ("done", 1, 2)
    assert desk.stop(project_id) == ended
    assert desk.state("another") == ImportState("idle")
    assert [pair.chosen for pair in training_pairs(db, project_id)] == ["yes"]


def test_file_without_a_usable_row_fails_in_words(desk, project_id, tmp_path):
    desk.start(project_id, write(tmp_path / "rows.jsonl"), {})
    ended = wait_for_end(desk, project_id)
    assert (ended.state, ended.error) == ("failed", "The file is empty.")


def test_stopped_import_stores_nothing_and_makes_room_for_another(
    desk, db, project_id, tmp_path, monkeypatch
):
    path = write(tmp_path / "rows.jsonl", {"prompt": "Q", "chosen": "yes", "rejected": "no"})
    may_read = threading.Event()
    read = exchange.checked_rows

    def read_later(*given):
        may_read.wait(60)
        return read(*given)

    monkeypatch.setattr(exchange, "checked_rows", read_later)
    desk.start(project_id, path, {})
    with pytest.raises(EntryError, match="under way"):
        desk.start(project_id, path, {})
    assert desk.stop(project_id) == ImportState("stopping", "rows.jsonl")
    may_read.set()
    assert wait_for_end(desk, project_id) == ImportState("stopped", "rows.jsonl")
    assert list_prompts(db, project_id) == []
    desk.start(project_id, path, {})
    assert wait_for_end(desk, project_id).report.imported == 1


def test_columns_are_taken_as_they_are_chosen(desk, db, project_id, odd):
    seen = look(odd, None)
    assert (seen.format, seen.columns[:2]) == (None, ("Frage", "besser"))
    assert chosen_columns(seen) == {"strength": "strength"}
    chosen = {"prompt": "Frage", "chosen": "besser", "rejected": "schlechter"}
    mapping = mapping_of(seen.columns, chosen)
    mapped = look(odd, mapping)
    assert chosen_columns(mapped) == chosen
    [row] = mapped.rows
    assert (row.prompt, row.answer_a, row.verdict, row.strength) == ("Q", "yes", "a", 1)
    desk.start(project_id, odd, mapping)
    assert wait_for_end(desk, project_id).report.imported == 1


def test_column_of_ours_may_be_taken_for_another(tmp_path):
    path = write(tmp_path / "rows.jsonl", {"prompt": "no", "chosen": "Q", "rejected": "yes"})
    chosen = {"prompt": "chosen", "chosen": "rejected", "rejected": "prompt"}
    mapped = look(path, mapping_of(look(path, None).columns, chosen))
    assert (mapped.rows[0].prompt, mapped.rows[0].answer_a, mapped.rows[0].answer_b) == (
        "Q",
        "yes",
        "no",
    )
    assert chosen_columns(mapped) == chosen


def test_column_that_is_chosen_twice_is_said():
    with pytest.raises(DataError, match="“text” is chosen twice"):
        mapping_of(("text",), {"chosen": "text", "rejected": "text"})


def test_what_cannot_be_looked_at_is_said(tmp_path):
    assert look(tmp_path / "nothing.csv", None).problem == say.NOT_THERE
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    assert look(pipe, None).problem == say.NOT_THERE
    (tmp_path / "latin.csv").write_bytes(b"prompt,chosen\n\xe9,\xe8\n")
    assert "not UTF-8" in look(tmp_path / "latin.csv", None).problem


def test_of_a_long_text_the_beginning_is_kept(tmp_path):
    row = {"prompt": "Q" * 50_000, "chosen": "yes", "rejected": "no"}
    assert len(look(write(tmp_path / "rows.jsonl", row), None).rows[0].prompt) == 1000


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_large_file_keeps_memory_bounded_and_others_at_work(run_python, tmp_path):
    text = "An answer of some length, as people write them. " * 40
    row = {"prompt": "Q", "chosen": "yes", "rejected": "no"}
    write(tmp_path / "small.jsonl", *(row | {"prompt": f"S{number}"} for number in range(1000)))
    with (tmp_path / "many.jsonl").open("w") as file:
        for number in range(75_000):
            values = row | {"prompt": f"Q{number}", "chosen": f"{text}{number}", "rejected": text}
            file.write(json.dumps(values) + "\n")
    done = run_python("-c", IMPORT_LARGE, tmp_path, timeout_s=840)
    assert done.returncode == 0, done.stderr
    imported, growth_mib, num_written, ended, num_stored = done.stdout.split()
    assert (imported, ended, num_stored) == ("75000", "stopped", "0")
    assert float(growth_mib) < 400
    assert int(num_written) > 10
