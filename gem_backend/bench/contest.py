"""What the speed benchmark's methods compete with: one policy, one set of prompts, one clock."""

import json
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from transformers import AutoTokenizer, LlamaConfig, LlamaForCausalLM

from gem_backend.config import PromptConfig, SamplingConfig
from gem_backend.demo import MODEL_DIR, PROJECT_FILE
from gem_backend.errors import ConfigError
from gem_backend.forward import TokenSequence
from gem_backend.policy import Device, Policy, load_policy, resolve_device, resolve_dtype
from gem_backend.prompting import encode_prompt
from gem_backend.token_engine import TokenEngine

MODEL_8B = "llama-3-8b-shape"
Seconds = dict[tuple[str, str], float]


@dataclass
class Contest:
    """Who competes with what, and what was measured so far.

    The naive step goes one by one, so a token costs it the same however many prompts there are:
    ``naive_prompts`` of them stand for all where all would take an hour. ``micro_batch_tokens`` of
    one forward pass, as in ``RunConfig``, are ours and bound TRL's. ``engine`` samples beside us,
    outside of this process; None where nothing does.
    """

    policy: Policy
    prompts: list[str]
    config: SamplingConfig
    naive_prompts: int
    micro_batch_tokens: int
    engine: TokenEngine | None = None
    seconds: list[Seconds] = field(default_factory=list)
    tokens: list[dict[str, int]] = field(default_factory=list)
    memory: dict[tuple[str, str], int] = field(default_factory=dict)

    def now(self) -> float:
        """Read the clock when the device has done all it was told."""
        return clock(self.policy.device)

    @property
    def longest(self) -> int:
        """Tokens of the longest prompt with room for its answer."""
        return max(map(len, prompt_ids(self.policy, self.prompts))) + self.config.max_new_tokens


def clock(device: torch.device) -> float:
    """Return seconds, when the device has done all it was told."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter()


def load_contestant(model: str, device: Device) -> Policy:
    """Load the model, or make the one that is only a shape.

    Raises:
        ConfigError: the shape is asked for where there is no graphics processor.
    """
    if model != MODEL_8B:
        return load_policy(model, device=device)
    where = resolve_device(device)
    if where.type != "cuda":
        raise ConfigError(f"The model '{MODEL_8B}' needs a graphics processor.")
    return random_policy(shape_8b(), MODEL_8B, where, resolve_dtype("auto", where))


def shape_8b() -> LlamaConfig:
    """Return the sizes of Llama-3-8B."""
    return LlamaConfig(
        vocab_size=128_256,
        hidden_size=4096,
        intermediate_size=14_336,
        num_hidden_layers=32,
        num_attention_heads=32,
        num_key_value_heads=8,
        max_position_embeddings=8192,
        rope_parameters={"rope_type": "default", "rope_theta": 500_000.0},
    )


def random_policy(
    config: LlamaConfig, name: str, device: torch.device, dtype: torch.dtype
) -> Policy:
    """Make a model on its device; the embedded tokenizer stands in, its ids are all below V."""
    usual = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    try:
        with device:
            model = LlamaForCausalLM(config)
    finally:
        torch.set_default_dtype(usual)
    tokenizer = AutoTokenizer.from_pretrained(str(MODEL_DIR), local_files_only=True)
    model.eval()  # type: ignore[no-untyped-call]
    return Policy(model, tokenizer, name, device)


def project_prompts(count: int) -> list[str]:
    """Return the first prompts of the embedded project.

    Raises:
        ConfigError: it has not as many.
    """
    lines = PROJECT_FILE.read_text("utf-8").splitlines()
    prompts = list(dict.fromkeys(str(json.loads(line)["prompt"]) for line in lines))
    if count > len(prompts):
        raise ConfigError(f"The embedded project has {len(prompts)} prompts, not {count}.")
    return prompts[:count]


def prompt_ids(policy: Policy, prompts: Sequence[str]) -> list[tuple[int, ...]]:
    """Return the ids of each prompt as it is put to the model."""
    return [tuple(encode_prompt(policy.tokenizer, one, PromptConfig())) for one in prompts]


def count_tokens(groups: Sequence[Sequence[TokenSequence]]) -> int:
    """Return the completion tokens of all groups."""
    return sum(len(sequence.completion_ids) for group in groups for sequence in group)
