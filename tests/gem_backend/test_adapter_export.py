"""Adapters for use elsewhere: plain peft and plain transformers, and the card that goes with them.

vLLM loads the adapter in test_vllm.py.
"""

import itertools
import json

import pytest
import torch
import yaml
from peft import PeftModel
from transformers import AutoModelForCausalLM, AutoTokenizer

from gem_backend import demo
from gem_backend.adapter_export import CARD, MANIFEST, export_adapter, export_merged
from gem_backend.config import LoraSettings, RunConfig
from gem_backend.errors import DataError
from gem_backend.model_folder import find_model
from gem_backend.policy import load_policy
from gem_backend.run_dir import RunDir, RunSpec
from gem_backend.trainer import with_adapter
from gem_backend.types import Estimate, Evaluation, PreferencePair, RunResult

SECRET = "Mrs Miller, born 1950"
FIGURE = Estimate(0.75, 0.6, 0.86, 40)
EVALUATION = Evaluation(FIGURE, FIGURE, None, 1, 0.3, 60.0, 0.1)


def make_run(folder, model="demo", verdict="better"):
    """A run that ended, with an adapter that says something."""
    pairs = tuple(
        PreferencePair(f"{SECRET} {n}", "a", "b", rater="Dr. Who", pair_id=f"pair-{n}")
        for n in range(8)
    )
    run = RunDir.create(folder, RunSpec("run-1", RunConfig(model=model, device="cpu"), pairs))
    policy = with_adapter(load_policy(model, device="cpu"), LoraSettings(rank=2, alpha=4), seed=1)
    with torch.no_grad():
        for name, weight in policy.model.named_parameters():
            if "lora_B" in name:
                weight.normal_(std=0.3)
    policy.model.save_pretrained(str(run.adapter_dir))
    kept = None if verdict == "worse" else str(run.adapter_dir)
    change = Estimate(0.25, 0.1, 0.4, 40)
    run.write_result(
        RunResult("run-1", verdict, EVALUATION, EVALUATION, change, kept, 1, 2.0, "", ("Mind.",))
    )
    return run


@pytest.fixture
def run(tmp_path):
    return make_run(tmp_path / "run")


def logits(model):
    with torch.inference_mode():
        return model(input_ids=torch.tensor([[5, 9, 7, 3]])).logits.float()


def test_plain_peft_loads_what_was_exported(run, tmp_path):
    done = export_adapter(run, tmp_path / "out")
    base = AutoModelForCausalLM.from_pretrained(demo.MODEL_DIR)
    before = logits(base)
    adapted = logits(PeftModel.from_pretrained(base, done.path))
    ours = logits(load_policy("demo", adapter_dir=run.adapter_dir, device="cpu").model)
    assert torch.equal(adapted, ours)
    assert (adapted - before).abs().max() > 0.1
    assert {file.name for file in done.path.iterdir()} == {
        "adapter_config.json", "adapter_model.safetensors", CARD, MANIFEST,
    }  # fmt: skip


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_merged_model_is_a_plain_one_in_the_format_of_the_model(tmp_path, dtype):
    """Merging rounds each weight once; bfloat16 has 8 bits, logits here are of the order of 10."""
    folder = tmp_path / "model"
    model = AutoModelForCausalLM.from_pretrained(demo.MODEL_DIR, dtype=getattr(torch, dtype))
    model.save_pretrained(folder)
    AutoTokenizer.from_pretrained(demo.MODEL_DIR).save_pretrained(folder)
    run = make_run(tmp_path / "run", str(folder))
    done = export_merged(run, tmp_path / "merged")
    whole = AutoModelForCausalLM.from_pretrained(done.path, use_safetensors=True)
    assert whole.dtype == getattr(torch, dtype)
    assert not list(done.path.glob("adapter*"))
    ours = load_policy(str(folder), adapter_dir=run.adapter_dir, device="cpu", dtype="float32")
    gap = (logits(whole) - logits(ours.model)).abs().max()
    assert gap < (1e-4 if dtype == "float32" else 0.5)
    assert find_model(str(done.path)) == done.path
    policy = load_policy(str(done.path), device="cpu")  # as the studio's model
    assert policy.tokenizer.vocab_size > 0


def test_card_and_manifest_say_what_it_is_and_no_word_of_a_patient(run, tmp_path):
    done = export_adapter(run, tmp_path / "out")
    text = (done.path / CARD).read_text()
    fields = yaml.safe_load(text.split("---")[1])
    assert fields["base_model"] == "demo"
    assert fields["library_name"] == "peft"
    assert (
        "| Held-out preference accuracy | 75.0 % (60.0 to 86.0) | 75.0 % (60.0 to 86.0) | 40 |"
        in text
    )
    assert "40 held-out pairs: **better**, +25.0 points" in text
    assert "- Mind." in text
    manifest = json.loads((done.path / MANIFEST).read_text())
    parts = manifest["pair_ids"]
    assert sorted(itertools.chain(*parts.values())) == [f"pair-{n}" for n in range(8)]
    assert (manifest["run_id"], manifest["num_raters"]) == ("run-1", 1)
    for file in done.path.glob("*.*"):
        content = file.read_bytes()
        assert SECRET.encode() not in content
        assert b"Dr. Who" not in content


def test_a_local_model_is_named_without_the_folders_above_it(tmp_path):
    folder = tmp_path / "model"
    AutoModelForCausalLM.from_pretrained(demo.MODEL_DIR).save_pretrained(folder)
    AutoTokenizer.from_pretrained(demo.MODEL_DIR).save_pretrained(folder)
    done = export_adapter(make_run(tmp_path / "run", str(folder)), tmp_path / "out")
    for name in (CARD, MANIFEST, "adapter_config.json"):
        assert str(tmp_path) not in (done.path / name).read_text()


@pytest.mark.parametrize("export", [export_adapter, export_merged])
def test_what_is_not_to_be_used_is_refused_and_nothing_is_written(export, tmp_path):
    out = tmp_path / "out"
    with pytest.raises(DataError, match="made the model worse"):
        export(make_run(tmp_path / "worse", verdict="worse"), out)
    unfinished = RunDir.create(tmp_path / "new", RunSpec("r", RunConfig(), ()))
    with pytest.raises(DataError, match="no result yet"):
        export(unfinished, out)
    run = make_run(tmp_path / "run")
    (run.adapter_dir / "adapter_model.safetensors").unlink()
    with pytest.raises(DataError, match="not whole"):
        export(run, out)
    assert not out.exists()
    whole = make_run(tmp_path / "whole")
    out.mkdir()
    (out / "mine").touch()
    with pytest.raises(DataError, match="not empty"):
        export(whole, out)
