"""Answers in order become a label for every two of them, ties included."""

import json

import pytest

from storage.exchange import import_file
from storage.import_preview import preview
from storage.import_rankings import compared
from storage.pairs import training_pairs
from storage.turns import next_turn

ANSWERS = ["best", "good", "as good", "worst"]
SAID = {
    ("best", "good"): 1,
    ("best", "as good"): 1,
    ("best", "worst"): 2,
    ("good", "as good"): 0,
    ("good", "worst"): 1,
    ("as good", "worst"): 1,
}


@pytest.fixture
def load(db, project_id, tmp_path):
    """Imports rows; returns the strength of each preference, 0 for a tie, and the refusals."""

    def run(*rows):
        path = tmp_path / "rows.jsonl"
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
        report = import_file(db, project_id, path)
        labels = {
            (p.chosen, p.rejected): 0 if p.verdict == "tie" else p.strength
            for p in training_pairs(db, project_id)
        }
        return labels, [row.reason for row in report.skipped]

    return run


def ranked(**more):
    return {"prompt": "Q", "answers": ANSWERS} | more


def test_places_have_no_gaps_and_scores_their_differences():
    """Of 1, 2, 2, 4 the last is two places behind the first; of scores 9 and 5 four, at most 3."""
    assert list(compared([1, 2, 2, 4], is_place=True)) == [
        (0, 1, 1),
        (0, 2, 1),
        (0, 3, 2),
        (1, 2, 0),
        (1, 3, 1),
        (2, 3, 1),
    ]
    assert list(compared([5, 9, 8.9], is_place=False)) == [(1, 0, 3), (2, 0, 3), (1, 2, 1)]


@pytest.mark.parametrize(
    "order",
    [
        {"ranks": [1, 2, 2, 4]},
        {"ranks": ["1", "2", "2", "3"]},
        {"ranking": [0, 1, 1, 2]},
        {"scores": [4, 3.0, 3, 2]},
        {"grades": ["4", "3", "3", "2"]},
        {"ranks": [1, 2, 2, 4], "scores": None},
    ],
)
def test_answers_in_order_are_a_label_for_every_two(load, order):
    assert load(ranked(**order)) == (SAID, [])


def test_ranked_row_keeps_what_else_it_says(db, project_id, load):
    row = ranked(ranks=[1, 2, 3, 4], rater=7, rationale="so", split="held_out", gold_answer="best")
    load(row)
    label = training_pairs(db, project_id)[0]
    assert (label.rater, label.rationale, label.split, label.gold_answer) == (
        "7",
        "so",
        "held_out",
        "best",
    )


def test_answers_with_an_empty_order_wait_for_one(db, project_id, load):
    load(ranked(ranks=None))
    assert next_turn(db, project_id, "ann").progress.pending == 6


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        (ranked(ranks=[1, 2]), "This row has 4 answers, but 2 'ranks'."),
        (ranked(ranks=[1, 2, 3, 4, 5]), "This row has 4 answers, but 5 'ranks'."),
        (ranked(scores="1234"), "The value of 'scores' is not a list."),
        (ranked(ranks=[1, 2, None, 3]), "The number 3 of 'ranks' is not a number."),
        (ranked(ranks=[1, True, 2, 3]), "The number 2 of 'ranks' is not a number."),
        (
            ranked(answers=["one"], ranks=[1]),
            "This question has fewer than two different answers.",
        ),
        (
            ranked(answers=["one", "one"], ranks=[1, 1]),
            "This question has fewer than two different answers.",
        ),
        (
            ranked(answers=["one", "one"], ranks=[1, 2]),
            "The same answer stands twice, with different 'ranks'.",
        ),
        (ranked(answers=["one", " "], ranks=[1, 2]), "The answer 'answers 2' is empty."),
    ],
)
def test_rows_that_give_no_order_are_named(load, row, reason):
    good = {"prompt": "R", "answers": ["1", "2"], "ranks": [2, 1]}
    assert load(row, good) == ({("2", "1"): 1}, [reason])


@pytest.mark.parametrize("name", ["rows.jsonl", "rows.csv"])
def test_one_ranked_answer_on_each_row_is_the_same(db, project_id, tmp_path, name):
    rows = [("worst", 4), ("best", 1), ("good", 2), ("as good", 2)]
    path = tmp_path / name
    if name == "rows.csv":
        path.write_text("prompt,answer,rank\n" + "".join(f"Q,{a},{rank}\n" for a, rank in rows))
    else:
        each = ({"prompt": "Q", "answer": answer, "rank": rank} for answer, rank in rows)
        path.write_text("".join(json.dumps(row) + "\n" for row in each))
    assert import_file(db, project_id, path).skipped == ()
    assert {
        (p.chosen, p.rejected): 0 if p.verdict == "tie" else p.strength
        for p in training_pairs(db, project_id)
    } == SAID


def test_lone_ranked_answers_are_named(load):
    rows = ({"prompt": "Q", "answer": "1", "rank": 1}, {"prompt": "R", "answer": "1", "rank": "x"})
    assert load(*rows) == (
        {},
        ["This question has only one ranked answer.", "The rank is not a number."],
    )


@pytest.mark.parametrize(
    "row",
    [
        ranked(ranks=[1, 2, 2, 4]),
        ranked(scores=[4, 3, 3, 2]),
        {"question": "Q", "responses": ANSWERS, "rankings": [1, 2, 2, 4]},
        {"instruction": "Q", "completions": ANSWERS, "ratings": [4, 3, 3, 2]},
        {"prompt": "Q", "answer": "best", "rank": 1},
        {"question": "Q", "response": "best", "position": 1},
    ],
)
def test_preview_names_rankings(tmp_path, row):
    path = tmp_path / "rows.jsonl"
    path.write_text(json.dumps(row) + "\n")
    found = preview(path)
    assert (found.format, found.problems) == ("ranked answers", ())
    assert len(found.rows) == (6 if len(row) == 3 and ANSWERS in row.values() else 0)


def test_scores_of_any_size_are_strengths(load):
    labels, refused = load(ranked(scores=[1e308, 0.5, 0.4, -1e308]))
    assert refused == []
    assert labels["best", "worst"] == 3
    assert labels["good", "as good"] == 1
