import shutil
from pathlib import Path

import pytest
import torch
from peft import LoraConfig, get_peft_model
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


def damaged(adapter_folder, damage):
    """A copy of the adapter, beside it, that does not fit."""
    folder = adapter_folder.parent / "damaged"
    shutil.copytree(adapter_folder, folder)
    weights = load_file(folder / "adapter_model.safetensors")
    names = list(weights)
    if damage == "two weights missing":
        del weights[names[0]], weights[names[-1]]
    if damage == "one wrong shape":
        weights[names[-1]] = weights[names[-1]][:, :2].contiguous()
    if damage == "a layer too many":
        weights[names[0].replace("layers.0", "layers.9")] = weights[names[0]].clone()
    if damage == "a weight of the model itself":
        weights["base_model.model.model.norm.weight"] = torch.zeros(32)
    save_file(weights, folder / "adapter_model.safetensors")
    config = folder / "adapter_config.json"
    if damage == "no such layers":
        config.write_text(config.read_text().replace('_proj"', '_nothing"'))
    if damage == "a start that changes the model":
        config.write_text(config.read_text().replace('"init_lora_weights": true', OLORA))
    return folder


OLORA = '"init_lora_weights": "olora"'
DAMAGES = (
    "two weights missing",
    "one wrong shape",
    "a layer too many",
    "a weight of the model itself",
    "no such layers",
    "a start that changes the model",
)


@pytest.mark.parametrize("damage", DAMAGES)
def test_an_adapter_that_does_not_fit_leaves_the_model_as_it_was(
    model_folder, adapter_folder, damage
):
    model = load_policy(str(model_folder), device="cpu").model
    before = score_tokens(model, SEQUENCE)[0].logprob_T
    parts = [name for name, _ in model.named_modules()]
    with pytest.raises(ModelLoadError, match="does not fit") as caught:
        add_adapter(model, damaged(adapter_folder, damage))
    assert "\n" not in caught.value.message
    assert [name for name, _ in model.named_modules()] == parts
    assert torch.equal(score_tokens(model, SEQUENCE)[0].logprob_T, before)


@pytest.mark.parametrize("damage", DAMAGES)
def test_an_adapter_that_does_not_fit_leaves_the_one_before_it_as_it_was(
    model_folder, adapter_folder, damage
):
    policy = load_policy(str(model_folder), adapter_dir=adapter_folder, device="cpu")
    before = logps(policy)
    with policy.model.disable_adapter():
        bare = logps(policy)
    with pytest.raises(ModelLoadError, match="does not fit"):
        add_adapter(policy.model, damaged(adapter_folder, damage), "other")
    assert list(policy.model.peft_config) == ["default"]
    assert policy.model.active_adapters == ["default"]
    assert torch.equal(logps(policy), before)
    with policy.model.disable_adapter():
        assert torch.equal(logps(policy), bare)


def test_a_model_is_not_loaded_under_an_adapter_that_does_not_fit(model_folder, adapter_folder):
    folder = damaged(adapter_folder, "two weights missing")
    with pytest.raises(ModelLoadError, match="2 of its weights are missing"):
        load_policy(str(model_folder), adapter_dir=folder, device="cpu")


def test_an_adapter_without_its_settings_is_refused(tiny_policy, adapter_folder, monkeypatch):
    (adapter_folder / "adapter_config.json").unlink()
    monkeypatch.chdir(adapter_folder.parent)  # a short relative path reads like a hub name
    with pytest.raises(ModelLoadError, match=r"holds no adapter \(adapter_config"):
        add_adapter(tiny_policy.model, Path("adapter"))


def test_a_name_that_is_taken_keeps_its_adapter(model_folder, adapter_folder):
    policy = load_policy(str(model_folder), adapter_dir=adapter_folder, device="cpu")
    before = logps(policy)
    with pytest.raises(ModelLoadError, match="already"):
        add_adapter(policy.model, adapter_folder, "default")
    assert torch.equal(logps(policy), before)


@pytest.mark.parametrize("settings", [{"use_dora": True}, {"modules_to_save": ["lm_head"]}])
def test_other_kinds_of_lora_come_back_too(model_folder, tmp_path, settings):
    model = load_policy(str(model_folder), device="cpu").model
    kind = LoraConfig(r=4, target_modules="all-linear", task_type="CAUSAL_LM", **settings)
    adapted = get_peft_model(model, kind).eval()
    with torch.no_grad():
        for name, parameter in adapted.named_parameters():
            if "lora_B" in name or "modules_to_save" in name:
                parameter.add_(torch.randn_like(parameter), alpha=0.3)
    adapted.save_pretrained(str(tmp_path / "kind"))
    again = load_policy(str(model_folder), adapter_dir=tmp_path / "kind", device="cpu")
    expected = score_tokens(adapted, SEQUENCE)[0].logprob_T
    assert torch.allclose(logps(again), expected, atol=1e-5)


def test_a_name_inside_the_name_of_another_adapter_is_no_obstacle(model_folder, adapter_folder):
    model = load_policy(str(model_folder), device="cpu").model
    adapted = add_adapter(model, adapter_folder, "run12")
    assert add_adapter(adapted, adapter_folder, "run1").active_adapters == ["run1"]


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
