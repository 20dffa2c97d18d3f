"""The speed benchmark runs and its rows hold together; seconds are nobody's to assert."""

import statistics

import pytest
import torch
from torch.utils.flop_counter import sdpa_flop_count
from transformers import LlamaConfig, LlamaForCausalLM

from gem_backend.bench.memory import peak_bytes
from gem_backend.bench.naive_step import NaiveStep
from gem_backend.bench.speed import MODEL_8B, attention_flops, bench_speed
from gem_backend.config import SamplingConfig, ScoringConfig
from gem_backend.entropy import score_tokens
from gem_backend.errors import ConfigError
from gem_backend.forward import TokenSequence, inference_mode
from gem_backend.policy import Policy
from gem_backend.scoring import gem_score
from gem_backend.types import Span, Spans


def test_the_peak_is_what_was_held_at_one_time():
    def work():
        first = torch.ones(1000, dtype=torch.float64)
        del first
        return torch.ones(1500, dtype=torch.float64).sum()

    assert 12_000 <= peak_bytes(work, torch.device("cpu")) < 13_000


def test_attention_is_counted_as_torch_counts_it_and_with_shared_keys():
    """Two products of (T, D) with (D, S) and of (T, S) with (S, D): 4 T S D a head of the query."""
    query, key = (2, 4, 7, 16), (2, 4, 9, 16)
    assert attention_flops(query, key) == sdpa_flop_count(query, key, key)
    assert attention_flops(query, (2, 1, 9, 16)) == 4 * 2 * 4 * 7 * 9 * 16


def test_the_naive_step_scores_what_ours_scores(tiny_policy):
    """Both see the same entropies; the answer is the last fifth, the forks the top tenth."""
    prompt, completion = (256, 5, 6, 7), tuple(range(40, 60))
    sequence = TokenSequence(prompt, completion)
    ((naive,),) = NaiveStep(tiny_policy, SamplingConfig()).score([[sequence]])
    (ours,) = score_tokens(tiny_policy.model, [sequence])
    spans = Spans(Span(0, 16), Span(16, 20), False)
    score = gem_score(tuple(ours.entropy_T.tolist()), spans, ScoringConfig()).value
    assert naive == pytest.approx(score, abs=1e-4)


@pytest.mark.slow
def test_scoring_takes_a_seventh_of_the_naive_memory_for_a_large_vocabulary(byte_tokenizer):
    """V = 128 k, K = 5, T = 512: the target is 15 %. The naive way goes candidate by candidate."""
    config = LlamaConfig(
        vocab_size=128_000, hidden_size=32, intermediate_size=64, num_hidden_layers=1,
        num_attention_heads=2, max_position_embeddings=1024, tie_word_embeddings=True,
    )  # fmt: skip
    model = LlamaForCausalLM(config).eval()
    group = [
        TokenSequence(tuple(range(64)), tuple(range(number, 512 + number))) for number in range(5)
    ]
    naive = NaiveStep(Policy(model, byte_tokenizer, "wide", torch.device("cpu")), SamplingConfig())
    score_tokens(model, group[:1])  # trials of the architecture come first
    with inference_mode(model):
        ours = peak_bytes(lambda: score_tokens(model, group), torch.device("cpu"))
        theirs = peak_bytes(lambda: naive.score([group]), torch.device("cpu"))
    assert ours <= 0.15 * theirs
    assert ours >= 10 * 2**20  # a chunk of logits: something was measured


@pytest.mark.slow
def test_every_method_takes_a_step_and_reports_it():
    seen = []
    rows = bench_speed(
        "demo", "cpu", num_prompts=2, num_candidates=2, max_new_tokens=6, repeats=2,
        on_repeat=lambda done, total: seen.append((done, total)),
    )  # fmt: skip
    assert seen == [(1, 2), (2, 2)]
    phases = {(row["method"], row["phase"]) for row in rows}
    assert phases == {
        *(("gem", phase) for phase in ("sample", "score", "update", "one_pass", "step")),
        *(("naive", phase) for phase in ("sample", "score", "update", "step")),
        *(("trl_grpo", phase) for phase in ("sample", "update", "step")),
        ("trl_fused_head", "score"),
        ("gem", "score_memory"),
        ("naive", "score_memory"),
    }
    by_name = {(row["method"], row["phase"]): row for row in rows}
    for (method, phase), row in by_name.items():
        if phase == "score_memory":
            assert row["peak_memory_bytes"] > 0
            continue
        assert 0 < row["tokens"] <= 2 * 2 * 6
        assert row["tokens_per_s"] > 0
        assert row["ratio_low"] <= row["ratio_to_gem"] <= row["ratio_high"]
        assert method != "gem" or row["ratio_to_gem"] == pytest.approx(1)
    step = by_name["gem", "step"]
    parts = [by_name["gem", phase]["seconds"] for phase in ("sample", "one_pass")]
    assert step["seconds"] == pytest.approx(statistics.fsum(parts), rel=0.5)
    assert 0 < by_name["gem", "score"]["ceiling_share"] < 1


def test_the_shape_of_a_large_model_is_for_a_graphics_processor():
    with pytest.raises(ConfigError, match="graphics processor"):
        bench_speed(MODEL_8B, "cpu")
    with pytest.raises(ConfigError, match="from its files"):
        bench_speed(MODEL_8B, "cpu", engine={"engine": "vllm"})
