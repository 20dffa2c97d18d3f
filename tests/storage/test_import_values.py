"""Values as other programs write them are taken where they can mean one thing only."""

import json
import math

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from storage.exchange import import_file
from storage.pairs import training_pairs

ROW = {"prompt": "Q", "chosen": "yes", "rejected": "no"}


@pytest.fixture
def load(db, project_id, tmp_path):
    """Imports one row; returns its label, or why it was refused."""

    def run(**more):
        path = tmp_path / "rows.jsonl"
        path.write_text(json.dumps(ROW | more))
        report = import_file(db, project_id, path)
        return report.skipped[0].reason if report.skipped else training_pairs(db, project_id)[0]

    return run


@pytest.mark.parametrize(
    ("value", "rater"), [(7, "7"), (0, "0"), (7.0, "7"), ("7.0", "7.0"), (" ", "import")]
)
def test_rater_may_be_a_number(load, value, rater):
    assert load(rater=value).rater == rater


@pytest.mark.parametrize("value", [True, ["ann"], 0.5, math.inf])
def test_rater_that_is_no_name_is_refused(load, value):
    assert load(rater=value) == "The value of 'rater' is not text."


@pytest.mark.parametrize(
    ("value", "strength"), [("2.0", 2), (2.0, 2), (" 3 ", 3), ("", 1), (math.nan, 1)]
)
def test_strength_may_be_written_as_numbers_are(load, value, strength):
    assert load(strength=value).strength == strength


@pytest.mark.parametrize("value", ["2.5", 2.5, "two", "inf", "nan", 0, "4", True])
def test_strength_that_is_none_is_refused(load, value):
    assert load(strength=value) == "The strength must be 1, 2 or 3."


@pytest.mark.parametrize(
    ("value", "is_acceptable"),
    [
        ("TRUE", True),
        ("False", False),
        ("y", True),
        ("n", False),
        ("1.0", True),
        (0.0, False),
        (" no ", False),
        ("", True),
        (None, True),
        (math.nan, True),
    ],
)
def test_truths_may_be_written_as_words_and_numbers(load, value, is_acceptable):
    assert load(is_acceptable=value).is_acceptable is is_acceptable


@pytest.mark.parametrize("value", ["maybe", 2, "2", []])
def test_truth_that_is_none_is_refused(load, value):
    assert load(is_acceptable=value) == "The value of 'is_acceptable' must be true or false."


def test_verdict_may_be_written_with_capitals_and_a_space(load):
    assert load(verdict="Both bad").verdict == "both_bad"


def test_table_with_gaps_is_taken_whole(db, project_id, tmp_path):
    """Where a cell is missing, whole columns of numbers have a fraction."""
    table = pa.table(
        {
            "prompt": ["Q", "R"],
            "chosen": ["yes", "yes"],
            "rejected": ["no", "no"],
            "annotator_id": [7.0, math.nan],
            "strength": [2.0, None],
            "is_acceptable": ["False", None],
        }
    )
    pq.write_table(table, tmp_path / "rows.parquet")
    report = import_file(db, project_id, tmp_path / "rows.parquet", {"annotator_id": "rater"})
    assert report.skipped == ()
    assert [(p.rater, p.strength, p.is_acceptable) for p in training_pairs(db, project_id)] == [
        ("7", 2, False),
        ("import", 1, True),
    ]


def test_pandalm_verdicts_may_have_a_fraction(db, project_id, tmp_path):
    row = {"instruction": "Q", "response1": "1", "response2": "2", "annotator1": "2.0"}
    (tmp_path / "rows.csv").write_text(",".join(row) + "\n" + ",".join(row.values()) + "\n")
    import_file(db, project_id, tmp_path / "rows.csv")
    assert [(p.rater, p.chosen) for p in training_pairs(db, project_id)] == [("annotator1", "2")]
