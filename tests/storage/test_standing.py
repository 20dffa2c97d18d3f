"""What is kept beside the log is what the log says, whatever raters did and however rows came."""

import json
import random

import pytest

from storage.exchange import import_file
from storage.export import export_label_log
from storage.pairs import Judgement, add_comparison, save_label, show_case, skip
from storage.projects import create_project
from storage.recent import undo
from storage.standing import stand_project

# The same, read from the whole log: a label holds while no later word of its rater on the pair but
# a skip follows it; a skip waits while nothing follows it.
FROM_THE_LOG = """
SELECT pair_id, rater, is_final,
    max(seq) FILTER (kind = 'label' AND NOT EXISTS (
        FROM label_events AS later WHERE later.pair_id = said.pair_id AND later.rater = said.rater
            AND later.is_final = said.is_final
            AND later.seq > said.seq AND later.kind <> 'skip')),
    max(seq) FILTER (kind = 'skip' AND NOT EXISTS (
        FROM label_events AS later WHERE later.pair_id = said.pair_id AND later.rater = said.rater
            AND later.is_final = said.is_final
            AND later.seq > said.seq)),
    bool_or(kind = 'label' AND part_of IS NULL AND NOT is_imported AND NOT EXISTS (
        FROM label_events AS later WHERE later.pair_id = said.pair_id AND later.rater = said.rater
            AND later.is_final = said.is_final
            AND later.seq > said.seq AND later.kind <> 'skip')),
    arg_min("left", seq) FILTER ("left" IS NOT NULL)
FROM label_events AS said GROUP BY pair_id, rater, is_final ORDER BY ALL
"""
CASES_OF_THE_LOG = """
SELECT pair_id, source <> 'imported',
    (SELECT count(DISTINCT rater) FROM labels WHERE labels.pair_id = pairs.pair_id
        AND NOT is_final)
FROM pairs WHERE NOT is_written ORDER BY ALL
"""


def assert_stands(db):
    standing = (
        'SELECT pair_id, rater, is_final, label_seq, skip_seq, is_own, "left" FROM standing'
        " ORDER BY ALL"
    )
    assert db.query(standing) == db.query(FROM_THE_LOG)
    queue = "SELECT pair_id, is_first, num_labels FROM queue ORDER BY ALL"
    assert db.query(queue) == db.query(CASES_OF_THE_LOG)


@pytest.mark.parametrize("seed", [0, *(pytest.param(n, marks=pytest.mark.slow) for n in (1, 2))])
def test_tables_follow_the_log_event_by_event(db, project_id, seed):
    dice = random.Random(seed)
    other = create_project(db, "Other").project_id
    cases = [add_comparison(db, project_id, f"Q{n}", "yes", "no") for n in range(5)]
    cases.append(add_comparison(db, other, "Q0", "yes", "no"))
    for _ in range(60):
        rater = dice.choice(("ann", "bob"))
        case = show_case(dice.choice(cases), rater)
        verdict = dice.choice(("a", "b", "tie"))
        written = Judgement("both_bad", written=dice.choice(("better", "best", "")))
        act = dice.randrange(5)
        if act == 0:
            skip(db, case, rater)
        elif act == 1:
            undo(db, case.comparison.project_id, rater, dice.choice((None, cases[0].pair_id)))
        else:
            save_label(db, case, rater, Judgement(verdict) if act < 4 else written)
        assert_stands(db)
    before = db.query("FROM standing ORDER BY ALL"), db.query("FROM queue ORDER BY ALL")
    stand_project(db, project_id)
    assert (db.query("FROM standing ORDER BY ALL"), db.query("FROM queue ORDER BY ALL")) == before


def test_written_answer_becomes_a_case_when_somebody_asks_for_it(db, project_id):
    case = show_case(add_comparison(db, project_id, "Q", "yes", "no"), "ann")
    save_label(db, case, "ann", Judgement("both_bad", written="better"))
    assert db.count("SELECT count(*) FROM queue") == 1
    add_comparison(db, project_id, "Q", "better", "no")
    assert db.count("SELECT count(*) FROM queue") == 2
    assert_stands(db)


def test_tables_follow_an_import(db, project_id, tmp_path):
    rows = [
        {"prompt": f"Q{n}", "chosen": "yes", "rejected": "no", "rater": "bob"} for n in range(9)
    ]
    rows += [{"prompt": "Q0", "answer_a": "yes", "answer_b": "maybe"}]
    file = tmp_path / "rows.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    import_file(db, project_id, file)
    assert_stands(db)
    log = tmp_path / "log.jsonl"
    export_label_log(db, project_id, log)
    import_file(db, create_project(db, "Copy").project_id, log)
    assert_stands(db)


def test_failed_transaction_changes_neither_log_nor_tables(db, project_id):
    case = show_case(add_comparison(db, project_id, "Q", "yes", "no"), "ann")
    with pytest.raises(RuntimeError), db.transaction():
        save_label(db, case, "ann", Judgement("a"))
        raise RuntimeError
    assert db.count("SELECT count(*) FROM label_events") == 0
    assert_stands(db)
