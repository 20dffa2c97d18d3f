"""Real files in, out in every format, and in again: the same labels, byte for byte."""

import pytest

from storage.exchange import import_file
from storage.export import export_label_log, export_pairs
from storage.pairs import training_pairs
from storage.projects import create_project

# How many labels hold: 837 pairs and 399 claims, each of three raters; preferences, and ties too.
FILES = {
    "pandalm/testset-v1.json": 3 * 837,
    "kqa/NLI_medical_annotator.csv": 3 * 399,
    "medquad/pairs.jsonl": 237,
    "medquad/graded_answers.jsonl": 237 + 335,
}


@pytest.mark.parametrize(
    "file_format", ["jsonl", *(pytest.param(f, marks=pytest.mark.slow) for f in ("csv", "parquet"))]
)
@pytest.mark.parametrize("name", FILES)
def test_real_labels_come_back_byte_for_byte(
    db, project_id, real_data, tmp_path, name, file_format
):
    import_file(db, project_id, real_data / name)
    first, again = (tmp_path / f"{part}.{file_format}" for part in ("first", "again"))
    assert export_pairs(db, project_id, first, file_format) == FILES[name]
    other = create_project(db, "Other").project_id
    report = import_file(db, other, first)
    assert (report.imported, report.already_there, report.skipped) == (FILES[name], 0, ())
    export_pairs(db, other, again, file_format)
    assert again.read_bytes() == first.read_bytes()
    assert len(training_pairs(db, other)) == FILES[name]


@pytest.mark.slow
@pytest.mark.parametrize("name", FILES)
def test_real_log_comes_back_byte_for_byte(db, project_id, real_data, tmp_path, name):
    """Into a database of its own: a studio has an event once."""
    import_file(db, project_id, real_data / name)
    export_label_log(db, project_id, tmp_path / "first.jsonl")
    with type(db)(None) as other:
        restored = create_project(other, "Restored").project_id
        assert import_file(other, restored, tmp_path / "first.jsonl").skipped == ()
        export_label_log(other, restored, tmp_path / "again.jsonl")
    assert (tmp_path / "again.jsonl").read_bytes() == (tmp_path / "first.jsonl").read_bytes()
