"""Loading a model, its tokenizer and an adapter: safetensors only, and local first."""

import copy
import itertools
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch
import transformers
from peft import LoraConfig, PeftConfig, PeftModel, PeftModelForCausalLM
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn
from transformers import AutoModelForCausalLM, AutoTokenizer, PreTrainedTokenizerBase

from gem_backend.errors import ConfigError, ModelLoadError, OutOfMemoryError
from gem_backend.forward import LanguageModel
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
) -> Policy:
    """Load a causal language model for sampling, in evaluation mode.

    Args:
        model: "demo" (embedded), a local folder, or a hub name. What exists here, or looks like a
            path, is never asked of the hub.
        adapter_dir: a folder with a PEFT adapter to put on the model.
        device: "auto" takes a GPU where there is one.
        dtype: "auto" is bfloat16 on a GPU that has it, else float32.
        trust_remote_code: run code that comes with the model; only for models you trust.

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
        tokenizer = AutoTokenizer.from_pretrained(str(source), **options)
        loaded: LanguageModel = AutoModelForCausalLM.from_pretrained(
            str(source), dtype=resolve_dtype(dtype, where), use_safetensors=True, **options
        )
        nn.Module.to(loaded, where)
        if adapter_dir is not None:
            loaded = add_adapter(loaded, adapter_dir)
    except torch.OutOfMemoryError as error:
        raise OutOfMemoryError(
            f"The model '{model}' does not fit this device; choose a smaller one."
        ) from error
    except _LOADING_ERRORS as error:
        raise ModelLoadError(
            f"The model '{model}' cannot be loaded: {_first_line(error)}"
        ) from error
    adapter = str(adapter_dir) if adapter_dir else None
    return Policy(loaded.eval(), tokenizer, model, where, adapter)


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
