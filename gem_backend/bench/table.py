"""From measured cases to rows: shares, intervals over cases and seeds, differences to GEM."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Row: TypeAlias = dict[str, object]
Bools: TypeAlias = NDArray[np.bool_]

BOOTSTRAPS = 2_000
CONFIDENCE = 0.95


@dataclass(frozen=True, slots=True)
class Measured:
    """The test part, case by case, of one training; the cases have the same order in all."""

    method: str
    seed: int
    learning_rate: float
    best_round: int
    trained_tokens: int
    wall_s: float
    is_preferred: tuple[bool, ...]
    is_answer_right: tuple[bool, ...]
    is_faultless: tuple[bool, ...]


FIGURES: dict[str, Callable[[Measured], tuple[bool, ...]]] = {
    "preference": lambda one: one.is_preferred,
    "final_answer": lambda one: one.is_answer_right,
    "expert_agreement": lambda one: one.is_faultless,
}


def table(seeds: Sequence[int], facts: Row, measured: Sequence[Measured]) -> list[Row]:
    """Return one row a method.

    Args:
        seeds: of the question.
        facts: what all rows share.
        measured: in the order of the rows, each method's seeds together.
    """
    by_method: dict[str, list[Measured]] = {}
    for one in measured:
        by_method.setdefault(one.method, []).append(one)
    gem = by_method.get("gem")
    return [
        {"method": name, **facts} | _figures(group, gem) | _costs(seeds, group)
        for name, group in by_method.items()
    ]


def _figures(group: Sequence[Measured], gem: Sequence[Measured] | None) -> Row:
    row: Row = {}
    for figure, cases in FIGURES.items():
        name = figure if figure == "expert_agreement" else f"{figure}_accuracy"
        values_SN = np.array([cases(one) for one in group], dtype=float)
        low, high = bootstrap_interval(values_SN)
        row |= {name: float(values_SN.mean()), f"{figure}_ci": [low, high]}
        if gem:
            change_SN = values_SN - np.array([cases(one) for one in gem], dtype=float)
            low, high = bootstrap_interval(change_SN)
            row[f"{figure}_vs_gem"] = [float(change_SN.mean()), low, high]
    return row | {"n": len(group[0].is_preferred)}


def _costs(seeds: Sequence[int], group: Sequence[Measured]) -> Row:
    return {
        "seeds": list(seeds),
        "learning_rate": group[0].learning_rate,
        "best_rounds": [one.best_round for one in group],
        "trained_tokens": int(np.mean([one.trained_tokens for one in group])),
        "wall_s": round(float(np.mean([one.wall_s for one in group])), 1),
    }


def bootstrap_interval(values_SN: NDArray[np.float64], seed: int = 0) -> tuple[float, float]:
    """Return a 95 % interval of the mean over seeds and cases, both drawn anew each time.

    Args:
        values_SN: one figure a seed and case, shape (S, N); the cases are the same for all seeds.
        seed: of the drawing.

    Source: Owen 2007, "The pigeonhole bootstrap", arXiv:0712.1111: somewhat wide rather than
    narrow.
    """
    rng = np.random.default_rng(seed)
    num_seeds, num_cases = values_SN.shape
    weight_BS = rng.multinomial(num_seeds, np.full(num_seeds, 1 / num_seeds), BOOTSTRAPS)
    weight_BN = rng.multinomial(num_cases, np.full(num_cases, 1 / num_cases), BOOTSTRAPS)
    means_B = np.einsum("bs,sn,bn->b", weight_BS, values_SN, weight_BN, optimize=True)
    tail = (1 - CONFIDENCE) / 2
    low, high = np.quantile(means_B / (num_seeds * num_cases), [tail, 1 - tail])
    return float(low), float(high)
