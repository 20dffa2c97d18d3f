from dataclasses import replace

import numpy as np
import pyarrow.parquet as pq
import pytest

from gem_backend.candidate_table import (
    SCHEMA,
    from_table,
    read_candidates,
    read_scores,
    read_table,
    to_table,
    write_candidates,
)
from gem_backend.errors import DataError
from gem_backend.types import Candidate, GemScore, Provenance, RankedCandidate, Span, Spans

PLAIN = Candidate(
    candidate_id="c1",
    prompt="Which score?",
    text="CURB-65 → 3",
    answer="3",
    token_ids=(5, 1, 0),
    token_texts=("CURB-65", " → 3", ""),
    token_entropy=(0.5, 1.25, 0.0),
    token_logprob=(-0.5, float(np.float32(-1.3)), -0.0),
    top_tokens=tuple("abcdefghijklmno"),
    top_probs=tuple(float(np.float32(1 / n)) for n in range(1, 16)),
    spans=Spans(Span(0, 1), Span(1, 3), True),
    is_finished=True,
    provenance=Provenance("demo", "run-7", 2**32 - 1, 0.9, 0.95, "vllm", "torch 2.13"),
)
HARD = replace(
    PLAIN,
    candidate_id="c2",
    text="\x00 ‏שלום ${alert(1)} \\u12 \r\n '\"",
    answer="",
    spans=Spans(Span(0, 0), Span(0, 3), False),
    is_finished=False,
    provenance=Provenance("demo", None, 0, 0.1, 1.0),
)
EMPTY = replace(
    PLAIN,
    candidate_id="c3",
    token_ids=(),
    token_texts=(),
    token_entropy=(),
    token_logprob=(),
    top_tokens=(),
    top_probs=(),
)


def test_candidates_come_back_equal_and_of_the_same_types():
    candidates = [PLAIN, HARD, EMPTY]
    back = from_table(to_table(candidates))
    assert back == candidates
    assert type(back[0].spans.cot_span) is Span
    assert type(back[0].token_ids) is tuple


def test_extra_columns_stand_beside_the_fields():
    table = to_table([PLAIN, HARD], stage=["round", "round"], gem_score=[0.5, None])
    assert table.column_names == [*SCHEMA.names, "stage", "gem_score"]
    assert table["gem_score"].to_pylist() == [0.5, None]
    assert from_table(table) == [PLAIN, HARD]


def test_per_token_figures_are_float32():
    [candidate] = from_table(to_table([replace(PLAIN, token_entropy=(0.1, 0.2, 0.3))]))
    assert candidate.token_entropy == tuple(float(np.float32(x)) for x in (0.1, 0.2, 0.3))


def test_file_holds_the_candidates_with_stage_and_round(tmp_path):
    path = tmp_path / "candidates-round-2.parquet"
    write_candidates(path, [PLAIN, HARD], "round", 2)
    assert read_candidates(path) == [PLAIN, HARD]
    table = read_table(path)
    assert table["stage"].to_pylist() == ["round", "round"]
    assert table["round"].to_pylist() == [2, 2]
    assert [file.name for file in tmp_path.iterdir()] == [path.name]


def test_no_candidates_make_a_readable_file(tmp_path):
    write_candidates(tmp_path / "none.parquet", [], "before")
    assert read_candidates(tmp_path / "none.parquet") == []


RANKED = [
    RankedCandidate(HARD, GemScore(-0.5, 0.5, 0.0, ()), 2),
    RankedCandidate(PLAIN, GemScore(0.375, 0.625, 1.0, (0, 1)), 1),
]


def test_scores_and_places_are_written_and_read(tmp_path):
    path = tmp_path / "candidates-round-2.parquet"
    write_candidates(path, [HARD, PLAIN], "round", 2, RANKED)
    scores = read_scores(path).to_pylist()
    assert [row["candidate_id"] for row in scores] == ["c2", "c1"]
    assert scores[1] == {
        "candidate_id": "c1",
        "prompt": "Which score?",
        "stage": "round",
        "round": 2,
        "gem_score": 0.375,
        "final_entropy": 0.625,
        "fork_entropy": 1.0,
        "fork_tokens": [0, 1],
        "rank": 1,
    }


def test_scores_change_nothing_for_those_who_read_candidates(tmp_path):
    path = tmp_path / "candidates-before.parquet"
    write_candidates(path, [HARD, PLAIN], "before", ranked=RANKED)
    assert read_candidates(path) == [HARD, PLAIN]
    assert read_table(path).column_names == [*SCHEMA.names, "stage", "round"]


def test_a_file_without_scores_has_no_score_rows(tmp_path):
    write_candidates(tmp_path / "old.parquet", [PLAIN], "before")
    write_candidates(tmp_path / "new.parquet", [], "before", ranked=[])
    old, new = (read_scores(tmp_path / name) for name in ("old.parquet", "new.parquet"))
    assert old.num_rows == new.num_rows == 0
    assert old.column_names == new.column_names
    with pytest.raises(DataError, match="scores"):
        read_scores(tmp_path / "none.parquet")


def test_failed_write_leaves_the_old_file_whole(tmp_path):
    path = tmp_path / "candidates-before.parquet"
    write_candidates(path, [PLAIN], "before")
    too_big = replace(HARD, token_ids=(2**40,))
    with pytest.raises((OverflowError, ValueError)):
        write_candidates(path, [too_big], "before")
    assert read_candidates(path) == [PLAIN]
    assert [file.name for file in tmp_path.iterdir()] == [path.name]


def test_damaged_file_is_one_clear_error(tmp_path):
    path = tmp_path / "candidates-before.parquet"
    path.write_bytes(b"PAR1 but no more")
    with pytest.raises(DataError, match=r"candidates-before\.parquet cannot be read"):
        read_candidates(path)


def test_missing_column_is_one_clear_error(tmp_path):
    path = tmp_path / "other.parquet"
    pq.write_table(to_table([PLAIN]).drop_columns(["answer"]), path)
    with pytest.raises(DataError):
        read_candidates(path)
    with pytest.raises(DataError):
        from_table(to_table([PLAIN]).drop_columns(["answer"]))
