"""What an export holds: what trains, every label, or what waits for one; and what comes back."""

import json
import zipfile
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from gem_backend.training_data import split_training_data
from storage.adjudication import disputes, settle
from storage.audit import label_log
from storage.errors import ExportError
from storage.exchange import import_file
from storage.export import export_pairs
from storage.pairs import Judgement, add_comparison, save_label, show_case
from storage.pairs import training_pairs as counted
from storage.projects import create_project, list_prompts
from storage.turns import next_turn


@pytest.fixture
def judged(db, project_id):
    """Eleven questions with every verdict there is, one of them settled, some held out."""
    cases = [
        show_case(add_comparison(db, project_id, f"Q{n}", "one", "two"), "ann") for n in range(11)
    ]
    for case in cases[:6]:
        save_label(db, case, "ann", Judgement("a", 2))
    for case, verdict in zip(cases[6:9], ("tie", "both_bad", "cannot_judge"), strict=True):
        save_label(db, case, "ann", Judgement(verdict))
    save_label(db, cases[9], "ann", Judgement("b", is_acceptable=False))
    for rater, verdict in (("ann", "a"), ("bob", "b")):
        save_label(db, cases[10], rater, Judgement(verdict))
    settle(db, cases[10], "admin", Judgement("b", 3, rationale="Safer."))
    return project_id


def rows_of(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def other_of(db):
    return create_project(db, "Other").project_id


def test_what_trains_is_what_a_run_would_train_on(db, judged, tmp_path):
    count = export_pairs(db, judged, tmp_path / "out.jsonl", "jsonl", "trains")
    train = split_training_data(counted(db, judged)).train
    assert rows_of(tmp_path / "out.jsonl") == [
        {"prompt": pair.prompt, "chosen": pair.chosen, "rejected": pair.rejected} for pair in train
    ]
    assert count == len(train) >= 3
    assert {pair.verdict for pair in train} == {"preferred"}


@pytest.mark.parametrize("file_format", ["csv", "parquet", "hf"])
def test_what_trains_has_no_other_column_in_any_format(db, judged, tmp_path, file_format):
    path = tmp_path / "out"
    export_pairs(db, judged, path, file_format, "trains")
    if file_format == "csv":
        assert path.read_text().splitlines()[0] == '"prompt","chosen","rejected"'
        return
    if file_format == "hf":
        assert [file.name for file in (path / "data").iterdir()] == ["train.parquet"]
        path = path / "data" / "train.parquet"
    assert pq.read_table(path).column_names == ["prompt", "chosen", "rejected"]


def test_held_out_pairs_do_not_leave_with_what_trains(db, project_id, tmp_path):
    rows = [{"prompt": f"Q{n}", "chosen": "1", "rejected": "2"} for n in range(4)]
    rows[0]["split"] = "held_out"
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    import_file(db, project_id, tmp_path / "rows.jsonl")
    export_pairs(db, project_id, tmp_path / "out.jsonl", "jsonl", "trains")
    assert [row["prompt"] for row in rows_of(tmp_path / "out.jsonl")] == ["Q1", "Q2", "Q3"]


def test_empty_project_trains_on_nothing(db, project_id, tmp_path):
    assert export_pairs(db, project_id, tmp_path / "out.csv", "csv", "trains") == 0


def test_labels_hold_what_raters_said_of_a_settled_case(db, judged, tmp_path):
    export_pairs(db, judged, tmp_path / "out.jsonl", "jsonl")
    said = [row for row in rows_of(tmp_path / "out.jsonl") if row["prompt"] == "Q10"]
    assert [(row["rater"], row["chosen"], row["is_final"]) for row in said] == [
        ("ann", "one", False),
        ("bob", "two", False),
        ("admin", "two", True),
    ]


@pytest.mark.parametrize("file_format", ["jsonl", "csv", "parquet", "hf", "zip"])
def test_settled_cases_come_back_settled(db, judged, tmp_path, file_format):
    first, again = (tmp_path / f"{name}.{file_format}" for name in ("first", "again"))
    export_pairs(db, judged, first, file_format)
    other = other_of(db)
    report = import_file(db, other, first)
    assert (report.imported, report.skipped) == (13, ())
    export_pairs(db, other, again, file_format)
    assert content_of(again) == content_of(first)
    [pair] = [pair for pair in counted(db, other) if pair.prompt == "Q10"]
    assert (pair.rater, pair.chosen, pair.strength, pair.rationale) == ("admin", "two", 3, "Safer.")
    [dispute] = disputes(db, other)
    assert [one.rater for one in dispute.said] == ["ann", "bob"]


def content_of(path: Path):
    """The bytes of all tables in a file, folder or archive."""
    if path.is_dir():
        return [file.read_bytes() for file in sorted(path.rglob("*.parquet"))]
    if path.suffix != ".zip":
        return path.read_bytes()
    with zipfile.ZipFile(path) as archive:
        return [archive.read(name) for name in archive.namelist() if name != "README.md"]


def test_labels_that_are_there_are_not_brought_twice(db, judged, tmp_path):
    export_pairs(db, judged, tmp_path / "out.csv", "csv")
    before = label_log(db, judged)
    report = import_file(db, judged, tmp_path / "out.csv")
    assert (report.imported, report.already_there, report.skipped) == (0, 13, ())
    assert label_log(db, judged) == before


def test_row_of_a_file_does_not_settle_what_somebody_judged_here(db, project_id, tmp_path):
    case = show_case(add_comparison(db, project_id, "Q", "one", "two"), "ann")
    save_label(db, case, "ann", Judgement("a"))
    row = {"prompt": "Q", "chosen": "two", "rejected": "one", "rater": "zoe", "is_final": True}
    (tmp_path / "rows.jsonl").write_text(json.dumps(row))
    report = import_file(db, project_id, tmp_path / "rows.jsonl")
    assert [one.reason for one in report.skipped] == [
        "Somebody has said something about this case here; a file cannot settle it."
    ]
    assert [pair.rater for pair in counted(db, project_id)] == ["ann"]


@pytest.mark.parametrize("file_format", ["jsonl", "csv", "parquet", "hf"])
def test_what_waits_for_a_label_comes_back_waiting(db, judged, tmp_path, file_format):
    add_comparison(db, judged, "W", "first", "second")
    pool = tmp_path / "pool.jsonl"
    pool.write_text('{"prompt": "P", "split": "pool", "gold_answer": "4"}\n')
    import_file(db, judged, pool)
    out = tmp_path / "waiting"
    out = out if file_format == "hf" else out.with_suffix(f".{file_format}")
    assert export_pairs(db, judged, out, file_format, "unjudged") == 2
    other = other_of(db)
    assert import_file(db, other, out).imported == 2
    assert next_turn(db, other, "ann").case.comparison.answer_b == "second"
    assert {(p.prompt, p.split, p.gold_answer) for p in list_prompts(db, other)} == {
        ("W", "train", None),
        ("P", "pool", "4"),
    }


def test_contents_that_nobody_knows_are_refused(db, project_id, tmp_path):
    with pytest.raises(ExportError, match="contents trains, labels"):
        export_pairs(db, project_id, tmp_path / "out", "csv", "all")
