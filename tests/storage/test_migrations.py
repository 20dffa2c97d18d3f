import pytest

from gem_backend.types import LabelProgress
from storage.calibrations import latest_calibration
from storage.database import Database
from storage.errors import DatabaseUnusableError
from storage.migrations import migrate, migration_names
from storage.pairs import Judgement, add_comparison, save_label, training_pairs
from storage.projects import create_project, get_project
from storage.reveals import list_reveals
from storage.runs import RunTraits, run_traits
from storage.turns import label_progress, next_turn

NAMES = migration_names()

# Rows that each schema can hold, by the migration that made them possible: a migration that needs
# rows of its own in the test adds a line.
ROWS = {
    "0001_initial.sql": """
        INSERT INTO projects VALUES ('p', 1, 'Study', '', 'Final Answer:', '2026-01-01');
        INSERT INTO prompts VALUES ('q', 1, 'p', 'Which score?', 'train', NULL, '2026-01-01');
        INSERT INTO pairs VALUES ('c', 1, 'p', 'q', 'one', 'two', 'imported', '2026-01-01');
        INSERT INTO label_events (event_id, seq, pair_id, rater, kind, verdict, created_at,
            monotonic_s) VALUES ('e', 1, 'c', 'ann', 'label', 'b', '2026-01-01', 0.5);
        INSERT INTO run_events VALUES ('r', 1, 0.5, 'sega_step', 1, '{"loss": 0.25}');
        INSERT INTO runs (run_id, project_id, path, spec, preset, model, num_pairs, seed,
            labels_hash, created_at, status) VALUES ('r', 'p', '/runs/r',
            '{"config": {"preset": "quick"}}', 'quick', 'demo', 1, 0, 'abc', '2026-01-01',
            '{"state": "done"}');
    """,
    "0002_calibrations.sql": """
        INSERT INTO calibrations (calibration_id, project_id, model, scoring, config, calibration,
            num_comparisons, labels_hash, created_at) VALUES ('k', 'p', 'demo', '{}', '{}',
            '{"weights": [], "covariance": [], "residual_scale": 0.5, "tie_weight": 0,
            "num_comparisons": 1, "num_raters": 1, "agreement_before": null,
            "agreement_after": null}', 1, 'abc', '2026-01-01');
        INSERT INTO calibration_answers VALUES ('k', 0, [0.5, 0.25], [0, 1], [1, 2], true, -0.5,
            0, 0);
    """,
    "0011_reveals.sql": """
        INSERT INTO reveals (reveal_id, project_id, prompt_id, group_id, rater, is_calibrated,
            candidate_ids, answers, ranks, gem_scores, own_places, num_answers, created_at)
            VALUES ('v', 'p', 'q', 'g', 'ann', false, ['c1', 'c2'], ['one', 'two'], [1, 2],
            [0.5, 0.25], [2, NULL], 1, '2026-01-01');
    """,
}


@pytest.fixture
def blank(monkeypatch):
    monkeypatch.setattr("storage.database.migrate", lambda db: None)
    with Database(None) as database:
        yield database


def test_names_are_numbered_without_gaps():
    assert [int(name[:4]) for name in NAMES] == list(range(1, len(NAMES) + 1))


def test_blank_database_gets_all_and_only_once(blank):
    assert migrate(blank) == NAMES
    assert migrate(blank) == []
    project_id = create_project(blank, "Study").project_id
    add_comparison(blank, project_id, "Which score?", "one", "two")
    case = next_turn(blank, project_id, "ann").case
    save_label(blank, case, "ann", Judgement("a"))
    assert label_progress(blank, project_id, "ann").done == 1


@pytest.mark.parametrize("last", range(1, len(NAMES) + 1))
def test_rows_of_every_earlier_schema_survive(blank, last):
    for name in NAMES[:last]:
        migrate(blank, NAMES[: NAMES.index(name) + 1])
        if name in ROWS:
            blank.execute_script(ROWS[name])
    migrate(blank)
    [pair] = training_pairs(blank, "p")
    assert (pair.chosen, pair.rejected, pair.rater) == ("two", "one", "ann")
    assert label_progress(blank, "p", "ann") == LabelProgress(1, 0, 0)
    assert blank.query("SELECT name, value FROM step_metrics") == [("loss", 0.25)]
    assert run_traits(blank, "p") == {"r": RunTraits("gem", "paper", "abc")}
    kept = latest_calibration(blank, "p", "demo", None)
    assert (kept.calibration.num_comparisons if kept else None) == (1 if last >= 2 else None)
    assert not get_project(blank, "p").is_blind_first
    assert [one.own_places for one in list_reveals(blank, "p")] == [(2, None)] * (last >= 11)


def test_priorities_of_before_get_ranks(blank):
    migrate(blank, NAMES[:1])
    blank.execute_script(ROWS["0001_initial.sql"])
    migrate(blank, NAMES[:11])
    for number, priority in enumerate((0.25, 0.75, 0, 0.25)):
        blank.execute_script(f"""
            INSERT INTO pairs (pair_id, project_id, prompt_id, answer_a, answer_b, source,
                created_at) VALUES ('c{number}', 'p', 'q', 'a{number}', 'b', 'sampled', '2026');
            INSERT INTO queue SELECT pair_id, 'p', seq, true, 0, {priority} FROM pairs
                WHERE pair_id = 'c{number}';
        """)
    migrate(blank)
    ranks = blank.query("SELECT pair_id, priority_rank FROM queue WHERE is_first ORDER BY pair_id")
    assert ranks == [("c0", 1), ("c1", 2), ("c2", 0), ("c3", 1)]
    assert next_turn(blank, "p", "ann").case.comparison.pair_id == "c1"


def test_failed_migration_leaves_no_trace(blank, monkeypatch, tmp_path):
    (tmp_path / "0001_broken.sql").write_text("CREATE TABLE half (a INTEGER); SELECT nonsense;")
    monkeypatch.setattr("storage.migrations.files", lambda package: tmp_path)
    with pytest.raises(Exception, match="nonsense"):
        migrate(blank)
    assert blank.count("SELECT count(*) FROM migrations") == 0
    assert blank.count("SELECT count(*) FROM duckdb_tables() WHERE table_name = 'half'") == 0


def test_database_of_a_newer_program_is_refused(tmp_path):
    path = tmp_path / "studio.duckdb"
    with Database(path) as db:
        db.execute("INSERT INTO migrations VALUES ('9999_future.sql', '2030-01-01')")
    with pytest.raises(DatabaseUnusableError, match="newer version"):
        Database(path)
