"""Where rows come from: columns of parquet and Arrow, folders, other names, large files."""

import json
import threading

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from storage.errors import ImportFileError
from storage.exchange import import_file
from storage.export import export_pairs
from storage.pairs import training_pairs
from storage.projects import create_project, list_projects, list_prompts

# Imports a file of 200,000 rows and prints by how much the process grew, in MiB. The database may
# use a quarter of what it usually may: all above that is ours.
IMPORT_LARGE = """
import resource, sys
from pathlib import Path
from storage.database import Database
from storage.exchange import import_file
from storage.projects import create_project

def peak_mib():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024

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
    """1,234 pairs and as many labels, in parts of 500, and one for the events that are none."""
    for name in ("_PART", "_LABELS"):
        monkeypatch.setattr(f"storage.import_store.{name}", 500)
    told = []
    import_file(db, project_id, write_many(1234), on_progress=lambda *now: told.append(now))
    stored = [done for done, total in told if total]
    assert stored == [0, 500, 1000, 1233, 1733, 2233, 2466]
    assert {total for _, total in told} == {0, 2467}


@pytest.mark.parametrize(("rows_before", "is_storing"), [(0, 0), (1000, 0), (1234, 0), (500, 1)])
def test_stopped_import_stores_nothing_and_can_be_done_again(
    db, project_id, write_many, rows_before, is_storing, monkeypatch
):
    monkeypatch.setattr("storage.import_store._PART", 500)
    path, told = write_many(1234), [(0, 0)]
    with pytest.raises(ImportFileError, match="was stopped; nothing was stored"):
        import_file(
            db,
            project_id,
            path,
            on_progress=lambda done, total: told.append((done, total)),
            is_cancelled=lambda: (
                told[-1][0] >= rows_before and bool(told[-1][1]) >= bool(is_storing)
            ),
        )
    assert list_prompts(db, project_id) == []
    assert import_file(db, project_id, path).imported == 1234


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
    text = "An answer of some length, as people write them. " * 10
    with path.open("w") as file:
        for number in range(200_000):
            values = row(number, chosen=f"{text}{number}", rejected=text)
            file.write(json.dumps(values) + "\n")
    if name == "many.parquet":
        from pyarrow import json as arrow_json  # noqa: PLC0415 - for this case alone

        pq.write_table(arrow_json.read_json(path), tmp_path / name)
    done = run_python("-c", IMPORT_LARGE, tmp_path, name)
    assert done.returncode == 0, done.stderr
    imported, growth_mib = done.stdout.split()
    assert int(imported) == 200_000
    assert float(growth_mib) < 400
