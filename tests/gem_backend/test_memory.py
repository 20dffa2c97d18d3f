"""What a run is expected to need: beside what peft makes, autograd keeps and a run measured."""

import json
from functools import partial

import pytest
import torch
from transformers import (
    AutoModelForCausalLM,
    GPT2Config,
    GPTNeoXConfig,
    LlamaConfig,
    MistralConfig,
    Qwen2Config,
)

from gem_backend import demo
from gem_backend.config import LoraSettings, RunConfig, SamplingConfig, preset_config
from gem_backend.forward import TokenSequence
from gem_backend.memory import (
    GPU_CHUNK_BYTES,
    HIGHEST,
    LOGIT_CHUNKS,
    LOWEST,
    ModelShape,
    adapter_weights,
    estimate,
    kept_bytes,
    read_shape,
    shape_of,
)
from gem_backend.policy import Policy, load_policy
from gem_backend.steps import updating
from gem_backend.trainer import checkpoint_layers, with_adapter
from tests.gem_backend.test_steps import bytes_kept

RANK = 4
GATED = {
    "hidden_size": 256,
    "intermediate_size": 688,
    "num_hidden_layers": 3,
    "num_attention_heads": 8,
    "num_key_value_heads": 2,
    "vocab_size": 300,
    "max_position_embeddings": 512,
    "pad_token_id": 0,
}
KINDS = {
    "llama": partial(LlamaConfig, **GATED),
    "mistral": partial(MistralConfig, **GATED, sliding_window=None),
    "qwen2": partial(Qwen2Config, **GATED),
    "gpt2": partial(GPT2Config, n_embd=256, n_layer=3, n_head=8, vocab_size=300),
    "gpt_neox": partial(
        GPTNeoXConfig,
        hidden_size=256,
        intermediate_size=1024,
        num_hidden_layers=3,
        num_attention_heads=8,
        vocab_size=300,
    ),
}
LLAMA_3_8B = ModelShape(8_030_261_248, 4096, 32, 14336, 4096, 1024, 128256, is_gated=True)
ROWS, LENGTH = 4, 128


def adapted(kind, dtype=torch.float32):
    torch.manual_seed(0)
    model = AutoModelForCausalLM.from_config(KINDS[kind](), dtype=dtype)
    policy = Policy(model.eval(), None, kind, torch.device("cpu"))
    return with_adapter(policy, LoraSettings(rank=RANK, alpha=8), seed=0)


def shape(policy):
    model = policy.model.base_model.model
    frozen = sum(weight.numel() for weight in model.parameters() if not weight.requires_grad)
    return shape_of(model.config.to_dict(), frozen)


def kept_a_token(policy):
    sequences = [TokenSequence((row,), (5,) * (LENGTH - 1)) for row in range(ROWS)]
    with updating(policy.model):
        kept, _ = bytes_kept(policy.model, sequences)
    return kept / (ROWS * LENGTH)


@pytest.mark.parametrize("kind", KINDS)
def test_the_adapter_has_as_many_weights_as_peft_gives_it(kind):
    policy = adapted(kind)
    trained = sum(weight.numel() for weight in policy.model.parameters() if weight.requires_grad)
    assert adapter_weights(shape(policy), RANK) == trained


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("kind", ["llama", "mistral", "qwen2", "gpt2"])
def test_what_a_layer_keeps_is_what_autograd_keeps_of_it(kind, dtype):
    policy = adapted(kind, dtype)
    sizes = shape(policy)
    expected = sizes.layers * kept_bytes(sizes, dtype.itemsize)
    assert LOWEST * expected < kept_a_token(policy) < HIGHEST * expected


def test_layers_computed_twice_keep_what_they_are_given():
    policy = adapted("llama")
    checkpoint_layers(policy)
    kept = kept_a_token(policy)
    given = 3 * 256 * 4  # three layers, 256 numbers of 4 bytes
    assert given < kept < 2 * given


def test_sizes_of_the_embedded_model_are_read_without_torch():
    found = read_shape(demo.MODEL_DIR)
    policy = load_policy("demo", device="cpu")
    assert found.num_weights == sum(weight.numel() for weight in policy.model.parameters())
    assert (found.hidden, found.layers, found.inner, found.attention) == (128, 4, 352, 128)
    assert found == shape_of(policy.model.config.to_dict(), found.num_weights)


@pytest.mark.parametrize("text", ["{}", '{"hidden_size": [1, 2], "num_hidden_layers": null}'])
def test_a_model_that_does_not_name_its_sizes_has_no_estimate(tmp_path, text):
    (tmp_path / "config.json").write_text(text)
    assert read_shape(tmp_path) is None


@pytest.mark.parametrize("content", [b"", b"\x08" + bytes(7) + b"{broken}", bytes(8) + b"{}"])
def test_a_model_whose_weights_are_damaged_has_none_either(tmp_path, content):
    (tmp_path / "config.json").write_text((demo.MODEL_DIR / "config.json").read_text())
    (tmp_path / "model.safetensors").write_bytes(content)
    assert read_shape(tmp_path) is None


def test_estimate_of_an_8b_model_holds_what_an_h200_measured():
    """By hand, bfloat16, rank 16, passes of 4,096 tokens (benchmarks/RESULTS.md: 43 GB of them).

    Weights 2 x 8.03e9 = 16.1 GB. A layer keeps of a token: copies for the adapter
    4 (5 x 4096 + 4096 + 14336) = 155,648; norms 4 x 2 x 4096 = 32,768; in 16 bits
    2 (2 x 4096 + 4 x 4096 + 3 x 14336) = 135,168; together 323,584, and 32 x 4096 times that
    42.4 GB.
    """
    assert kept_bytes(LLAMA_3_8B, 2) == 323_584
    config = RunConfig(model="x", micro_batch_tokens=4096)
    found = estimate(LLAMA_3_8B, config, on_gpu=True)
    assert found.parts["weights"] == 2 * LLAMA_3_8B.num_weights
    assert found.parts["update"] == 32 * 4096 * 323_584 + LOGIT_CHUNKS * GPU_CHUNK_BYTES
    measured = found.parts["weights"] + found.parts["adapter"] + 43e9
    assert found.low < measured < found.high < 80e9


def test_a_divided_model_needs_a_part_of_its_layers_and_two_of_them_whole():
    """By hand, Llama-3-8B in bfloat16 over 8 processes.

    A layer: 4096 x (4096 + 1024 + 1024 + 4096 + 14336 + 14336 + 14336) = 218,103,808 weights; 32 of
    them 6,979,321,856, of which each process has 872,415,232. Whole are 2 x 218,103,808 and what is
    in no layer, 8,030,261,248 - 6,979,321,856 = 1,050,939,392: together 2,359,562,240, at 2 bytes.
    """
    config = RunConfig(model="x", shard_model=True)
    found = estimate(LLAMA_3_8B, config, on_gpu=True, num_processes=8)
    assert found.parts["weights"] == 2 * 2_359_562_240
    alone = estimate(LLAMA_3_8B, RunConfig(model="x"), on_gpu=True, num_processes=8)
    assert alone.parts["weights"] == 2 * LLAMA_3_8B.num_weights
    assert {**found.parts, "weights": 0} == {**alone.parts, "weights": 0}


def test_estimate_goes_by_the_settings():
    config = preset_config("standard", "x").model_copy(
        update={"sampling": SamplingConfig(max_new_tokens=16), "max_length": 64}
    )

    def high(**changed):
        return estimate(LLAMA_3_8B, config.model_copy(update=changed), on_gpu=True).high

    assert high(micro_batch_tokens=2048) < high(micro_batch_tokens=8192)
    assert high(gradient_checkpointing=True) < high() / 1.5
    assert high(dtype="float32") > high()
    assert high(lora=LoraSettings(rank=64)) > high()
    assert estimate(LLAMA_3_8B, config, on_gpu=False).parts["weights"] == 4 * 8_030_261_248


def test_estimates_are_json_friendly():
    found = estimate(LLAMA_3_8B, RunConfig(), on_gpu=True)
    assert json.loads(json.dumps(found.parts)) == found.parts
