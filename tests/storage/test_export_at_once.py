"""Two exports at the same moment, to the same place: each writes a whole file, and one is left."""

import json
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from storage.database import Database
from storage.exchange import import_file
from storage.export import export_label_log, export_pairs
from storage.projects import create_project

ROWS = 2500  # three batches


class InStep(Database):
    """A database whose readers wait for each other after each batch, once there are several."""

    meeting = threading.Barrier(1)

    def arrow_batches(self, sql, parameters=(), rows=1000):
        for batch in super().arrow_batches(sql, parameters, rows):
            yield batch
            self.meeting.wait()


@pytest.fixture
def db(tmp_path):
    with InStep(None) as db:
        create_project(db, "Large", project_id="large")
        rows = ({"prompt": f"Q{n}", "chosen": "yes", "rejected": "no"} for n in range(ROWS))
        path = tmp_path / "rows.jsonl"
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
        assert import_file(db, "large", path).imported == ROWS
        yield db


def export(db, folder, name):
    """Write a file or folder that is named after its format, or the log."""
    if name == "log":
        return export_label_log(db, "large", folder / name)
    return export_pairs(db, "large", folder / name, name)


def content(folder):
    return {
        path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()
    }


@pytest.mark.parametrize("name", ["jsonl", "csv", "parquet", "hf", "log"])
def test_two_exports_at_once_leave_what_one_would_have(db, tmp_path, name):
    alone, together = tmp_path / "alone", tmp_path / "together"
    assert export(db, alone, name) == ROWS
    db.meeting = threading.Barrier(2, timeout=60)
    with ThreadPoolExecutor(2) as pool:
        counts = list(pool.map(lambda _: export(db, together, name), range(2)))
    assert counts == [ROWS, ROWS]
    assert content(together) == content(alone)
