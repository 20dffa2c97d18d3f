"""How much memory a run will need on its device, as a range, from a model's config.json; no torch.

The weights and the adapter's states are counted. What a pass keeps for its way back is added up
from what the layers of the usual decoders keep for each token (``kept_bytes``; a test compares it
with what autograd keeps of small models). One probe step of the run itself then says what it was
(``gem_backend.probe``). Other layers, and what libraries set aside, are what the range is for.
"""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gem_backend.config import RunConfig

# What bounds a batch, beside the run's own settings.
CPU_BATCH_TOKENS = 2048  # ours, of a pass: a larger one leaves the processor's caches and is slower
MAX_BATCH_TOKENS = 32768  # of sampling: prompt and room for the answer, all rows, padding included
MAX_BATCH_ROWS = 256  # of sampling
CPU_CHUNK_BYTES = 16 * 2**20  # of logits: larger ones leave the processor's caches and are slower
GPU_CHUNK_BYTES = 32 * 2**20  # a head of 128 k words is read once a chunk, in a quarter of a ms

LOGIT_CHUNKS = 4  # logits, what follows from them, and both on the way back
ADAPTER_STATES = 16  # bytes of a weight: itself, its gradient and AdamW's two figures, 32 bits each
DRAW_BYTES = 20  # of a token of the vocabulary: logits in 32 bits, two distributions in 64
GROUP_4BIT = 64  # weights that share a scale and a zero where layers are in four bits
LOWEST, HIGHEST = 0.75, 1.35  # ours: of what passes need
LIBRARIES_BYTES = 300 * 2**20  # ours: what a processor's libraries may set aside beside it


@dataclass(frozen=True, slots=True)
class ModelShape:
    """The sizes that memory depends on.

    ``attention`` and ``key_value`` are widths of all heads together, ``inner`` that of the part
    between a layer's attention and the next layer, which is gated or not.
    """

    num_weights: int
    hidden: int
    layers: int
    inner: int
    attention: int
    key_value: int
    vocabulary: int
    is_gated: bool


@dataclass(frozen=True, slots=True)
class MemoryEstimate:
    """Bytes on the device at the most, between ``low`` and ``high``; ``parts`` by their names."""

    low: int
    high: int
    parts: dict[str, int]


def read_shape(folder: Path) -> ModelShape | None:
    """Return a model folder's sizes, None where its files do not say them."""
    try:
        config = json.loads((folder / "config.json").read_text("utf-8"))
        num_weights = sum(map(_count_weights, folder.glob("*.safetensors")))
    except (OSError, ValueError, KeyError):  # a run that loads the model says what is wrong with it
        return None
    return shape_of(config, num_weights)


def shape_of(config: Mapping[str, Any], num_weights: int) -> ModelShape | None:
    """Return a model's sizes by its settings, None where these do not name them."""
    config = config.get("text_config") or config

    def size(*names: str) -> int:
        found = (config[name] for name in names if config.get(name))
        return next((value for value in found if isinstance(value, int)), 0)

    hidden, layers = size("hidden_size", "n_embd"), size("num_hidden_layers", "n_layer")
    heads, vocabulary = size("num_attention_heads", "n_head"), size("vocab_size")
    if not (hidden and layers and heads and vocabulary):
        return None
    head = size("head_dim") or hidden // heads
    is_gated = "intermediate_size" in config and config.get("model_type") not in _PLAIN
    return ModelShape(
        num_weights=num_weights,
        hidden=hidden,
        layers=layers,
        inner=size("intermediate_size", "n_inner") or 4 * hidden,
        attention=heads * head,
        key_value=(size("num_key_value_heads") or heads) * head,
        vocabulary=vocabulary,
        is_gated=is_gated,
    )


_PLAIN = ("gpt_neox", "phi", "opt", "bloom", "falcon", "starcoder2", "gpt_bigcode")


def _count_weights(file: Path) -> int:
    """Count a file's weights by its header, which says the shape of each."""
    with file.open("rb") as weights:
        header: dict[str, Any] = json.loads(weights.read(int.from_bytes(weights.read(8), "little")))
    header.pop("__metadata__", None)
    return sum(math.prod(tensor["shape"]) for tensor in header.values())


def _linear_layers(shape: ModelShape) -> list[tuple[int, int]]:
    """Return what the linear layers of one layer take and give, as widths."""
    h, a, k, f = shape.hidden, shape.attention, shape.key_value, shape.inner
    if shape.is_gated:
        return [(h, a), (h, k), (h, k), (a, h), (h, f), (h, f), (f, h)]
    return [(h, a + 2 * k), (a, h), (h, f), (f, h)]


def adapter_weights(shape: ModelShape, rank: int) -> int:
    """Return the weights of a LoRA adapter on all linear layers."""
    return rank * shape.layers * sum(taken + given for taken, given in _linear_layers(shape))


def kept_bytes(shape: ModelShape, weight_bytes: int) -> int:
    """Return what one layer keeps of one token until the way back, bytes.

    Under a 16-bit model the adapter reads a copy of its own in 32 bits of whatever each linear
    layer is given; under a 32-bit one it keeps what is there. Norms work in 32 bits either way.

    Args:
        shape: of the model.
        weight_bytes: of one of its weights, 2 or 4.
    """
    h, a, f = shape.hidden, shape.attention, shape.inner
    inner = (3 if shape.is_gated else 4) * f
    attention = 2 * a + 2 * a  # query and result; keys and values, one for each query head
    if weight_bytes == 4:
        return 4 * (4 * h + attention + inner + f)
    reads = (5 * h + a + f) if shape.is_gated else (2 * h + a + f)
    return 4 * reads + 4 * 2 * h + 2 * (2 * h + attention + inner)


def _weights_bytes(
    shape: ModelShape, weight_bytes: int, *, in_4bit: bool, num_shards: int = 1
) -> int:
    """Return the bytes of the model itself, or of a process's part of it.

    In four bits one linear layer is there whole at a time; of a divided model the layer that
    computes, and the next one, which is fetched ahead.
    """
    sizes = [taken * given for taken, given in _linear_layers(shape)]
    small = shape.layers * sum(sizes)
    if num_shards > 1:
        whole = shape.num_weights - small + 2 * sum(sizes)
        return (-(-small // num_shards) + whole) * weight_bytes
    if not in_4bit:
        return shape.num_weights * weight_bytes
    packed = small // 2 + 2 * weight_bytes * small // GROUP_4BIT
    return packed + (shape.num_weights - small + max(sizes)) * weight_bytes


def estimate(
    shape: ModelShape, config: RunConfig, *, on_gpu: bool, num_processes: int = 1
) -> MemoryEstimate:
    """Return what each process of a run needs at the most, on a GPU or in the processor's memory.

    Args:
        shape: of the model.
        config: of the run.
        on_gpu: whether it computes there.
        num_processes: that carry the run; they share a model that is divided.
    """
    is_wide = config.dtype == "float32" or (config.dtype == "auto" and not on_gpu)
    weight_bytes = 4 if is_wide else 2
    tokens = config.micro_batch_tokens
    if not on_gpu:
        tokens = min(tokens, CPU_BATCH_TOKENS)
    layer = kept_bytes(shape, weight_bytes)
    kept = shape.layers * layer
    if config.gradient_checkpointing:
        kept = shape.layers * shape.hidden * weight_bytes + layer
    longest = config.max_length + config.sampling.max_new_tokens
    sampled = min(MAX_BATCH_TOKENS, MAX_BATCH_ROWS * longest)
    chunk = GPU_CHUNK_BYTES if on_gpu else CPU_CHUNK_BYTES
    keys = 2 * shape.layers * shape.key_value * weight_bytes
    parts = {
        "weights": _weights_bytes(
            shape,
            weight_bytes,
            in_4bit=config.load_in_4bit,
            num_shards=num_processes if config.shard_model else 1,
        ),
        "adapter": ADAPTER_STATES * adapter_weights(shape, config.lora.rank),
        "update": tokens * kept + LOGIT_CHUNKS * chunk,
        "sampling": sampled * keys + MAX_BATCH_ROWS * shape.vocabulary * DRAW_BYTES,
    }
    still = parts["weights"] + parts["adapter"]
    moving = max(parts["update"], parts["sampling"])
    beside = 0 if on_gpu else LIBRARIES_BYTES
    return MemoryEstimate(
        low=still + round(LOWEST * parts["update"]),
        high=still + round(HIGHEST * moving) + beside,
        parts=parts,
    )
