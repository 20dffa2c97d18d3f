"""Names and times of what is stored: the same content gets the same id on every machine."""

import hashlib
import time
import uuid
from datetime import UTC, datetime

from gem_backend.types import Answer

HELD_OUT_PERCENT = 20


def utc_now() -> str:
    """Return the wall clock as ISO 8601 in UTC; such texts sort by time."""
    return datetime.now(UTC).isoformat(timespec="microseconds")


def monotonic_s() -> float:
    """Return the clock that nobody can set, in seconds since some moment of this boot."""
    return time.monotonic()


def new_id() -> str:
    """Return an id that was never used."""
    return uuid.uuid4().hex


def content_id(*parts: str) -> str:
    """Return the id of some texts: the same texts in the same order give the same id."""
    digest = hashlib.sha256()
    for part in parts:
        data = part.encode()
        digest.update(len(data).to_bytes(8, "big") + data)
    return digest.hexdigest()[:32]


def prompt_id(project_id: str, prompt: str) -> str:
    """Return the id of a prompt of a project."""
    return content_id("prompt", project_id, prompt)


def pair_id(prompt_id: str, answer_a: str, answer_b: str) -> str:
    """Return the id of two answers to a prompt, the same for either order."""
    return content_id("pair", prompt_id, *sorted((answer_a, answer_b)))


def left_answer(pair_id: str, rater: str) -> Answer:
    """Return the answer that a rater sees on the left where nobody has seen the pair before.

    It is fixed for pair and rater, and even over many pairs.
    """
    return "a" if int(content_id("left", pair_id, rater), 16) % 2 == 0 else "b"


def is_held_out(prompt: str) -> bool:
    """Whether a labelled prompt without a split is kept for evaluation: a fifth of all prompts."""
    return int(content_id("split", prompt), 16) % 100 < HELD_OUT_PERCENT
