"""Which learning rate a method keeps."""

import itertools
from pathlib import Path

import pytest

from gem_backend.bench.method import Training, _best
from gem_backend.checkpoint import Progress


def training(learning_rate, merit):
    progress = Progress(best_accuracy=merit)
    return Training(Path("run"), 1, "dpo", learning_rate, progress, 0, 0.0)


@pytest.mark.parametrize("order", itertools.permutations(range(3)))
def test_the_highest_merit_wins_and_of_equal_ones_the_lowest_rate(order):
    tuned = [training(3e-4, 0.7), training(1e-3, 0.8), training(3e-3, 0.8)]
    assert _best([tuned[place] for place in order]).learning_rate == 1e-3
