import shutil

import pytest
import torch
from safetensors.torch import load_file, save_file

from gem_backend.entropy import TokenSequence, score_tokens
from gem_backend.errors import ConfigError, GemError, ModelLoadError
from gem_backend.model_folder import find_model
from gem_backend.policy import (
    add_adapter,
    load_policy,
    resolve_device,
    resolve_dtype,
)

SEQUENCE = [TokenSequence((256, 72, 105), (10, 20, 257))]


@pytest.fixture
def model_folder(tiny_policy, tmp_path):
    folder = tmp_path / "model"
    tiny_policy.model.save_pretrained(folder)
    tiny_policy.tokenizer.save_pretrained(folder)
    return folder


@pytest.fixture
def adapter_folder(adapted_policy, tmp_path):
    folder = tmp_path / "adapter"
    adapted_policy.model.save_pretrained(str(folder))
    return folder


def logps(policy):
    return score_tokens(policy.model, SEQUENCE)[0].logprob_T


def test_a_saved_model_comes_back_the_same(model_folder, tiny_policy):
    policy = load_policy(str(model_folder), device="cpu")
    assert torch.equal(logps(policy), logps(tiny_policy))
    assert policy.tokenizer.encode("Hi") == tiny_policy.tokenizer.encode("Hi")
    assert (policy.name, policy.device.type, policy.adapter) == (str(model_folder), "cpu", None)
    assert not policy.model.training


def test_a_model_comes_back_with_its_adapter(model_folder, adapter_folder, adapted_policy):
    policy = load_policy(str(model_folder), adapter_dir=adapter_folder, device="cpu")
    assert torch.allclose(logps(policy), logps(adapted_policy), atol=1e-5)
    assert policy.adapter == str(adapter_folder)
    with policy.model.disable_adapter():
        assert not torch.allclose(logps(policy), logps(adapted_policy), atol=1e-2)


def test_the_embedded_model_answers_to_demo(demo_policy):
    assert demo_policy.name == "demo"
    assert demo_policy.tokenizer.eos_token_id == demo_policy.model.config.eos_token_id


def test_weights_can_be_asked_for_in_bfloat16(model_folder):
    policy = load_policy(str(model_folder), device="cpu", dtype="bfloat16")
    assert policy.model.dtype == torch.bfloat16
    assert logps(policy).dtype == torch.float32


@pytest.mark.parametrize(
    "name", ["/no/such/folder", "./missing", "~/missing", "a/b/c", "..", "two words", ""]
)
def test_what_looks_like_a_path_is_never_asked_of_the_hub(name):
    with pytest.raises(ModelLoadError, match="folder"):
        load_policy(name, device="cpu")


def test_a_mistyped_folder_name_is_not_taken_for_a_hub_name(model_folder, monkeypatch):
    monkeypatch.chdir(model_folder.parent.parent)
    with pytest.raises(ModelLoadError, match="no model folder"):
        find_model(f"{model_folder.parent.name}/modle")


@pytest.mark.parametrize("name", ["gpt2", "some-owner/some-model.v1_2"])
def test_hub_names_stay_as_they_are(name):
    assert find_model(name) == name


def test_a_folder_without_a_model_is_refused(tmp_path):
    with pytest.raises(ModelLoadError, match=r"no config\.json"):
        load_policy(str(tmp_path), device="cpu")


@pytest.mark.parametrize(
    ("weights", "sentence"),
    [("pytorch_model.bin", "hidden code"), ("none.txt", "no model weights")],
)
def test_only_safetensors_are_opened(model_folder, weights, sentence):
    (model_folder / "model.safetensors").rename(model_folder / weights)
    with pytest.raises(ModelLoadError, match=sentence):
        load_policy(str(model_folder), device="cpu")


@pytest.mark.parametrize(
    ("file", "content"),
    [
        ("model.safetensors", b"not weights"),
        ("config.json", b"{broken"),
        ("config.json", b'{"model_type": "no-such-model"}'),
        ("tokenizer.json", b"{}"),
    ],
)
def test_damaged_files_give_one_sentence(model_folder, file, content):
    (model_folder / file).write_bytes(content)
    with pytest.raises(ModelLoadError, match="cannot be loaded") as caught:
        load_policy(str(model_folder), device="cpu")
    assert "\n" not in caught.value.message


def test_a_folder_that_is_no_adapter_is_refused(tiny_policy, model_folder):
    with pytest.raises(ModelLoadError, match="holds no adapter"):
        add_adapter(tiny_policy.model, model_folder)


def test_an_adapter_in_pickle_form_is_refused(tiny_policy, adapter_folder):
    weights = adapter_folder / "adapter_model.safetensors"
    torch.save(load_file(weights), adapter_folder / "adapter_model.bin")
    weights.unlink()
    with pytest.raises(ModelLoadError, match="holds no adapter"):
        add_adapter(tiny_policy.model, adapter_folder)


@pytest.mark.parametrize("damage", ["missing weights", "other shapes", "no such layers"])
def test_an_adapter_that_does_not_fit_is_refused(model_folder, adapter_folder, damage):
    weights = load_file(adapter_folder / "adapter_model.safetensors")
    if damage == "missing weights":
        weights = dict(list(weights.items())[1:])
    if damage == "other shapes":
        weights = {name: value[:, :2].contiguous() for name, value in weights.items()}
    save_file(weights, adapter_folder / "adapter_model.safetensors")
    if damage == "no such layers":
        config = adapter_folder / "adapter_config.json"
        config.write_text(config.read_text().replace('_proj"', '_nothing"'))
    with pytest.raises(ModelLoadError, match="does not fit"):
        load_policy(str(model_folder), adapter_dir=adapter_folder, device="cpu")


def test_a_second_adapter_can_be_added_and_is_the_one_that_is_on(model_folder, adapter_folder):
    shutil.copytree(adapter_folder, adapter_folder.parent / "other")
    file = adapter_folder.parent / "other" / "adapter_model.safetensors"
    save_file({name: value * 2 for name, value in load_file(file).items()}, file)
    policy = load_policy(str(model_folder), adapter_dir=adapter_folder, device="cpu")
    before = logps(policy)
    add_adapter(policy.model, adapter_folder.parent / "other", "other")
    assert not torch.allclose(logps(policy), before, atol=1e-2)
    policy.model.set_adapter("default")
    assert torch.allclose(logps(policy), before)


def test_a_gpu_that_is_not_there_is_named(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert resolve_device("auto") == torch.device("cpu")
    with pytest.raises(ConfigError, match="graphics processor") as caught:
        resolve_device("cuda")
    assert isinstance(caught.value, GemError)


def test_a_cpu_works_in_float32_unless_told():
    cpu = torch.device("cpu")
    assert resolve_dtype("auto", cpu) == torch.float32
    assert resolve_dtype("bfloat16", cpu) == torch.bfloat16
