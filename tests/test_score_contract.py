"""``launch.py score --json`` against a naive float64 computation, as an outsider would check it."""

import json
import math

import pytest
import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import (
    AutoModelForCausalLM,
    AutoTokenizer,
    LlamaConfig,
    LlamaForCausalLM,
    PreTrainedTokenizerFast,
)

from gem_backend import demo

PROMPT = "A man of 71 has atrial fibrillation and diabetes. Ünïcode: 你好, 😀.\n"
COMPLETION = "Age 71 scores (1) — naïve 😀 sum: 1 + 1 = 2.\nFinal Answer: 2, anticoagulate 你好"


@pytest.fixture
def llama_folder(tmp_path):
    """A Llama-style folder whose own byte-level tokenizer has never seen the marker."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=300, initial_alphabet=alphabet, special_tokens=["<s>", "</s>"]
    )
    tokenizer.train_from_iterator(["the patient has a score of two points"], trainer)
    fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, bos_token="<s>", eos_token="</s>")
    torch.manual_seed(5)
    config = LlamaConfig(
        vocab_size=len(fast),
        hidden_size=48,
        intermediate_size=96,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=512,
        initializer_range=0.4,
    )
    LlamaForCausalLM(config).save_pretrained(tmp_path / "llama")
    fast.save_pretrained(tmp_path / "llama")
    return tmp_path / "llama"


@pytest.mark.parametrize("which", ["demo", pytest.param("folder", marks=pytest.mark.slow)])
def test_score_equals_the_naive_float64_computation(which, llama_folder, run_python):
    model = "demo" if which == "demo" else str(llama_folder)
    words = ["--model", model, "--prompt", PROMPT, "--completion", COMPLETION, "--json"]
    done = run_python("launch.py", "score", "--no-setup", *words)
    assert done.returncode == 0, done.stderr
    score = json.loads(done.stdout.splitlines()[-1])
    check_tokens(score, demo.MODEL_DIR if which == "demo" else llama_folder)
    check_spans_and_score(score)


def check_tokens(score, folder):
    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float64)
    prompt_ids = tokenizer(PROMPT)["input_ids"]
    ids = [token["id"] for token in score["tokens"]]
    assert ids == tokenizer(COMPLETION, add_special_tokens=False)["input_ids"]
    with torch.no_grad():
        logits = model(torch.tensor([prompt_ids + ids])).logits[0]
    for place, token in enumerate(score["tokens"]):
        probabilities = torch.softmax(logits[len(prompt_ids) + place - 1], -1)
        entropy = -(probabilities * probabilities.log()).sum().item()
        assert token["entropy"] == pytest.approx(entropy, abs=1e-4)
        assert token["logprob"] == pytest.approx(probabilities[ids[place]].log().item(), abs=1e-4)


def check_spans_and_score(score):
    tokens = score["tokens"]
    assert "".join(token["text"] for token in tokens) == COMPLETION
    assert score["is_committed"]
    final = [token for token in tokens if token["span"] == "final"]
    assert "".join(token["text"] for token in final).strip() == "2, anticoagulate 你好"
    marker = "".join(token["text"] for token in tokens if token["span"] == "marker")
    assert "Final Answer:".endswith(marker.strip()) or marker.strip() == "Final Answer:"
    cot = [token["entropy"] for token in tokens if token["span"] == "cot"]
    forks = sorted(cot, reverse=True)[: math.ceil(0.1 * len(cot))]
    final_entropy = sum(token["entropy"] for token in final) / len(final)
    assert score["final_entropy"] == pytest.approx(final_entropy, abs=1e-4)
    assert score["fork_entropy"] == pytest.approx(sum(forks) / len(forks), abs=1e-4)
    assert score["gem_score"] == pytest.approx(sum(forks) / len(forks) - final_entropy, abs=2e-4)
