"""The demo project file is what its generator writes, and is usable for measuring."""

import json
import subprocess
import sys
from collections import Counter

from gem_backend.demo import MODEL_DIR, PROJECT_FILE, PROJECT_NAME
from gem_backend.demo.chains import answer_of
from gem_backend.demo.project import build_rows, write_project

ROWS = [json.loads(line) for line in PROJECT_FILE.read_text("utf-8").splitlines()]
PAIRS = [row for row in ROWS if "chosen" in row]
CASES = [row for row in ROWS if "answer_a" in row]


def test_project_file_equals_what_the_generator_writes(tmp_path):
    path = tmp_path / "project.jsonl"
    assert write_project(path) == len(ROWS)
    assert path.read_bytes() == PROJECT_FILE.read_bytes()


def test_another_seed_gives_other_rows():
    assert build_rows(seed=1) != ROWS


def test_counts_of_rows():
    assert Counter(row["split"] for row in PAIRS) == {"train": 32, "held_out": 192}
    assert Counter(row["split"] for row in CASES) == {"train": 24}
    assert sum(row["split"] == "pool" for row in ROWS) == 96
    assert len(ROWS) == 32 + 192 + 24 + 96


def test_no_prompt_appears_twice():
    assert len({row["prompt"] for row in ROWS}) == len(ROWS)


def test_pairs_disagree_and_chosen_gives_the_gold_answer():
    for row in PAIRS:
        assert row["chosen"] != row["rejected"]
        assert answer_of(row["chosen"]) == row["gold_answer"]
        assert row["rationale"]
        assert row["rater"] == "demo-expert"
    differing = sum(answer_of(row["rejected"]) != row["gold_answer"] for row in PAIRS)
    assert differing / len(PAIRS) > 0.85


def test_most_rejected_answers_use_the_older_score_and_some_slip():
    older = sum(row["rationale"].startswith("uses the older score") for row in PAIRS)
    assert 0.7 < older / len(PAIRS) < 0.95


def test_the_right_answer_of_a_case_is_on_neither_fixed_side():
    right_on_a = sum(answer_of(row["answer_a"]) == row["gold_answer"] for row in CASES)
    assert 6 <= right_on_a <= 18
    for row in CASES:
        assert row["gold_answer"] in {answer_of(row["answer_a"]), answer_of(row["answer_b"])}


def test_importing_the_demo_package_loads_no_torch():
    code = "import sys, gem_backend.demo; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_paths_and_name_are_exposed():
    assert MODEL_DIR.is_dir()
    assert PROJECT_NAME == "Clinical scores (demo)"
