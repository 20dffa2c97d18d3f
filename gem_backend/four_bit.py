"""A base model in four bits: a quarter of the memory of 16 bits, under an adapter as exact as ever.

The linear layers of the decoder are rounded to four bits with a scale and a zero for every 64
weights (half-quadratic quantisation, Badri and Shaji 2023) and come back to full numbers for each
product; what is trained is the adapter alone (QLoRA, arXiv 2305.14314). Embeddings, norms and the
head stay as they are. The library works on any device; it is an extra of its own.
"""

from typing import cast

import torch
from torch import nn

from gem_backend.errors import ModelLoadError
from gem_backend.forward import LanguageModel, base_model, output_head
from gem_backend.memory import GROUP_4BIT

NO_LIBRARY = (
    "To load a model in four bits, the package 'hqq' is needed. Install it beside the studio: "
    "python -m pip install 'hqq>=0.2.8'"
)
NO_LAYERS = (
    "This model has no layers that can be loaded in four bits; start without 'load_in_4bit'."
)


def quantise(model: LanguageModel, device: torch.device) -> None:
    """Put the decoder's linear layers on a device in four bits, one after the other, in place.

    Args:
        model: without an adapter; the rest of it stays where it is.
        device: where the layers go. The whole model is never there in full size.

    Raises:
        ModelLoadError: the library is not installed, or the model has no such layers.
    """
    try:
        from hqq.core.quantize import BaseQuantizeConfig, HQQLinear  # noqa: PLC0415 - an extra
    except ImportError as error:
        raise ModelLoadError(NO_LIBRARY) from error
    settings = BaseQuantizeConfig(nbits=4, group_size=GROUP_4BIT)
    found = _linear_layers(model)
    if not found:
        raise ModelLoadError(NO_LAYERS)
    for name, layer in found.items():
        dtype = layer.weight.dtype
        small = HQQLinear(layer, settings, compute_dtype=dtype, device=str(device))
        model.set_submodule(name, small)


def _linear_layers(model: LanguageModel) -> dict[str, nn.Linear]:
    """Return the linear layers that are rounded, by name: all but the head."""
    head = output_head(model)
    return {
        name: layer
        for name, layer in model.named_modules()
        if isinstance(layer, nn.Linear)
        and layer is not head
        and not layer.weight.numel() % GROUP_4BIT
    }


def is_4bit(module: nn.Module) -> bool:
    """Whether a module is a linear layer in four bits."""
    return hasattr(module, "W_q")


def adapted_layers(model: LanguageModel) -> str | list[str]:
    """Return what PEFT is to put an adapter on: all linear layers, which it knows in full only."""
    small = {name.rpartition(".")[2] for name, one in model.named_modules() if is_4bit(one)}
    return sorted(small) or "all-linear"


def num_base_weights(model: LanguageModel) -> int:
    """Return how many weights a model under an adapter has of its own, packed ones one by one."""
    small = [one for one in base_model(model).modules() if is_4bit(one)]
    packed = {id(cast(nn.Parameter, one.W_q)) for one in small}
    plain = (
        weight.numel()
        for weight in base_model(model).parameters()
        if not weight.requires_grad and id(weight) not in packed
    )
    return sum(plain) + sum(
        cast(int, one.in_features) * cast(int, one.out_features) for one in small
    )
