"""The whole log in a file, and back: the same events, the same labels, the same bytes."""

import dataclasses
import json
import re
from pathlib import Path

import pytest

from storage.audit import label_log
from storage.database import Database
from storage.errors import ExportError, NotFoundError
from storage.exchange import import_file
from storage.export import export_label_log
from storage.pairs import Judgement, add_comparison, save_label, show_case, skip, training_pairs
from storage.projects import create_project, find_project, list_prompts
from storage.recent import undo
from storage.turns import label_progress

ROOT = Path(__file__).parents[2]
EVENT = {
    "event_id": "e1",
    "created_at": "2026-01-01T00:00:00.000000+00:00",
    "monotonic_s": 12.5,
    "rater": "ann",
    "kind": "label",
    "verdict": "b",
    "left": "a",
    "strength": 2,
    "is_acceptable": True,
    "rationale": "Safer.",
    "reasons": ["safety"],
    "elapsed_s": 3.25,
    "is_imported": False,
    "part_of": None,
    "prompt": "Q",
    "answer_a": "one",
    "answer_b": "two",
    "split": "train",
    "source": "entered",
    "is_written": False,
    "gold_answer": None,
    "is_final": False,
}


@pytest.fixture
def other():
    """An empty project of another database, with what else that holds."""
    with Database(None) as database:
        create_project(database, "Something else")
        yield database, create_project(database, "Restored").project_id


@pytest.fixture
def write(tmp_path):
    def write_log(*events):
        path = tmp_path / "some.jsonl"
        path.write_text("".join(json.dumps(event, ensure_ascii=False) + "\n" for event in events))
        return path

    return write_log


@pytest.fixture
def said(db, project_id, tmp_path):
    """A log with everything in it: imports, labels, skips, undone and changed labels, a tie."""
    rows = [
        {"prompt": f"Q{n}", "chosen": "yes\x00", "rejected": "né", "rater": "bob"} for n in range(9)
    ]
    rows += [{"prompt": "G", "answer_a": "1", "answer_b": "2", "gold_answer": "1"}]
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    import_file(db, project_id, tmp_path / "rows.jsonl")
    case = show_case(add_comparison(db, project_id, "Q", "one", "two", "sampled"), "ann")
    for verdict in ("a", "b", "cannot_judge"):
        save_label(
            db,
            case,
            "ann",
            Judgement(verdict, 3, False, "because\n'=1", 0.1 + 0.2, ("safety", "a; b")),
        )
    undo(db, project_id, "ann")
    gold = show_case(add_comparison(db, project_id, "G", "1", "2"), "ann")
    skip(db, gold, "ann")
    save_label(db, gold, "éve", Judgement("tie"))
    poor = show_case(add_comparison(db, project_id, "P", "bad", "worse"), "ann")
    save_label(db, poor, "ann", Judgement("both_bad", written="good"))
    return project_id


def content(db, project_id):
    """What holds now, whatever the ids of this project are."""
    return {dataclasses.replace(pair, pair_id="") for pair in training_pairs(db, project_id)}


def test_log_restores_events_and_labels_and_comes_out_byte_for_byte(db, said, other, tmp_path):
    first, second = tmp_path / "first.jsonl", tmp_path / "second.jsonl"
    count = export_label_log(db, said, first)
    assert count == 9 + 3 + 1 + 2 + 3
    restored, project_id = other
    report = import_file(restored, project_id, first)
    assert (report.imported, report.already_there, report.skipped) == (count, 0, ())
    assert content(restored, project_id) == content(db, said)
    brought = {"is_imported": True, "imported_by": "", "imported_at": ""}
    events = [dataclasses.replace(event, pair_id="", **brought) for event in label_log(db, said)]
    again = [
        dataclasses.replace(event, pair_id="", imported_at="")
        for event in label_log(restored, project_id)
    ]
    assert again == events
    # written answers are no cases there either
    assert label_progress(restored, project_id, "zoe") == label_progress(db, said, "zoe")
    assert export_label_log(restored, project_id, second) == count
    assert second.read_bytes() == first.read_bytes()


def test_events_that_are_there_are_left_alone(db, said, other, tmp_path):
    export_label_log(db, said, tmp_path / "log.jsonl")
    assert import_file(db, said, tmp_path / "log.jsonl").already_there == 18
    restored, project_id = other
    import_file(restored, project_id, tmp_path / "log.jsonl")
    case = show_case(add_comparison(db, said, "G", "1", "2"), "ann")
    save_label(db, case, "ann", Judgement("a"))
    export_label_log(db, said, tmp_path / "longer.jsonl")
    report = import_file(restored, project_id, tmp_path / "longer.jsonl")
    assert (report.imported, report.already_there) == (1, 18)
    assert content(restored, project_id) == content(db, said)


@pytest.mark.parametrize(
    "count",
    [6000, pytest.param(130_000, marks=pytest.mark.slow)],  # more than a row group
)
@pytest.mark.slow
def test_long_log_keeps_its_order(other, write, tmp_path, count):
    events = [
        EVENT | {"event_id": f"e{number}", "prompt": f"Q{number % 7}", "verdict": "ab"[number % 2]}
        for number in range(count)
    ]
    restored, project_id = other
    path = write(*events)
    assert import_file(restored, project_id, path).imported == count
    assert export_label_log(restored, project_id, tmp_path / "again.jsonl") == count
    assert (tmp_path / "again.jsonl").read_bytes() == path.read_bytes()


def test_sides_follow_a_pair_that_is_stored_the_other_way_round(other, write):
    restored, project_id = other
    add_comparison(restored, project_id, "Q", "two", "one")
    import_file(restored, project_id, write(EVENT))
    [event] = label_log(restored, project_id)
    assert (event.verdict, event.left) == ("a", "b")
    [pair] = training_pairs(restored, project_id)
    assert (pair.chosen, pair.rejected) == ("two", "one")


def test_broken_events_are_named_and_the_others_kept(other, write):
    restored, project_id = other
    broken = [
        {"kind": "guess"},
        {"verdict": None},
        {"kind": "undo"},
        {"strength": 4},
        {"elapsed_s": "long"},
        {"created_at": "yesterday"},
        {"created_at": "2026-01-01T00:00:00"},
        {"answer_b": "one"},
        {"split": "pool"},
        {"rater": ""},
        {"rationale": "\ud800"},
        {"reasons": "safety"},
    ]
    path = write()
    events = [EVENT | {"event_id": f"x{n}"} | part for n, part in enumerate(broken)]
    path.write_text("".join(json.dumps(event) + "\n" for event in [*events, EVENT]))
    report = import_file(restored, project_id, path)
    assert report.imported == 1
    assert [row.reason for row in report.skipped] == [
        "This event has no usable 'kind'.",
        "A label needs a verdict, and nothing else has one.",
        "A label needs a verdict, and nothing else has one.",
        "This event has no usable 'strength'.",
        "This event has no usable 'elapsed_s'.",
        "This event has no usable 'created_at'.",
        "This event has no usable 'created_at'.",
        "Both answers are the same.",
        "This event has no usable 'split'.",
        "This event has no usable 'rater'.",
        "The value of 'rationale' has a broken character (half of a pair).",
        "This event has no usable 'reasons'.",
    ]


def test_event_of_another_project_is_not_taken_twice(other, write):
    restored, project_id = other
    import_file(restored, project_id, write(EVENT))
    elsewhere = find_project(restored, "Something else").project_id
    report = import_file(restored, elsewhere, write(EVENT, EVENT | {"event_id": "e2"}))
    assert report.imported == 1
    assert [(row.line, row.reason) for row in report.skipped] == [
        (1, "This event is in the log of another project or case already.")
    ]


def test_older_word_does_not_come_after_a_newer_one(other, write):
    restored, project_id = other
    newer = EVENT | {"event_id": "e0", "created_at": "2026-01-02T00:00:00.000000+00:00"}
    import_file(restored, project_id, write(newer))
    before = content(restored, project_id)
    report = import_file(restored, project_id, write(EVENT, EVENT | {"prompt": "R"}))
    assert [row.reason for row in report.skipped] == [
        "This rater has said something newer about this case here."
    ]
    assert content(restored, project_id) > before


def test_event_twice_in_a_file_counts_once(other, write):
    restored, project_id = other
    report = import_file(restored, project_id, write(EVENT, EVENT))
    assert (report.imported, report.already_there) == (1, 1)


def test_held_out_question_stays_out_of_the_training(other, write):
    restored, project_id = other
    import_file(restored, project_id, write(EVENT | {"split": "held_out"}))
    report = import_file(restored, project_id, write(EVENT | {"event_id": "e2"}))
    assert [row.line for row in report.skipped] == [1]
    assert {prompt.split for prompt in list_prompts(restored, project_id)} == {"held_out"}


def test_log_that_cannot_be_written_is_said(db, project_id, tmp_path):
    with pytest.raises(ExportError, match="cannot be written"):
        export_label_log(db, project_id, tmp_path)
    with pytest.raises(NotFoundError):
        export_label_log(db, "nowhere", tmp_path / "log.jsonl")


REWRITING = re.compile(
    r"(update|delete\s+from|truncate(\s+table)?|drop\s+table(\s+if\s+exists)?|or\s+replace\s+table"
    r"|merge\s+into|insert\s+or\s+\w+\s+into)\s+\"?(label_events|reveals)\b"
    r"|alter\s+table\s+\"?(label_events|reveals)\"?\s+(?!add\s+column)"
    r"|insert\s+into\s+(label_events|reveals)(?:(?!\"\"\"|;).)*on\s+conflict\b.*?do\s+update",
    re.IGNORECASE | re.DOTALL,
)
# A table that only a running program knows could be any; our statements are in capitals.
UNNAMED = re.compile(
    r"(UPDATE|DELETE FROM|TRUNCATE|(DROP|ALTER) TABLE|(MERGE|REPLACE) INTO)\s*(\{|%\w|\"\s*[+%])"
)


@pytest.mark.parametrize(
    "statement",
    [
        "DELETE FROM label_events",
        "UPDATE reveals SET tau = 1",
        'db.execute(\n    "UPDATE"\n    " label_events SET verdict = ?")',
        "INSERT INTO label_events VALUES (1) ON CONFLICT DO UPDATE SET a = 1",
        "INSERT OR REPLACE INTO label_events VALUES (1)",
        "ALTER TABLE label_events DROP COLUMN rationale",
        "CREATE OR REPLACE TABLE label_events AS SELECT 1",
        'f"UPDATE {table} SET verdict = ?"',
        '"DELETE FROM " + table',
    ],
)
def test_statements_that_would_rewrite_the_log_are_known(statement):
    assert rewrites(statement)


def test_nothing_in_the_program_rewrites_the_log():
    files = [
        file
        for folder in ("app", "storage", "gem_backend")
        for pattern in ("*.py", "*.sql")
        for file in (ROOT / folder).rglob(pattern)
    ]
    assert len(files) > 100
    assert [file.name for file in files if rewrites(file.read_text("utf-8"))] == []


def rewrites(source):
    joined = re.sub(r'"\s*\n\s*f?"', "", source)  # a statement in several pieces is one
    return bool(REWRITING.search(joined) or UNNAMED.search(joined))
