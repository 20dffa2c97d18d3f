"""Model folders as they are found: each samples and scores, or is refused in one sentence."""

import json
import math

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import (
    BertConfig,
    BertForMaskedLM,
    GPT2Config,
    GPT2LMHeadModel,
    T5Config,
    T5ForConditionalGeneration,
)

from gem_backend.config import SamplingConfig
from gem_backend.errors import GemError
from gem_backend.policy import load_policy
from gem_backend.sampling import PolicySampler
from tests.gem_backend.conftest import random_llama

SETTINGS = SamplingConfig(num_candidates=2, max_new_tokens=12, seed=1)


def change_json(folder, file, **changes):
    path = folder / file
    path.write_text(json.dumps(json.loads(path.read_text("utf-8")) | changes), "utf-8")


def sharded(folder):
    (folder / "model.safetensors").unlink()
    random_llama(258).save_pretrained(folder, max_shard_size="20KB")
    assert len(list(folder.glob("*.safetensors"))) > 2


def shard_missing(folder):
    sharded(folder)
    sorted(folder.glob("*.safetensors"))[1].unlink()


def tied_head(folder):
    random_llama(258, tie_word_embeddings=True).save_pretrained(folder)
    assert "lm_head.weight" not in load_file(folder / "model.safetensors")


def more_rows_than_tokens(folder):
    """The table of embeddings is padded, as in many published models."""
    random_llama(320).save_pretrained(folder)


def fewer_rows_than_tokens(folder):
    random_llama(200).save_pretrained(folder)


def half_precision(folder):
    random_llama(258).to(torch.float16).save_pretrained(folder)


def other_architecture(folder):
    """Learned positions, and names of layers that are not Llama's."""
    size = GPT2Config(vocab_size=258, n_positions=128, n_embd=32, n_layer=2, n_head=4)
    GPT2LMHeadModel(size).save_pretrained(folder)


def no_special_tokens(folder):
    change_json(folder, "tokenizer_config.json", bos_token=None, eos_token=None, pad_token=None)


def chat_template_that_raises(folder):
    (folder / "chat_template.jinja").write_text("{{ raise_exception('system first') }}")


def broken_chat_template(folder):
    (folder / "chat_template.jinja").write_text("{% if %}")


def code_of_its_own(folder):
    change_json(folder, "config.json", model_type="own", auto_map={"AutoConfig": "own.OwnConfig"})
    (folder / "own.py").write_text("raise SystemExit('this ran')")


def no_tokenizer(folder):
    for path in folder.glob("token*"):
        path.unlink()


def encoder_decoder(folder):
    size = {
        "vocab_size": 258,
        "d_model": 32,
        "d_kv": 8,
        "d_ff": 64,
        "num_layers": 1,
        "num_heads": 4,
    }
    T5ForConditionalGeneration(T5Config(**size)).save_pretrained(folder)


def masked_model(folder):
    size = {"hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 4}
    BertForMaskedLM(BertConfig(vocab_size=258, **size)).save_pretrained(folder)


def adapter_only(folder):
    for path in folder.glob("*"):
        path.unlink()
    (folder / "adapter_config.json").write_text('{"peft_type": "LORA"}')
    save_file({}, folder / "adapter_model.safetensors")


def cut_short(folder):
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-1000])


def weights_of_another_size(folder):
    random_llama(258, hidden_size=48).save_pretrained(folder / "other")
    (folder / "other" / "model.safetensors").replace(folder / "model.safetensors")


def layers_missing(folder):
    path = folder / "model.safetensors"
    weights = {name: weight for name, weight in load_file(path).items() if ".layers.1." not in name}
    save_file(weights, path, {"format": "pt"})


WORKS = (
    sharded, tied_head, more_rows_than_tokens, half_precision, other_architecture,
    no_special_tokens,
)  # fmt: skip
REFUSED = {
    shard_missing: "model-00002",
    fewer_rows_than_tokens: "256 tokens, the model knows 200",
    chat_template_that_raises: "does not take a question: system first",
    broken_chat_template: "does not take a question: Expected an expression",
    code_of_its_own: "--trust-remote-code",
    no_tokenizer: "no tokenizer",
    encoder_decoder: "encoder-decoder (t5)",
    masked_model: "from both sides",
    adapter_only: "no config.json",
    cut_short: "file not fully covered",
    weights_of_another_size: "not the size that config.json says",
    layers_missing: "9 of its weights are missing, such as model.layers.1.",
}


@pytest.fixture
def folder(tiny_policy, tmp_path):
    tiny_policy.model.save_pretrained(tmp_path / "model")
    tiny_policy.tokenizer.save_pretrained(tmp_path / "model")
    return tmp_path / "model"


def sample(folder):
    policy = load_policy(str(folder), device="cpu")
    [group] = PolicySampler(policy).sample(("Age 70?",), SETTINGS)
    return policy, group


@pytest.mark.parametrize("change", WORKS, ids=lambda change: change.__name__)
def test_it_samples_and_scores(folder, change):
    change(folder)
    policy, group = sample(folder)
    assert len(group) == 2
    for one in group:
        assert 0 < len(one.token_ids) <= 12
        assert all(
            0 <= figure <= math.log(len(policy.tokenizer)) + 1 for figure in one.token_entropy
        )


@pytest.mark.parametrize(
    ("change", "words"), REFUSED.items(), ids=lambda one: getattr(one, "__name__", "")
)
def test_it_is_refused_in_one_sentence(folder, change, words):
    change(folder)
    with pytest.raises(GemError) as caught:
        sample(folder)
    assert words in caught.value.message
    assert "\n" not in caught.value.message
