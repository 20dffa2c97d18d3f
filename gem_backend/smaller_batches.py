"""Going on with smaller batches where the device runs out of memory."""

import gc
from collections.abc import Callable
from typing import TypeVar

import torch

from gem_backend.errors import GemError, is_out_of_memory

T = TypeVar("T")
MOST_PARTS = 32  # ours: smaller batches than these save next to nothing


def in_parts(attempt: Callable[[int], T], on_halved: Callable[[int], None]) -> T:
    """Try with whole batches, then with batches in 2, 4, .. ``MOST_PARTS`` parts.

    Args:
        attempt: takes the number of parts into which batches are cut.
        on_halved: told the number of parts before each further attempt.

    Raises:
        Exception: what the last attempt raised, or one that was about something else.
    """
    parts = 1
    while True:
        try:
            return attempt(parts)
        except Exception as error:
            is_final = isinstance(error, GemError) or parts >= MOST_PARTS
            if is_final or not is_out_of_memory(error):
                raise
        # Here, and not in the handler: while the error is at hand its frames keep their tensors.
        parts *= 2
        gc.collect()
        torch.cuda.empty_cache()
        on_halved(parts)
