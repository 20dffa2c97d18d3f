import os
import pickle
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pyarrow as pa
import pytest

from gem_backend.candidate_table import to_table
from storage.database import Database
from storage.errors import (
    DatabaseInUseError,
    DatabaseUnusableError,
    DiskFullError,
    StorageError,
)
from storage.projects import create_project, list_projects

TEMPORARY = "SELECT count(*) FROM duckdb_tables() WHERE temporary"

# Saves labels for ever and says so after each one.
SAVE_LABELS = """
import sys
from pathlib import Path
from storage.database import Database
from storage.pairs import Judgement, add_comparison, save_label, show_case
from storage.projects import create_project
db = Database(Path(sys.argv[1]))
project = create_project(db, "Study").project_id
for number in range(100_000):
    case = show_case(add_comparison(db, project, f"Question {number}", "yes", "no"), "ann")
    save_label(db, case, "ann", Judgement("a", rationale="r" * 1000))
    print(number + 1, flush=True)
"""

# Fills a disk (no file may grow beyond so many bytes), says how many rows were acknowledged, then
# gets more space, stores one row more and is killed.
FILL_DISK = """
import os, resource, sys
from pathlib import Path
from storage.database import Database
from storage.errors import DiskFullError
from storage.projects import create_project, upsert_prompt
db = Database(Path(sys.argv[1]))
project = create_project(db, "Study").project_id
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[2]), resource.RLIM_INFINITY))
for number in range(1000):
    try:
        upsert_prompt(db, project, f"{number} " + os.urandom(200_000).hex())
    except DiskFullError as error:
        print(number, error.message, sep="|", flush=True)
        break
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
upsert_prompt(db, project, "one more")
os.kill(os.getpid(), 9)
"""

# Presses Ctrl-C again and again, mostly in the middle of one of many short queries.
INTERRUPT_QUERIES = """
import os, signal, threading
from storage.database import Database

signal.signal(signal.SIGINT, signal.default_int_handler)
with Database(None) as db:
    for _ in range(50):
        threading.Timer(0.01, os.kill, (os.getpid(), signal.SIGINT)).start()
        try:
            while True:
                db.query("SELECT sum(range) FROM range(100_000)")
        except KeyboardInterrupt:
            print("interrupted")
"""


def run_python(code, *arguments):
    return subprocess.run(
        [sys.executable, "-c", code, *map(str, arguments)], capture_output=True, text=True
    )


@pytest.fixture
def path(tmp_path):
    return tmp_path / "data" / "studio.duckdb"


def test_what_is_stored_is_there_after_reopening(path):
    with Database(path) as db:
        project = create_project(db, "Study")
    with Database(path) as db:
        assert list_projects(db) == [project]


def test_second_process_cannot_open_database(path):
    code = (
        "import sys; from pathlib import Path; from storage.database import Database\n"
        "from storage.errors import DatabaseInUseError\n"
        "try: Database(Path(sys.argv[1]))\n"
        "except DatabaseInUseError as error: print(error.message)"
    )
    with Database(path):
        answer = run_python(code, path)
    assert answer.stdout.strip() == (
        f"This data folder is already open in another studio (process {os.getpid()}). "
        "Close it or choose another folder with --data-dir."
    )


def test_kill_9_loses_no_saved_label(path):
    worker = subprocess.Popen(
        [sys.executable, "-c", SAVE_LABELS, str(path)], stdout=subprocess.PIPE, text=True
    )
    with worker:
        saved = [int(worker.stdout.readline()) for _ in range(40)]
        worker.send_signal(signal.SIGKILL)
        saved += [int(line) for line in worker.stdout if line.endswith("\n")]
    with Database(path) as db:
        stored = db.count("SELECT count(*) FROM labels")
        assert db.count("SELECT count(*) FROM pairs") >= stored
    assert worker.returncode == -signal.SIGKILL
    assert saved[-1] <= stored <= saved[-1] + 1  # the last one may have been saved but not said


@pytest.mark.parametrize("limit", [4_000_000, 20_000_000])  # full in a commit, in a checkpoint
def test_full_disk_is_said_and_loses_nothing(path, limit):
    pytest.importorskip("resource", reason="this system has no limit on file sizes")
    answer = run_python(FILL_DISK, path, limit)
    assert answer.returncode == -signal.SIGKILL, answer.stderr
    number, message = answer.stdout.strip().split("|")
    assert message.startswith("The disk is full:")
    assert int(number) > 5
    with Database(path) as db:
        assert db.count("SELECT count(*) FROM prompts") == int(number) + 1
        create_project(db, "It goes on")


def test_failed_transaction_leaves_nothing(db):
    with pytest.raises(ZeroDivisionError), db.transaction():
        create_project(db, "Study")
        assert len(list_projects(db)) == 1  # it sees its own writes
        raise ZeroDivisionError
    assert list_projects(db) == []


def test_nested_transactions_end_with_the_outermost(db):
    with pytest.raises(ZeroDivisionError), db.transaction():
        with db.transaction():
            create_project(db, "Study")
        raise ZeroDivisionError
    assert list_projects(db) == []


def test_temporary_tables_last_as_long_as_they_are_kept(db):
    with db.temporary_tables():
        db.execute_script("CREATE TEMP TABLE mine (number INTEGER)")
        db.execute("INSERT INTO mine VALUES (1)")
        with pytest.raises(ZeroDivisionError), db.transaction():
            db.execute("INSERT INTO mine VALUES (2)")
            raise ZeroDivisionError
        assert db.query("SELECT * FROM mine") == [(1,)]
        seen = []
        other = threading.Thread(target=lambda: seen.append(db.count(TEMPORARY)))
        other.start()
        other.join()
        assert seen == [0]
    assert db.count(TEMPORARY) == 0
    with pytest.raises(StorageError):
        db.query("SELECT * FROM mine")


def test_readers_do_not_see_an_open_transaction(db):
    seen = []
    with db.transaction():
        create_project(db, "Study")
        reader = threading.Thread(target=lambda: seen.append(list_projects(db)))
        reader.start()
        reader.join()
    assert seen == [[]]
    assert len(list_projects(db)) == 1


def test_many_threads_write_without_loss(db):
    def write(thread):
        for number in range(20):
            create_project(db, f"{thread} {number}")

    threads = [threading.Thread(target=write, args=(thread,)) for thread in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(list_projects(db)) == 160


def test_driver_errors_have_our_name(db):
    with pytest.raises(StorageError, match="The database refused"):
        db.query("SELECT * FROM nothing_of_ours")
    with pytest.raises(StorageError, match="The database refused"):
        db.execute("INSERT INTO projects (project_id) VALUES ('incomplete')")


@pytest.mark.skipif(os.name == "nt", reason="Ctrl-C is another thing there")
def test_interrupted_query_is_an_interrupt_and_not_a_fault(tmp_path):
    """The driver raises RuntimeError("Query interrupted") for Ctrl-C in the middle of a query.

    Only in a program that has a file: under ``python -c`` it takes no notice of Ctrl-C.
    """
    script = tmp_path / "interrupt_queries.py"
    script.write_text(INTERRUPT_QUERIES)
    root = str(Path(__file__).parents[2])
    process = subprocess.run(
        [sys.executable, script],
        capture_output=True,
        text=True,
        timeout=60,
        env=os.environ | {"PYTHONPATH": root},
    )
    assert process.stdout.split() == ["interrupted"] * 50, process.stderr


def test_database_goes_on_after_an_error_inside_a_transaction(db):
    with pytest.raises(StorageError), db.transaction():
        db.execute("INSERT INTO projects (project_id) VALUES ('incomplete')")
    create_project(db, "Study")
    assert len(list_projects(db)) == 1


def test_sql_cannot_read_files(db, tmp_path):
    (tmp_path / "secret.csv").write_text("a\n1\n")
    with pytest.raises(StorageError):
        db.query(f"SELECT * FROM read_csv('{tmp_path / 'secret.csv'}')")


def test_batches_stream_a_result(db):
    batches = list(db.arrow_batches("SELECT range AS n FROM range(5000)", rows=2048))
    assert len(batches) > 1
    assert sum(batch.num_rows for batch in batches) == 5000


def test_other_file_is_refused_and_left_alone(path):
    path.parent.mkdir()
    path.write_bytes(b"a letter" * 1000)
    with pytest.raises(DatabaseUnusableError, match="--data-dir"):
        Database(path)
    assert path.read_bytes() == b"a letter" * 1000


def test_folder_that_cannot_be_made_is_refused(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(DatabaseUnusableError, match="cannot be written to"):
        Database(tmp_path / "file" / "studio.duckdb")


def test_errors_keep_their_title_across_processes():
    error = pickle.loads(pickle.dumps(DatabaseInUseError("Close it.", "Busy")))
    assert (type(error), error.message, error.title) == (DatabaseInUseError, "Close it.", "Busy")
    assert DiskFullError("x").title == "Disk full"


def test_hundred_long_candidates_insert_quickly(db, make_candidate, project_id):
    candidates = [make_candidate(f"c{number}", tokens=512) for number in range(100)]
    constant = {"group_id": "g", "prompt_id": "p", "stage": "explore", "created_at": ""}
    extra = {name: [value] * 100 for name, value in constant.items()}
    table = to_table(candidates, round=pa.array([0] * 100), **extra)
    start = time.perf_counter()
    assert db.insert("candidates", table) == 100
    assert time.perf_counter() - start < 2


def test_what_hardly_changes_is_read_once_until_it_did(db):
    reads = []

    def read():
        reads.append(1)
        return db.count("SELECT count(*) FROM projects")

    assert [db.kept("projects", read) for _ in range(3)] == [0, 0, 0]
    assert len(reads) == 1
    create_project(db, "Fever")
    assert [db.kept("projects", read) for _ in range(3)] == [1, 1, 1]
    assert len(reads) == 2


def test_nothing_is_not_kept():
    with Database(None) as db:
        assert db.kept("no such project", lambda: None) is None
        assert db.kept("no such project", lambda: 1) == 1


def test_what_a_transaction_changed_is_kept_by_nobody_before_it_is_committed(db):
    def read():
        return db.count("SELECT count(*) FROM projects")

    def read_elsewhere():
        found = []
        thread = threading.Thread(target=lambda: found.append(db.kept("projects", read)))
        thread.start()
        thread.join()
        return found[0]

    with pytest.raises(RuntimeError), db.transaction():
        create_project(db, "Fever")
        assert db.kept("projects", read) == 1
        raise RuntimeError
    assert db.kept("projects", read) == 0
    with db.transaction():
        create_project(db, "Fever")
        assert read_elsewhere() == 0
    assert db.kept("projects", read) == read_elsewhere() == 1


def test_what_was_read_before_a_change_is_not_kept_after_it(db):
    """The change is committed while somebody else reads."""

    def read():
        before = db.count("SELECT count(*) FROM projects")
        thread = threading.Thread(target=create_project, args=(db, "Fever"))
        thread.start()
        thread.join()
        return before

    assert db.kept("projects", read) == 0
    assert db.kept("projects", lambda: db.count("SELECT count(*) FROM projects")) == 1
