"""The words that options take, read and checked before a command begins.

Each raises ``argparse.ArgumentTypeError`` with the reason, for argparse to say.
"""

import argparse
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar, get_args
from urllib.parse import urlsplit

from app.file_words import refusal, short_name
from gem_backend.types import TokenEngine

Item = TypeVar("Item")


def engine(word: str) -> dict[str, object]:
    """Take what draws answers, as settings of a run: an engine's name, or addresses of servers."""
    if word in get_args(TokenEngine):
        return {"engine": word}
    urls = tuple(one.strip() for one in word.split(","))
    parts = [urlsplit(one) for one in urls]
    if all(one.scheme in ("http", "https") and one.hostname for one in parts):
        return {"engine": "vllm", "engine_urls": urls}
    raise argparse.ArgumentTypeError(
        f"'{word}' is neither transformers nor vllm, nor the address of a vLLM server"
    )


def setting(word: str) -> tuple[str, object]:
    """Take a setting of a run, name=value; the value as JSON or, where it is none, as a word."""
    name, is_there, value = word.partition("=")
    if not (name.strip() and is_there):
        raise argparse.ArgumentTypeError(f"'{word}' is not a setting, such as sega.rounds=2")
    try:
        return name.strip(), json.loads(value)
    except json.JSONDecodeError:
        return name.strip(), value


def port(word: str) -> int:
    """Take a port, 1 to 65535."""
    if word.isdecimal() and 1 <= int(word) <= 65535:
        return int(word)
    raise argparse.ArgumentTypeError(f"'{word}' is not a port from 1 to 65535")


def seed(word: str) -> int:
    """Take a seed, 0 to 2**32 - 1."""
    if word.isdecimal() and int(word) < 2**32:
        return int(word)
    raise argparse.ArgumentTypeError(f"'{word}' is not a whole number from 0 to 4294967295")


def path(word: str) -> Path:
    """Take a path that this system can have, whether something is there or not."""
    try:
        found = Path(word).expanduser()
        found.exists()
    except RuntimeError as error:  # pathlib's, for the home folder of an unknown user
        raise argparse.ArgumentTypeError(f"nobody here has the home folder of '{word}'") from error
    except OSError as error:
        reason = refusal(error) or f"{short_name(word)} cannot be used."
        raise argparse.ArgumentTypeError(reason.rstrip(".")) from error
    return found


def folder(word: str) -> Path:
    """Take a folder, there or not, by its full path."""
    return path(word).absolute()


def existing_file(word: str) -> Path:
    """Take a file that is there."""
    found = path(word)
    if found.is_file():
        return found
    raise argparse.ArgumentTypeError(f"there is no file '{word}'")


def existing_path(word: str) -> Path:
    """Take a file or a folder that is there."""
    found = path(word)
    if found.exists():
        return found
    raise argparse.ArgumentTypeError(f"there is no file '{word}'")


def mapping(word: str) -> dict[str, str]:
    """Take column names, theirs=ours, with commas between them."""
    pairs = [part.rpartition("=") for part in word.split(",")]
    if all(theirs.strip() and ours.strip() for theirs, _, ours in pairs):
        return {theirs.strip(): ours.strip() for theirs, _, ours in pairs}
    raise argparse.ArgumentTypeError(f"'{word}' is not a list such as question=prompt,best=chosen")


def model(word: str) -> str:
    """Take a model's name, which may be a path."""
    path(word)
    return word


def count(word: str) -> int:
    """Take a whole number from 1 up."""
    if word.isdecimal() and int(word) >= 1:
        return int(word)
    raise argparse.ArgumentTypeError(f"'{word}' is not a whole number from 1 up")


def share(word: str) -> float:
    """Take a share, from 0 up to, not including, 1."""
    try:
        found = float(word)
    except ValueError:
        found = -1.0
    if 0 <= found < 1:
        return found
    raise argparse.ArgumentTypeError(f"'{word}' is not a number from 0 to below 1")


def learning_rate(word: str) -> float:
    """Take a learning rate, above 0 and below 1."""
    found = share(word)
    if found > 0:
        return found
    raise argparse.ArgumentTypeError(f"'{word}' is not a number above 0 and below 1")


def one_of(names: Sequence[str]) -> Callable[[str], str]:
    """Take one of some names."""

    def take(word: str) -> str:
        if word in names:
            return word
        raise argparse.ArgumentTypeError(f"'{word}' is none of {', '.join(names)}")

    return take


def several(take: Callable[[str], Item]) -> Callable[[str], tuple[Item, ...]]:
    """Take words with commas between them, each as ``take`` takes it, none twice."""

    def take_all(words: str) -> tuple[Item, ...]:
        return tuple(dict.fromkeys(take(word) for word in words.split(",")))

    return take_all
