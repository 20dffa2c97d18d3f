"""Loading a model, its tokenizer and an adapter: safetensors only, and local first."""

import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch
import transformers
from peft import PeftModel
from safetensors import SafetensorError
from torch import nn
from transformers import AutoModelForCausalLM, AutoTokenizer, PreTrainedTokenizerBase

from gem_backend.errors import ConfigError, ModelLoadError, OutOfMemoryError
from gem_backend.forward import LanguageModel
from gem_backend.model_folder import find_model

Device = Literal["auto", "cpu", "cuda"]
Dtype = Literal["auto", "float32", "bfloat16"]

_ADAPTER_WEIGHTS = "adapter_model.safetensors"
# A loading bar would stand before the one sentence that a person should read.
transformers.utils.logging.disable_progress_bar()  # type: ignore[no-untyped-call]


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
    except torch.OutOfMemoryError as error:
        raise OutOfMemoryError(
            f"The model '{model}' does not fit this device; choose a smaller one."
        ) from error
    except (OSError, ValueError, KeyError, ImportError, RuntimeError, SafetensorError) as error:
        raise ModelLoadError(
            f"The model '{model}' cannot be loaded: {_first_line(error)}"
        ) from error
    if adapter_dir is not None:
        loaded = add_adapter(loaded, adapter_dir)
    adapter = str(adapter_dir) if adapter_dir else None
    return Policy(loaded.eval(), tokenizer, model, where, adapter)


def add_adapter(model: LanguageModel, adapter_dir: Path, name: str = "default") -> PeftModel:
    """Put a stored adapter on a model and switch it on.

    Beyond peft: weights only from safetensors, never from the hub, and every weight of the adapter
    must find its place.

    Args:
        model: the model, with or without other adapters.
        adapter_dir: a folder as ``save_pretrained`` of peft writes it.
        name: the adapter's name inside the model; letters, digits and underscores.

    Raises:
        ModelLoadError: the folder holds no adapter that fits this model.
    """
    if not (adapter_dir / _ADAPTER_WEIGHTS).is_file():
        raise ModelLoadError(f"The folder {adapter_dir} holds no adapter ({_ADAPTER_WEIGHTS}).")
    try:
        with warnings.catch_warnings():
            # peft only warns when weights find no place, and would then run the base model
            warnings.filterwarnings("error", message=".*missing adapter keys.*")
            if isinstance(model, PeftModel):
                model.load_adapter(str(adapter_dir), adapter_name=name)
                model.set_adapter(name)
                return model
            return PeftModel.from_pretrained(model, str(adapter_dir), adapter_name=name)
    except (OSError, ValueError, KeyError, RuntimeError, UserWarning, SafetensorError) as error:
        raise ModelLoadError(
            f"The adapter in {adapter_dir} does not fit this model: {_first_line(error)}"
        ) from error


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
