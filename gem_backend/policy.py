"""Loading a model, its tokenizer and an adapter: safetensors only, and local first."""

import copy
import itertools
import warnings
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, cast

import torch
import transformers
from peft import LoraConfig, PeftConfig, PeftModel, PeftModelForCausalLM
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn
from transformers import (
    AutoConfig,
    AutoModelForCausalLM,
    AutoTokenizer,
    PreTrainedConfig,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)

from gem_backend.errors import ConfigError, ModelLoadError, OutOfMemoryError
from gem_backend.forward import LanguageModel
from gem_backend.four_bit import quantise
from gem_backend.model_folder import find_model

Device = Literal["auto", "cpu", "cuda"]
Dtype = Literal["auto", "float32", "bfloat16"]

_ADAPTER_WEIGHTS = "adapter_model.safetensors"
_ADAPTER_FILES = ("adapter_config.json", _ADAPTER_WEIGHTS)
# The other ways to start a LoRA training move part of the model's own weights into the adapter.
_HARMLESS_STARTS = (True, False, "gaussian", "orthogonal", "eva")
_LOADING_ERRORS = (
    OSError, ValueError, TypeError, KeyError, AttributeError, ImportError, RuntimeError,
    SafetensorError,
)  # fmt: skip
_NEEDED = "The studio needs a causal language model: one that goes on from a text."
_OWN_CODE = (
    "It brings code of its own, which runs only with --trust-remote-code; say that for models that "
    "you trust."
)
# A loading bar would stand before the one sentence that a person should read.
transformers.utils.logging.disable_progress_bar()  # type: ignore[no-untyped-call]
# peft still asks for it by its old name; nobody who runs the studio can act on that.
warnings.filterwarnings("ignore", "`is_gradient_checkpointing` is deprecated", FutureWarning)


@dataclass(frozen=True, slots=True)
class Policy:
    """A model that can be sampled, scored and trained, with what it is called.

    ``name`` is what the user asked for; ``adapter`` names the adapter, None for the model as it is.
    """

    model: LanguageModel
    tokenizer: PreTrainedTokenizerBase
    name: str
    device: torch.device
    adapter: str | None = None


def load_policy(
    model: str,
    *,
    adapter_dir: Path | None = None,
    device: Device = "auto",
    dtype: Dtype = "auto",
    trust_remote_code: bool = False,
    in_4bit: bool = False,
) -> Policy:
    """Load a causal language model for sampling, in evaluation mode.

    Args:
        model: "demo" (embedded), a local folder, or a hub name. What exists here, or looks like a
            path, is never asked of the hub.
        adapter_dir: a folder with a PEFT adapter to put on the model.
        device: "auto" takes a GPU where there is one.
        dtype: "auto" is bfloat16 on a GPU that has it, else float32.
        trust_remote_code: run code that comes with the model; only for models you trust.
        in_4bit: round its linear layers to four bits, see ``gem_backend.four_bit``.

    Raises:
        ConfigError: a GPU was asked for and there is none.
        ModelLoadError: there is no usable model or adapter of that name.
        OutOfMemoryError: the model does not fit the device.
    """
    where = resolve_device(device)
    source = find_model(model)
    options = {
        "local_files_only": isinstance(source, Path),
        "trust_remote_code": trust_remote_code,
    }
    try:
        _check_kind(AutoConfig.from_pretrained(str(source), **options))
        tokenizer = AutoTokenizer.from_pretrained(str(source), **options)
        loaded = _load_whole(str(source), dtype=resolve_dtype(dtype, where), **options)
        if in_4bit:
            quantise(loaded, where)
        nn.Module.to(loaded, where)
        _check_fit(loaded, tokenizer)
        if adapter_dir is not None:
            loaded = add_adapter(loaded, adapter_dir)
    except torch.OutOfMemoryError as error:
        raise OutOfMemoryError(
            f"The model '{model}' does not fit this device; choose a smaller one."
        ) from error
    except _LOADING_ERRORS as error:
        reason = _OWN_CODE if "custom code" in str(error) else _first_line(error)
        raise ModelLoadError(f"The model '{model}' cannot be loaded: {reason}") from error
    adapter = str(adapter_dir) if adapter_dir else None
    return Policy(loaded.eval(), tokenizer, model, where, adapter)


def _check_kind(config: PreTrainedConfig) -> None:
    """Raise ValueError for a model that answers a text with another one instead of going on."""
    if config.is_encoder_decoder:
        raise ValueError(f"It is an encoder-decoder ({config.model_type}). {_NEEDED}")


def _load_whole(source: str, **options: object) -> LanguageModel:
    """Load the weights; ValueError where some are missing, which transformers would make up."""
    loaded: object = AutoModelForCausalLM.from_pretrained(
        source,
        use_safetensors=True,
        ignore_mismatched_sizes=True,  # they are named below
        output_loading_info=True,
        **options,
    )
    model, found = cast("tuple[LanguageModel, dict[str, Collection[Any]]]", loaded)
    if mismatched := sorted(key for key, *_ in found["mismatched_keys"]):
        raise ValueError(
            f"{len(mismatched)} of its weights have not the size that config.json says, such as "
            f"{mismatched[0]}."
        )
    if missing := sorted(found["missing_keys"]):
        raise ValueError(f"{len(missing)} of its weights are missing, such as {missing[0]}.")
    return model


def _check_fit(model: LanguageModel, tokenizer: PreTrainedTokenizerBase) -> None:
    """Raise ValueError for a tokenizer of another model, or one that sees what comes after."""
    num_rows = len(cast("Tensor", model.get_input_embeddings().weight))
    if tokenizer.vocab_size > num_rows:  # tokens that were added later may lack a row: few use them
        raise ValueError(
            f"Its tokenizer has {tokenizer.vocab_size} tokens, the model knows {num_rows}."
        )
    # Two texts with the same beginning: what a causal model says after it is the same.
    with torch.inference_mode():
        texts = torch.tensor([[0, 1], [0, 2]], device=model.device)
        first, second = model(input_ids=texts).logits[:, 0].float()
    noise = 16 * torch.finfo(model.dtype).eps * first.abs().max()
    if (first - second).abs().max() > noise:
        raise ValueError(f"It reads a text from both sides. {_NEEDED}")


def add_adapter(model: LanguageModel, adapter_dir: Path, name: str = "default") -> PeftModel:
    """Put a stored LoRA adapter on a model and switch it on.

    Beyond peft: weights only from safetensors, never from the hub; every weight of the adapter must
    find its place; and the adapter is tried on an empty copy first, because peft changes a model in
    place before it complains.

    Args:
        model: the model, with or without other adapters.
        adapter_dir: a folder as ``save_pretrained`` of peft writes it.
        name: the adapter's name inside the model, a new one; letters, digits and underscores.

    Raises:
        ModelLoadError: the folder holds no adapter that fits; the model is as it was. After any
            other error (no memory left, for one) the model must not be used again.
    """
    for file in _ADAPTER_FILES:
        if not (adapter_dir / file).is_file():
            raise ModelLoadError(f"The folder {adapter_dir} holds no adapter ({file}).")
    try:
        _try_on(_empty_copy(model), adapter_dir, name)
    except _LOADING_ERRORS as error:
        raise ModelLoadError(
            f"The adapter in {adapter_dir} does not fit this model: {_first_line(error)}"
        ) from error
    adapted = _with_layers(model, adapter_dir, name)
    adapted.load_adapter(str(adapter_dir), name, torch_device="cpu")
    adapted.set_adapter(name)
    return adapted


def _try_on(copy_of_model: LanguageModel, adapter_dir: Path, name: str) -> None:
    """Raise ValueError, or whatever peft raises, unless each weight has one place of its shape."""
    adapted = _with_layers(copy_of_model, adapter_dir, name, is_empty=True)
    result = adapted.load_adapter(
        str(adapter_dir), name, torch_device="cpu", low_cpu_mem_usage=True
    )
    # peft's own search for the name finds it inside longer names too
    missing = [key for key in result.missing_keys if name in key.split(".")]
    if missing:
        raise ValueError(f"{len(missing)} of its weights are missing.")
    places = sum(name in key.split(".") for key, _ in adapted.named_parameters())
    with safe_open(adapter_dir / _ADAPTER_WEIGHTS, framework="pt") as weights:
        stored = len(weights.keys())
    if stored != places:  # peft would drop the others, or write them over the model's own
        raise ValueError(f"It holds {stored} weights where this model takes {places}.")


def _with_layers(
    model: LanguageModel, adapter_dir: Path, name: str, *, is_empty: bool = False
) -> PeftModel:
    """Give the model layers for the adapter, with weights that mean nothing yet."""
    config = PeftConfig.from_pretrained(str(adapter_dir))
    if not isinstance(config, LoraConfig) or config.init_lora_weights not in _HARMLESS_STARTS:
        raise ValueError("It is no plain LoRA adapter; it would change the model itself.")
    config.inference_mode = True
    if not isinstance(model, PeftModel):
        return PeftModelForCausalLM(model, config, name, low_cpu_mem_usage=is_empty)
    if name in model.peft_config:
        raise ValueError(f"The model has an adapter '{name}' already.")
    model.add_adapter(name, config, low_cpu_mem_usage=is_empty)
    return model


def _empty_copy(model: LanguageModel) -> LanguageModel:
    """Copy the model's layers without its weights, which takes next to no memory."""
    empty: dict[int, Tensor] = {}
    for weight in itertools.chain(model.parameters(), model.buffers()):
        bare = weight.detach().to("meta")
        empty[id(weight)] = nn.Parameter(bare, False) if isinstance(weight, nn.Parameter) else bare
    return copy.deepcopy(model, empty)


def merged(
    model: str, adapter_dir: Path, *, trust_remote_code: bool = False
) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    """Return a model with an adapter worked into its weights, and its tokenizer.

    Worked out in float32 on the processor; the weights come back in the format they are stored in.

    Raises:
        ModelLoadError: the model or the adapter cannot be loaded, or they do not make numbers.
    """
    policy = load_policy(
        model,
        adapter_dir=adapter_dir,
        device="cpu",
        dtype="float32",
        trust_remote_code=trust_remote_code,
    )
    source = find_model(model)
    stored = AutoConfig.from_pretrained(
        str(source),
        local_files_only=isinstance(source, Path),
        trust_remote_code=trust_remote_code,
    )
    try:
        whole = cast("PeftModel", policy.model).merge_and_unload(safe_merge=True)
    except ValueError as error:
        raise ModelLoadError(f"The adapter cannot be merged: {_first_line(error)}") from error
    nn.Module.to(whole, stored.dtype or torch.float32)
    return cast("PreTrainedModel", whole), policy.tokenizer


def resolve_device(device: Device) -> torch.device:
    """Return the device to compute on; "auto" takes a GPU where there is one.

    Raises:
        ConfigError: a GPU was asked for and there is none.
    """
    has_gpu = torch.cuda.is_available()
    if device == "cuda" and not has_gpu:
        raise ConfigError("This computer has no graphics processor that the studio can use.")
    return torch.device("cuda" if has_gpu and device != "cpu" else "cpu")


def resolve_dtype(dtype: Dtype, device: torch.device) -> torch.dtype:
    """Return the number format of the weights; "auto" is bfloat16 on a GPU that has it."""
    if dtype != "auto":
        return torch.float32 if dtype == "float32" else torch.bfloat16
    has_bfloat16 = device.type == "cuda" and torch.cuda.is_bf16_supported()
    return torch.bfloat16 if has_bfloat16 else torch.float32


def _first_line(error: BaseException) -> str:
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__
