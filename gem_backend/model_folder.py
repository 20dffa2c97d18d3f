"""What a model folder holds, by looking at its files alone; no torch."""

import json
import re
from pathlib import Path

from gem_backend import demo
from gem_backend.errors import ModelLoadError

_HUB_NAME = re.compile(r"[A-Za-z0-9][\w.-]*(/[A-Za-z0-9][\w.-]*)?")
_PICKLES = ("*.bin", "*.pt", "*.pth", "*.ckpt", "*.pkl")
_TOKENIZERS = ("tokenizer*", "vocab*", "*.model", "*.tiktoken", "tekken.json")


def find_model(model: str) -> Path | str:
    """Return the folder of a local model, or the hub name as it is.

    Raises:
        ModelLoadError: the folder is missing, is no model, or holds weights only in a form that can
            run code; or the name cannot be a hub name.
    """
    folder = demo.MODEL_DIR if model == "demo" else Path(model).expanduser()
    if folder.exists():
        _check_folder(folder)
        return folder
    # a first part that exists here ("models/typo") is a mistyped path; the hub need not hear of it
    is_path = not _HUB_NAME.fullmatch(model) or ("/" in model and Path(model).parent.exists())
    if model == "demo" or is_path:
        raise ModelLoadError(f"There is no model folder '{model}'.")
    return model


def find_sentence_model(folder: Path) -> Path:
    """Return the folder of a sentence model, by a look at its files alone.

    Raises:
        ModelLoadError: the folder is missing, is no model, or holds no safetensors.
    """
    if not folder.is_dir():
        raise ModelLoadError(f"There is no folder '{folder}' with a sentence model.")
    _check_folder(folder)
    return folder


def weight_bytes(source: Path | str) -> int:
    """Return the size of a folder's weights on the disk, 0 for a hub name."""
    if isinstance(source, str):
        return 0
    return sum(file.stat().st_size for file in source.glob("*.safetensors"))


def has_chat_template(folder: Path) -> bool:
    """Whether the model's tokenizer brings a chat template."""
    if any(folder.glob("chat_template*")):
        return True
    config = folder / "tokenizer_config.json"
    return config.exists() and bool(json.loads(config.read_text("utf-8")).get("chat_template"))


def _check_folder(folder: Path) -> None:
    if not (folder / "config.json").is_file():
        raise ModelLoadError(f"The folder {folder} holds no model (no config.json).")
    if any(folder.glob("*.safetensors")):
        if any(path for pattern in _TOKENIZERS for path in folder.glob(pattern)):
            return
        raise ModelLoadError(f"The folder {folder} holds no tokenizer (no tokenizer.json).")
    if any(path for pattern in _PICKLES for path in folder.glob(pattern)):
        raise ModelLoadError(
            f"The model in {folder} is stored in a form that can run hidden code when opened; "
            "convert it to safetensors first."
        )
    raise ModelLoadError(f"The folder {folder} holds no model weights (no .safetensors file).")
