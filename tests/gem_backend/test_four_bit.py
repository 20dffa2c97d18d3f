"""A base model in four bits: what is rounded, what trains on it, and what it needs."""

import json

import pytest
import torch
from peft import PeftModel
from safetensors.torch import load_file
from torch import nn

from gem_backend import worker
from gem_backend.adapter_export import card
from gem_backend.config import preset_config
from gem_backend.entropy import sequence_logps
from gem_backend.errors import ModelLoadError
from gem_backend.forward import TokenSequence
from gem_backend.four_bit import adapted_layers, is_4bit, num_base_weights, quantise
from gem_backend.memory import GROUP_4BIT, ModelShape, estimate
from gem_backend.policy import load_policy
from gem_backend.reporter import Reporter
from gem_backend.train import run_training
from gem_backend.trainer import with_adapter
from tests.gem_backend.test_run import TINY, make_run

SEQUENCES = [
    TokenSequence((5, 6, 7, 8), (9, 10, 11, 12, 13)),
    TokenSequence((5, 6), (20, 21, 22)),
]


@pytest.fixture
def policy():
    return load_policy("demo", device="cpu", in_4bit=True)


def whole_again(policy):
    """The same model with the rounded weights written out in full, as ordinary layers."""
    model = policy.model
    for name, layer in list(model.named_modules()):
        if is_4bit(layer):
            plain = nn.Linear(layer.in_features, layer.out_features, bias=layer.bias is not None)
            plain.weight = nn.Parameter(layer.dequantize(), requires_grad=False)
            model.set_submodule(name, plain)
    return policy


def gradients(policy):
    adapted = with_adapter(policy, TINY.lora, 3)
    for name, weight in adapted.model.named_parameters():
        if "lora_B" in name:  # they begin at zero, which would hide half of the gradients
            nn.init.normal_(weight, std=0.1, generator=torch.Generator().manual_seed(7))
    adapted.model.train()
    logps = sequence_logps(adapted.model, SEQUENCES).logps
    torch.cat(logps).sum().backward()
    found = {n: w.grad.clone() for n, w in adapted.model.named_parameters() if w.requires_grad}
    return torch.cat(logps).detach(), found


@pytest.mark.four_bit
def test_the_decoder_is_rounded_and_nothing_else(policy):
    whole = load_policy("demo", device="cpu").model
    small = {name for name, layer in policy.model.named_modules() if is_4bit(layer)}
    linear = {name for name, layer in whole.named_modules() if isinstance(layer, nn.Linear)}
    assert small == linear - {"lm_head"}
    for name, layer in policy.model.named_modules():
        if is_4bit(layer):
            assert layer.W_q.nbytes == layer.in_features * layer.out_features // 2
            given = whole.get_submodule(name).weight
            gap = (layer.dequantize() - given).abs().mean() / given.abs().mean()
            assert gap < 0.12  # 16 steps for 64 weights: about a twelfth of their spread


@pytest.mark.four_bit
def test_an_adapter_has_the_gradients_that_the_rounded_weights_give(policy):
    """Naive: the same numbers as ordinary layers, whose gradients autograd works out."""
    logps, found = gradients(policy)
    naive = whole_again(load_policy("demo", device="cpu", in_4bit=True))
    expected_logps, expected = gradients(naive)
    torch.testing.assert_close(logps, expected_logps, rtol=1e-4, atol=1e-4)
    assert found.keys() == expected.keys()
    assert any(gradient.abs().max() > 0 for gradient in found.values())
    for name, gradient in found.items():
        torch.testing.assert_close(gradient, expected[name], rtol=1e-3, atol=1e-4)


@pytest.mark.four_bit
def test_the_adapter_sits_on_the_same_layers_as_ever(policy):
    plain = with_adapter(load_policy("demo", device="cpu"), TINY.lora, 0)
    small = with_adapter(policy, TINY.lora, 0)
    trained = [
        {name: one.shape for name, one in policy.model.named_parameters() if one.requires_grad}
        for policy in (plain, small)
    ]
    assert num_base_weights(small.model) == num_base_weights(plain.model)
    assert trained[0] == trained[1]
    assert adapted_layers(load_policy("demo", device="cpu").model) == "all-linear"


@pytest.mark.slow
@pytest.mark.four_bit
@pytest.mark.parametrize("method", ["gem", "dpo"])
def test_a_run_in_four_bits_ends_and_its_adapter_loads_on_the_whole_model(tmp_path, method):
    config = TINY.model_copy(update={"load_in_4bit": True, "method": method})
    run = make_run(tmp_path / "run", config)
    reporter = Reporter(run)
    reporter.end(*run_training(run, reporter, resume=False))
    assert run.status().state == "done"
    memory, _ = [event.data for event in run.events() if event.kind == "memory"]
    assert memory["low"] < memory["high"]
    weights = load_file(run.adapter_dir / "adapter_model.safetensors")
    assert any(tensor.abs().max() > 0 for name, tensor in weights.items() if "lora_B" in name)
    asked = json.loads((run.adapter_dir / "adapter_config.json").read_text("utf-8"))
    assert "quantization" not in json.dumps(asked).lower()
    whole = load_policy("demo", device="cpu")
    ids = torch.tensor([[5, 6, 7, 8]])
    before = whole.model(ids).logits
    adapted = PeftModel.from_pretrained(whole.model, run.adapter_dir)
    assert not torch.equal(adapted(ids).logits, before)
    assert "loaded in four bits" in card(run.spec(), run.result(), is_merged=False)


def test_weights_in_four_bits_need_a_quarter_of_sixteen():
    """An 8 B Llama: 6,979,321,856 weights in its layers, 1,050,939,392 elsewhere.

    In four bits with two 16-bit figures for every 64: 3.49e9 + 4.36e8 bytes, and the rest in 16
    bits, 2.10e9, with one layer of 58,720,256 weights written out.
    """
    shape = ModelShape(8_030_261_248, 4096, 32, 14336, 4096, 1024, 128_256, True)
    config = preset_config("quick", "llama").model_copy(update={"load_in_4bit": True})
    found = estimate(shape, config, on_gpu=True).parts["weights"]
    layers = 6_979_321_856
    rest = 8_030_261_248 - layers
    assert found == layers // 2 + layers // GROUP_4BIT * 4 + 2 * (rest + 58_720_256)
    whole = estimate(shape, preset_config("quick", "llama"), on_gpu=True).parts["weights"]
    assert whole == 2 * 8_030_261_248
    assert found < 0.4 * whole


def test_without_the_library_one_sentence_says_how_to_get_it(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "hqq.core.quantize", None)
    with pytest.raises(ModelLoadError, match="pip install 'hqq"):
        load_policy("demo", device="cpu", in_4bit=True)


@pytest.mark.four_bit
def test_a_model_without_such_layers_is_refused():
    policy = load_policy("demo", device="cpu")
    for name, layer in list(policy.model.named_modules()):
        if isinstance(layer, nn.Linear):
            policy.model.set_submodule(name, nn.Identity())
    with pytest.raises(ModelLoadError, match="no layers that can be loaded in four bits"):
        quantise(policy.model, torch.device("cpu"))


def test_vllm_would_answer_with_another_model(tmp_path):
    run = make_run(
        tmp_path / "run", TINY.model_copy(update={"load_in_4bit": True, "engine": "vllm"})
    )
    assert worker.carry(run, Reporter(run), resume=False) == 1
    assert "four bits" in run.status().message
