"""Where rows come from: columns of parquet and Arrow, folders, other names, large files."""

import json
import math
import threading

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from storage.adjudication import settle
from storage.errors import ImportFileError
from storage.exchange import import_file
from storage.export import export_label_log, export_pairs
from storage.import_events import CANNOT_ADD, CANNOT_SETTLE
from storage.import_staging import stagings
from storage.import_store import _next_size
from storage.opening import open_database
from storage.pairs import Judgement, add_comparison, save_label, show_case, training_pairs
from storage.projects import create_project, list_projects, list_prompts
from storage.turns import label_progress

# Imports a file of 200,000 rows and prints by how much the process grew, in MiB. The database may
# use a quarter of what it usually may: all above that is ours.
# The peak is that of this program alone: ru_maxrss begins with that of the program before it.
IMPORT_LARGE = """
import sys
from pathlib import Path
from storage.database import Database
from storage.exchange import import_file
from storage.projects import create_project

def peak_mib():
    [line] = [one for one in open("/proc/self/status") if one.startswith("VmHWM")]
    return int(line.split()[1]) / 1024

folder = Path(sys.argv[1])
with Database(folder / "studio.duckdb") as db:
    db.execute_script("SET memory_limit = '256MB'")
    project = create_project(db, "Large").project_id
    import_file(db, project, folder / "small.jsonl")
    before = peak_mib()
    report = import_file(db, project, folder / sys.argv[2])
    print(report.imported, peak_mib() - before)
"""


def row(number=1, **more):
    return {"prompt": f"Q{number}", "chosen": "yes", "rejected": "no"} | more


def write_arrow(path, rows, make=pa.ipc.new_stream):
    table = pa.Table.from_pylist(rows)
    path.parent.mkdir(parents=True, exist_ok=True)
    with make(path, table.schema) as writer:
        writer.write_table(table)


@pytest.fixture
def imported(db, project_id):
    def run(path, **options):
        report = import_file(db, project_id, path, **options)
        assert report.skipped == ()
        return [(p.prompt, p.chosen, p.rejected, p.split) for p in training_pairs(db, project_id)]

    return run


@pytest.mark.parametrize("make", [pa.ipc.new_stream, pa.ipc.new_file])
def test_arrow_rows_are_imported(imported, tmp_path, make):
    rows = [row(number, split="train") for number in range(1200)]
    write_arrow(tmp_path / "rows.arrow", rows, make)
    assert len(imported(tmp_path / "rows.arrow")) == 1200


def test_parquet_export_comes_back(db, project_id, imported, tmp_path):
    other = create_project(db, "Other").project_id
    (tmp_path / "rows.jsonl").write_text(json.dumps(row(reasons=["safety"], split="train")))
    import_file(db, other, tmp_path / "rows.jsonl")
    export_pairs(db, other, tmp_path / "rows.parquet", "parquet")
    assert imported(tmp_path / "rows.parquet") == [("Q1", "yes", "no", "train")]
    assert training_pairs(db, project_id)[0].reasons == ("safety",)


def test_exported_folder_comes_back_with_its_splits(db, imported, tmp_path):
    other = create_project(db, "Other").project_id
    rows = (row(1, split="train"), row(2, split="held_out"))
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps(one) + "\n" for one in rows))
    import_file(db, other, tmp_path / "rows.jsonl")
    export_pairs(db, other, tmp_path / "hf", "hf")
    assert sorted(imported(tmp_path / "hf")) == [
        ("Q1", "yes", "no", "train"),
        ("Q2", "yes", "no", "held_out"),
    ]


@pytest.mark.parametrize(
    ("name", "split"),
    [
        ("train/data-00000-of-00001.arrow", "train"),
        ("validation/data-00000-of-00001.arrow", "held_out"),
        ("data/test-00000-of-00001.parquet", "held_out"),
        ("data/train.jsonl", "train"),
    ],
)
def test_names_in_a_folder_say_the_split(imported, tmp_path, name, split):
    folder = tmp_path / "set"
    file = folder / name
    if file.suffix == ".arrow":
        write_arrow(file, [row()])
        write_arrow(file.with_name("cache-123.arrow"), [{"text": "left by a map"}])
    else:
        file.parent.mkdir(parents=True)
        if file.suffix == ".jsonl":
            file.write_text(json.dumps(row()))
        else:
            pq.write_table(pa.Table.from_pylist([row()]), file)
    assert imported(folder) == [("Q1", "yes", "no", split)]


def test_rows_of_a_folder_are_counted_on(db, project_id, tmp_path):
    write_arrow(tmp_path / "a.arrow", [row(1), row(2, chosen="no")])
    write_arrow(tmp_path / "b.arrow", [row(3, chosen=" ")])
    report = import_file(db, project_id, tmp_path)
    assert [one.line for one in report.skipped] == [2, 3]


@pytest.mark.parametrize("name", ["rows.parquet", "rows.arrow"])
@pytest.mark.parametrize("data", [b"", b"PAR1 and nothing more", b"\xff\xff\xff\xff\x10\x00\x00"])
def test_columns_that_cannot_be_read_are_refused(db, project_id, tmp_path, name, data):
    (tmp_path / name).write_bytes(data)
    with pytest.raises(ImportFileError, match=f"{name} is damaged, or not a"):
        import_file(db, project_id, tmp_path / name)


def test_folder_without_rows_is_refused(db, project_id, tmp_path):
    with pytest.raises(ImportFileError, match="has no parquet, Arrow or JSON Lines file"):
        import_file(db, project_id, tmp_path)


# --- other names ------------------------------------------------------------------------------

MAPPING = {"Question": "prompt", "Best Answer": "chosen", "worse": "rejected"}


@pytest.mark.parametrize("name", ["rows.csv", "rows.jsonl"])
def test_mapped_columns_are_ours(imported, tmp_path, name):
    values = {"question": "Q", "best answer": "yes", "Worse": "no", "split": "train"}
    text = (
        json.dumps(values)
        if name == "rows.jsonl"
        else ";".join(values) + "\n" + ";".join(values.values()) + "\n"
    )
    (tmp_path / name).write_text(text)
    assert imported(tmp_path / name, mapping=MAPPING) == [("Q", "yes", "no", "train")]


def test_mapped_column_comes_before_one_that_has_the_name(imported, tmp_path):
    (tmp_path / "rows.jsonl").write_text(json.dumps(row(long="the long one", split="train")))
    mapping = {"long": "chosen"}
    assert imported(tmp_path / "rows.jsonl", mapping=mapping) == [
        ("Q1", "the long one", "no", "train")
    ]


def test_mapped_column_may_have_only_blank_cells(imported, tmp_path):
    (tmp_path / "rows.csv").write_text("prompt,chosen,rejected,why,split\nQ,a,b,,train\n")
    assert len(imported(tmp_path / "rows.csv", mapping={"why": "rationale"})) == 1


@pytest.mark.parametrize(
    ("mapping", "message"),
    [
        ({"prompt": "question"}, "There is no column 'question' to map to"),
        ({"a": "prompt", "b": "prompt"}, "Two columns are mapped to 'prompt'"),
        ({"why": "rationale"}, "The file has no column 'why' to map"),
    ],
)
def test_mapping_that_does_not_fit_stores_nothing(db, project_id, tmp_path, mapping, message):
    (tmp_path / "rows.jsonl").write_text(json.dumps(row()))
    with pytest.raises(ImportFileError, match=message):
        import_file(db, project_id, tmp_path / "rows.jsonl", mapping)
    assert list_prompts(db, project_id) == []


# --- large files ------------------------------------------------------------------------------


@pytest.fixture
def write_many(tmp_path):
    def write(count, name="many.jsonl"):
        with (tmp_path / name).open("w") as file:
            file.writelines(json.dumps(row(number)) + "\n" for number in range(count))
        return tmp_path / name

    return write


def test_progress_is_told_to_the_last_row(db, project_id, write_many):
    told = []
    import_file(db, project_id, write_many(1234), on_progress=lambda *now: told.append(now))
    read = [rows for rows, total in told if not total]
    assert read == sorted(read)
    assert (len(set(read)) > 2, read[-1]) == (True, 1234)


def test_progress_is_told_while_rows_are_stored(db, project_id, write_many, monkeypatch):
    """1,234 prompts, pairs and labels, and what stands on the pairs, all in parts of 500."""
    for name in ("_PART", "_LABELS"):
        monkeypatch.setattr(f"storage.import_store.{name}", 500)
    monkeypatch.setattr("storage.import_store._PART_S", math.inf)
    told = []
    import_file(db, project_id, write_many(1234), on_progress=lambda *now: told.append(now))
    stored = [done for done, total in told if total]
    assert stored == [1234 * stage + part for stage in range(4) for part in (0, 500, 1000)]
    assert {total for _, total in told} == {0, 4 * 1234}


def test_parts_are_smaller_where_they_take_long():
    sizes = [10_000]
    for took_s in (0.1, 0.5, 0.5, 0.1, 0.01, 0.01):
        sizes.append(_next_size(sizes[-1], 10_000, took_s))
    assert sizes == [10_000, 10_000, 5_000, 5_000, 5_000, 10_000, 10_000]
    assert [_next_size(500, 500, took_s) for took_s in (0.5, 0.01)] == [500, 500]


@pytest.mark.parametrize("rows_before", [0, 1000, 1234])
@pytest.mark.slow
def test_stopped_import_stores_nothing_and_can_be_done_again(
    db, project_id, write_many, rows_before
):
    path, told = write_many(1234), [0]
    with pytest.raises(ImportFileError, match="was stopped; nothing was stored"):
        import_file(
            db,
            project_id,
            path,
            on_progress=lambda done, _: told.append(done),
            is_cancelled=lambda: told[-1] >= rows_before,
        )
    assert list_prompts(db, project_id) == []
    assert stagings(db) == []
    assert import_file(db, project_id, path).imported == 1234


def test_import_that_is_being_stored_is_not_stopped(db, project_id, write_many, monkeypatch):
    monkeypatch.setattr("storage.import_store._PART", 500)
    told = [(0, 0)]
    report = import_file(
        db,
        project_id,
        write_many(1234),
        on_progress=lambda *now: told.append(now),
        is_cancelled=lambda: told[-1][1] > 0,
    )
    assert report.imported == len(training_pairs(db, project_id)) == 1234


@pytest.mark.parametrize("stage", range(4))
def test_others_label_between_the_parts_and_their_word_holds(
    db, project_id, write_many, tmp_path, monkeypatch, stage
):
    """The file says of ann that "yes" is better; she says here that "no" is, while it is stored."""
    for name in ("_PART", "_LABELS"):
        monkeypatch.setattr(f"storage.import_store.{name}", 10)
    case = show_case(add_comparison(db, project_id, "Q15", "yes", "no"), "ann")
    path = tmp_path / "rows.jsonl"
    path.write_text("".join(json.dumps(row(n, rater="ann")) + "\n" for n in range(20)))

    def label_meanwhile(done, total):
        if total and done == 20 * stage + 10:
            said = threading.Thread(target=save_label, args=(db, case, "ann", Judgement("b")))
            said.start()
            said.join()

    report = import_file(db, project_id, path, on_progress=label_meanwhile)
    held = {pair.prompt: pair.chosen for pair in training_pairs(db, project_id)}
    assert held == {f"Q{n}": "yes" for n in range(20)} | {"Q15": "no"}
    assert label_progress(db, project_id, "ann").pending == 0
    # Stage 2 stores the labels: before it her word is known, after it two labels are in the log.
    assert len(report.skipped) == (stage < 3)


@pytest.mark.parametrize("is_final", [False, True])
def test_event_of_a_log_gives_way_to_what_is_said_while_it_is_stored(
    db, project_id, tmp_path, is_final
):
    """Of ann a log says that she prefers "yes", or that she settled the case; bob or she speaks."""
    other = create_project(db, "Other").project_id
    case = show_case(add_comparison(db, other, "Q", "yes", "no"), "ann")
    if is_final:
        settle(db, case, "ann", Judgement("a"))
    else:
        save_label(db, case, "ann", Judgement("a"))
    log = tmp_path / "log.jsonl"
    export_label_log(db, other, log)
    [line] = [json.loads(text) for text in log.read_text().splitlines()]
    log.write_text(json.dumps({**line, "event_id": "e" * 32}) + "\n")
    speaker = "bob" if is_final else "ann"
    here = show_case(add_comparison(db, project_id, "Q", "yes", "no"), speaker)

    def label_meanwhile(done, total):
        if total and not done:
            said = threading.Thread(target=save_label, args=(db, here, speaker, Judgement("b")))
            said.start()
            said.join()

    report = import_file(db, project_id, log, on_progress=label_meanwhile)
    assert (report.imported, report.already_there) == (0, 0)
    assert [one.reason for one in report.skipped] == [CANNOT_SETTLE if is_final else CANNOT_ADD]
    assert [pair.chosen for pair in training_pairs(db, project_id)] == ["no"]


def test_labels_that_are_stored_in_parts_are_there_once(db, project_id, tmp_path, monkeypatch):
    monkeypatch.setattr("storage.import_store._LABELS", 2)
    rows = [row(number % 4, rater=f"r{number % 3}") for number in range(20)]
    path = tmp_path / "rows.jsonl"
    path.write_text("".join(json.dumps(one) + "\n" for one in rows))
    report = import_file(db, project_id, path)
    assert (report.imported, report.already_there) == (12, 8)
    labels = [(pair.prompt, pair.rater) for pair in training_pairs(db, project_id)]
    assert len(labels) == len(set(labels)) == 12
    assert import_file(db, project_id, path).imported == 0


def test_very_many_refused_rows_are_counted(db, project_id, tmp_path, monkeypatch):
    monkeypatch.setattr("storage.import_rows.MOST_LISTED", 5)
    path = tmp_path / "rows.jsonl"
    path.write_text("".join(json.dumps(row(n, chosen="no")) + "\n" for n in range(12)) + "{}\n")
    with path.open("a") as file:
        file.write(json.dumps(row(99, split="train")) + "\n")
        file.write(json.dumps(row(99, rejected="never", split="held_out")) + "\n")
    report = import_file(db, project_id, path)
    assert (report.imported, report.num_skipped, report.num_unlisted) == (1, 14, 9)
    assert [one.line for one in report.skipped] == [1, 2, 3, 4, 5]


def test_others_write_while_a_file_is_read(db, project_id, write_many):
    written = []

    def write_meanwhile(*_):
        if not written:
            other = threading.Thread(target=lambda: written.append(create_project(db, "Other")))
            other.start()
            other.join(timeout=20)
            assert written, "the import keeps others from writing"

    path = write_many(1234)
    assert import_file(db, project_id, path, on_progress=write_meanwhile).imported == 1234
    assert written[0] in list_projects(db)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["many.jsonl", "many.parquet"])
def test_memory_stays_bounded_on_a_large_file(run_python, tmp_path, write_many, name):
    write_many(1000, "small.jsonl")
    path = tmp_path / "many.jsonl"
    text = "An answer of some length, as people write them. " * 40
    with path.open("w") as file:
        for number in range(50_000):
            values = row(number, chosen=f"{text}{number}", rejected=text)
            file.write(json.dumps(values) + "\n")
    if name == "many.parquet":
        from pyarrow import json as arrow_json  # noqa: PLC0415 - for this case alone

        pq.write_table(arrow_json.read_json(path), tmp_path / name)
    done = run_python("-c", IMPORT_LARGE, tmp_path, name)
    assert done.returncode == 0, done.stderr
    imported, growth_mib = done.stdout.split()
    assert int(imported) == 50_000
    assert float(growth_mib) < 400


def test_import_inside_a_transaction_is_a_part_of_it(tmp_path, write_many):
    """Its rows are refused in part, so that what is staged is changed in that transaction too."""
    path = write_many(20)
    with path.open("a") as file:
        file.write(json.dumps(row(1, chosen="maybe", split="held_out")) + "\n")
    with open_database(tmp_path / "studio.duckdb") as db:
        with pytest.raises(RuntimeError), db.transaction():
            project_id = create_project(db, "Undone").project_id
            import_file(db, project_id, path)
            raise RuntimeError
        assert list_projects(db) == []
        with db.transaction():
            project_id = create_project(db, "Done").project_id
            assert import_file(db, project_id, path).imported > 18
    with open_database(tmp_path / "studio.duckdb") as db:
        assert len(training_pairs(db, project_id)) > 18
        assert stagings(db) == []


# Imports a file and is killed when storing has told of its progress so many times; reading tells
# nothing with a total. "reading" kills it with the first rows staged.
KILLED = """
import os, signal, sys
from pathlib import Path
from storage import import_store
from storage.database import Database
from storage.exchange import import_file
from storage.projects import create_project

folder, moment = Path(sys.argv[1]), sys.argv[2]
import_store._PART = import_store._LABELS = 100
told = []

def tell(done, total):
    told.append(total > 0)
    if (moment == "reading" and done >= 500) or (moment != "reading" and sum(told) > int(moment)):
        os.kill(os.getpid(), signal.SIGKILL)

with Database(folder / "studio.duckdb") as db:
    create_project(db, "Large", project_id="large")
    import_file(db, "large", folder / "many.jsonl", on_progress=tell)
"""


@pytest.mark.parametrize(
    "moment",
    ["reading", 13, *(pytest.param(n, marks=pytest.mark.slow) for n in (0, 1, 6, 7, 20, 24, 27))],
)
def test_killed_import_is_there_as_a_whole_or_not_at_all(run_python, tmp_path, write_many, moment):
    """700 rows in parts of 100: 7 parts each of prompts, pairs, labels, and what stands."""
    write_many(700)
    done = run_python("-c", KILLED, tmp_path, moment)
    assert done.returncode == -9, done.stderr
    for _ in range(2):
        with open_database(tmp_path / "studio.duckdb") as db:
            found = training_pairs(db, "large")
            expected = 0 if moment == "reading" else 700
            assert len(found) == len(list_prompts(db, "large")) == expected
            assert len({pair.prompt for pair in found}) == expected
            queued = db.count("SELECT count(*) FROM queue WHERE num_labels = 1")
            assert queued == expected
            assert stagings(db) == []
            report = import_file(db, "large", tmp_path / "many.jsonl") if expected else None
            assert report is None or report.imported == 0
