"""What an import would do is shown before it is done, and nothing is stored by looking."""

import json

import pytest

from gem_backend.types import SkippedRow
from storage.errors import ImportFileError
from storage.exchange import import_file
from storage.import_names import propose_mapping
from storage.import_preview import preview
from storage.pairs import training_pairs


@pytest.fixture
def write(tmp_path):
    def write_file(*rows, name="rows.jsonl"):
        path = tmp_path / name
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
        return path

    return write_file


@pytest.mark.parametrize(
    ("columns", "mapping"),
    [
        (("prompt", "chosen", "rejected"), {}),
        (("Question", "preferred", "worse"), ("prompt", "chosen", "rejected")),
        (
            ("instruction", "output_1", "output_2", "preference"),
            ("prompt", "answer_a", "answer_b", "verdict"),
        ),
        (("query", "completion_a", "completion_b"), ("prompt", "answer_a", "answer_b")),
        (("input", "answer1", "answer2", "label"), ("prompt", "answer_a", "answer_b", "verdict")),
        (
            ("instruction", "response_chosen", "response_rejected", "annotator"),
            ("prompt", "chosen", "rejected", "rater"),
        ),
        (("question", "response", "rating"), ("prompt", "answer", "grade")),
        (("question", "answer", "label", "score"), {"question": "prompt", "score": "grade"}),
        (("question", "answer", "label"), {"question": "prompt"}),
        (("question", "best answer", "best incorrect answer"), ("prompt", "chosen", "rejected")),
        (("text", "label"), {}),
        (("response_1", "response_2", "response_3"), {}),
    ],
)
def test_usual_names_are_guessed(columns, mapping):
    expected = mapping if isinstance(mapping, dict) else dict(zip(columns, mapping, strict=True))
    assert propose_mapping(columns) == expected


def test_proposed_mapping_imports_what_the_preview_shows(db, project_id, write):
    rows = [
        {"question": f"Q{n}", "response_a": "one", "response_b": "two", "winner": "model_b"}
        for n in range(30)
    ]
    path = write(*rows)
    seen = preview(path)
    assert seen.format == "judged answers"
    assert seen.columns == ("question", "response_a", "response_b", "winner")
    assert (len(seen.rows), seen.num_rows, seen.problems) == (20, 20, ())
    assert (seen.rows[0].answer_a, seen.rows[0].verdict) == ("two", "a")
    assert import_file(db, project_id, path, seen.mapping).imported == 30
    assert training_pairs(db, project_id)[0].chosen == "two"


def test_given_mapping_is_taken_as_it_is(write):
    path = write({"question": "Q", "x": "yes", "y": "no"})
    seen = preview(path, {"question": "prompt", "x": "chosen", "y": "rejected"})
    assert (seen.format, seen.rows[0].answer_a) == ("preference pairs", "yes")
    unmapped = preview(path, {})
    assert (unmapped.format, unmapped.mapping, unmapped.rows) == (None, {}, ())
    assert unmapped.problems == (SkippedRow(1, "This row has no 'prompt'."),)


def test_column_that_is_mapped_to_nothing_is_left_out(db, project_id, write):
    path = write({"prompt": "Q", "chosen": "yes", "rejected": "no", "strength": "quite"})
    assert [problem.line for problem in preview(path).problems] == [1]
    mapping = {"Strength": "", "other": ""}
    assert preview(path, mapping).rows[0].strength == 1
    with pytest.raises(ImportFileError, match="no column 'other'"):
        import_file(db, project_id, path, mapping)
    assert import_file(db, project_id, path, {"Strength": ""}).imported == 1


def test_columns_of_an_unknown_table_are_shown_for_a_mapping(tmp_path):
    (tmp_path / "rows.csv").write_text("Frage;besser;schlechter\nQ;ja;nein\n")
    seen = preview(tmp_path / "rows.csv")
    assert seen.columns == ("frage", "besser", "schlechter")
    assert "no column 'prompt'" in seen.problems[0].reason
    mapping = {"Frage": "prompt", "besser": "chosen", "schlechter": "rejected"}
    assert preview(tmp_path / "rows.csv", mapping).rows[0].answer_b == "nein"


@pytest.mark.parametrize(
    ("row", "name", "count"),
    [
        ({"prompt": "Q", "chosen": "a", "rejected": "b"}, "preference pairs", 1),
        ({"prompt": "Q", "answer_a": "a", "answer_b": "b"}, "cases to judge", 1),
        ({"prompt": "Q", "split": "pool"}, "questions", 1),
        ({"prompt": "Q", "answer": "a", "grade": 1}, "graded answers", 0),
        (
            {"instruction": "Q", "response1": "a", "response2": "b"}
            | {"annotator1": 1, "annotator2": 2},
            "PandaLM",
            2,
        ),
    ],
)
def test_format_is_named(write, row, name, count):
    seen = preview(write(row))
    assert (seen.format, len(seen.rows), seen.mapping, seen.problems) == (name, count, {}, ())


def test_only_the_first_rows_are_looked_at(write):
    rows = [{"prompt": "Q", "chosen": "a", "rejected": "a"}] * 5
    seen = preview(write(*rows), rows=3)
    assert ([problem.line for problem in seen.problems], seen.num_rows) == ([1, 2, 3], 3)


def test_file_that_cannot_be_read_and_bad_mapping_are_said(write, tmp_path):
    with pytest.raises(ImportFileError, match="cannot be read"):
        preview(tmp_path / "nothing.jsonl")
    with pytest.raises(ImportFileError, match="no column 'question' to map to"):
        preview(write({"prompt": "Q"}), {"prompt": "question"})


# --- real files -------------------------------------------------------------------------------


def test_real_table_under_other_names_is_imported_once_mapped(db, project_id, real_data):
    path = real_data / "truthfulqa" / "TruthfulQA.csv"
    seen = preview(path)
    assert (seen.format, seen.mapping) == ("questions", {"question": "prompt"})
    assert "best answer" in seen.columns
    mapping = {"Question": "prompt", "Best Answer": "chosen", "Incorrect Answers": "rejected"}
    assert len(preview(path, mapping).rows) == 20
    report = import_file(db, project_id, path, mapping)
    assert report.imported == 817
