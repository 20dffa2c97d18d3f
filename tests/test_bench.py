"""The command ``bench``: its words, and a small benchmark for real."""

import json

import pytest

from app import cli
from app.cli import types as cli_types

ROW_KEYS = {
    "method", "pairs", "pairs_from", "noise", "preference_accuracy", "preference_ci",
    "final_answer_accuracy", "final_answer_ci", "expert_agreement", "n", "seeds", "wall_s",
}  # fmt: skip


@pytest.mark.parametrize(
    ("words", "part"),
    [
        (("method", "--pairs", "0"), "'0' is not a whole number from 1 up"),
        (("method", "--pairs", "4,x"), "'x' is not a whole number from 1 up"),
        (("method", "--noise", "1.5"), "'1.5' is not a number from 0 to below 1"),
        (("method", "--noise", "nan"), "'nan' is not a number from 0 to below 1"),
        (("method", "--methods", "gem,magic"), "'magic' is none of base, warm_start"),
        (("method", "--pairs-from", "nowhere"), "'nowhere' is none of expert, sampled"),
        (("method", "--seeds", "1,-2"), "'-2' is not a whole number"),
        (("method", "--learning-rates", "0"), "'0' is not a number above 0 and below 1"),
        (("speed", "--candidates", "0"), "'0' is not a whole number from 1 up"),
        (("speed", "--engine", "fast"), "neither transformers nor vllm"),
        (("speed", "--threads", "0"), "'0' is not a whole number from 1 up"),
        ((), "required"),
    ],
)
def test_words_that_cannot_be_used_are_refused_in_one_sentence(words, part, capsys):
    assert cli.main(["bench", *words]) == cli.BAD_INPUT
    said = capsys.readouterr()
    assert said.out == ""
    assert part in said.err
    assert len(said.err.splitlines()) == 1


def test_lists_keep_their_order_and_name_nothing_twice():
    assert cli_types.several(cli_types.count)("32,8,32") == (32, 8)


@pytest.mark.slow
def test_a_small_benchmark_gives_a_row_a_method_and_keeps_them(run_python, tmp_path):
    out = tmp_path / "rows.jsonl"
    done = run_python(
        "-m", "app.cli", "bench", "method", "--pairs", "4", "--seeds", "1", "--json",
        "--methods", "base,warm_start,gem", "--learning-rates", "1e-3", "--out", out,
        "--data-dir", tmp_path,
        timeout_s=280,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    rows = json.loads(done.stdout.splitlines()[-1])["rows"]
    assert [row["method"] for row in rows] == ["base", "warm_start", "gem"]
    assert [json.loads(line) for line in out.read_text("utf-8").splitlines()] == rows
    for row in rows:
        assert row.keys() >= ROW_KEYS
        assert (row["pairs"], row["pairs_from"], row["n"], row["seeds"]) == (4, "expert", 256, [1])
        low, high = row["preference_ci"]
        assert 0 <= low <= row["preference_accuracy"] <= high <= 1
    base, _, gem = rows
    assert (base["trained_tokens"], base["best_rounds"]) == (0, [0])
    assert (gem["trained_tokens"] > 0, gem["learning_rate"]) == (True, 1e-3)
    assert "preference_vs_gem" in base
