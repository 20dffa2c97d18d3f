"""Held-out cases on Label: asked about like others, and never trained on."""

import json

import pytest

from gem_backend.types import LabelProgress
from storage.exchange import import_file
from storage.identity import is_held_out
from storage.pairs import Judgement, save_label
from storage.priorities import pending_cases
from storage.projects import update_project
from storage.turns import label_progress, next_turn


@pytest.fixture
def imports(db, project_id, tmp_path):
    def add(rows):
        path = tmp_path / "rows.jsonl"
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
        return import_file(db, project_id, path)

    return add


def label_all(db, project_id, rater):
    prompts = []
    while (case := next_turn(db, project_id, rater).case) is not None:
        save_label(db, case, rater, Judgement("a"))
        prompts.append(case.comparison.prompt)
    return prompts


def test_imported_held_out_rows_without_a_label_are_asked_about(db, project_id, imports):
    row = {"prompt": "Q", "answer_a": "yes", "answer_b": "no", "split": "held_out"}
    assert imports([row]).imported == 1
    assert label_all(db, project_id, "ann") == ["Q"]


def test_second_raters_see_the_held_out_fifth_of_imported_labels_too(db, project_id, imports):
    update_project(
        db, project_id, guidelines="", reasons=(), is_reason_required=False, raters_per_case=2
    )
    rows = [
        {"prompt": f"Q{n}", "chosen": "yes", "rejected": "no", "rater": "bob"} for n in range(30)
    ]
    imports(rows)
    assert any(is_held_out(row["prompt"]) for row in rows)
    assert label_progress(db, project_id, "ann") == LabelProgress(0, 0, 30)
    assert len(label_all(db, project_id, "ann")) == 30


def test_held_out_cases_have_no_place_in_an_order_by_the_models_doubt(db, project_id, imports):
    row = {"answer_a": "yes", "answer_b": "no"}
    imports([{**row, "prompt": "Q", "split": "held_out"}, {**row, "prompt": "R", "split": "train"}])
    assert [case.prompt for case in pending_cases(db, project_id, 10)] == ["R"]
