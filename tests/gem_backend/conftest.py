"""Small real models and tokenizers, made on the spot."""

from pathlib import Path

import pytest
import torch
from peft import LoraConfig, PeftModel, get_peft_model
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from gem_backend import demo
from gem_backend.policy import Policy, load_policy

torch.set_num_threads(1)  # on models this small, more threads only wait for each other

GPT2_FOLDER = Path(__file__).parents[3] / "shared" / "data" / "gpt2_bpe"


@pytest.fixture
def byte_tokenizer() -> PreTrainedTokenizerFast:
    """Every byte is a token; a start token is added by the post-processor, as Llama's is."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokenizer = Tokenizer(models.BPE(vocab={c: i for i, c in enumerate(alphabet)}, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens(["<|bos|>", "<|eos|>"])
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<|bos|> $A", special_tokens=[("<|bos|>", 256)]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, bos_token="<|bos|>", eos_token="<|eos|>"
    )


def random_llama(vocab_size: int, **more: object) -> LlamaForCausalLM:
    """A 2-layer random Llama, peaked enough that its distributions differ."""
    torch.manual_seed(0)
    size = {
        "hidden_size": 32,
        "intermediate_size": 64,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "max_position_embeddings": 256,
        "initializer_range": 0.3,
    }
    return LlamaForCausalLM(LlamaConfig(vocab_size=vocab_size, **(size | more))).eval()


@pytest.fixture
def tiny_policy(byte_tokenizer) -> Policy:
    """Such a model over bytes."""
    model = random_llama(258, bos_token_id=256, eos_token_id=257, pad_token_id=None)
    return Policy(model, byte_tokenizer, "tiny", torch.device("cpu"))


@pytest.fixture
def adapted_policy(tiny_policy) -> Policy:
    """The tiny policy under a LoRA adapter that does something."""
    torch.manual_seed(1)
    settings = LoraConfig(r=4, target_modules="all-linear", task_type="CAUSAL_LM")
    model = get_peft_model(tiny_policy.model, settings)
    assert isinstance(model, PeftModel)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "lora_B" in name:
                parameter.normal_(std=0.3)
    return Policy(model.eval(), tiny_policy.tokenizer, "tiny", torch.device("cpu"), "test")


@pytest.fixture
def demo_policy() -> Policy:
    """The embedded model."""
    if not (demo.MODEL_DIR / "model.safetensors").exists():
        pytest.skip("the embedded model has not been made yet")
    return load_policy("demo", device="cpu")


@pytest.fixture
def gpt2_tokenizer() -> PreTrainedTokenizerFast:
    """GPT-2's real vocabulary, whose tokens cut characters and words as real models do."""
    if not GPT2_FOLDER.exists():
        pytest.skip("GPT-2's vocabulary is not at hand")
    tokenizer = Tokenizer(
        models.BPE.from_file(str(GPT2_FOLDER / "encoder.json"), str(GPT2_FOLDER / "vocab.bpe"))
    )
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token="<|endoftext|>")
