"""Going on with smaller batches: how often, and for what."""

import pytest

from gem_backend.errors import OutOfMemoryError, TrainingError
from gem_backend.smaller_batches import in_parts

FULL = RuntimeError("CUDA out of memory. Tried to allocate 2.00 GiB.")


def failing(error, until):
    tried = []

    def attempt(parts):
        tried.append(parts)
        if parts < until:
            raise error
        return parts

    return attempt, tried


def test_batches_are_halved_until_they_fit():
    attempt, tried = failing(FULL, until=8)
    told = []
    assert in_parts(attempt, told.append) == 8
    assert tried == [1, 2, 4, 8]
    assert told == [2, 4, 8]


def test_the_smallest_batches_are_the_last():
    attempt, tried = failing(FULL, until=64)
    with pytest.raises(RuntimeError, match="out of memory"):
        in_parts(attempt, lambda _: None)
    assert tried == [1, 2, 4, 8, 16, 32]


@pytest.mark.parametrize(
    "error",
    [ValueError("no"), TrainingError("no"), OutOfMemoryError("The model runs out of memory.")],
)
def test_what_smaller_batches_do_not_mend_is_raised_at_once(error):
    attempt, tried = failing(error, until=2)
    with pytest.raises(type(error)):
        in_parts(attempt, lambda _: None)
    assert tried == [1]
