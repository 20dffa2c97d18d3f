"""Which signal knows a better answer from a worse one? Asked of the warmed-up policy's own samples.

Usage: python -m benchmarks.signals [--pairs-from sampled] [--seeds 101,102,103]

For every two answers to a prompt of the pool that the simulated expert tells apart: how often does
a feature, a term of equation (1), or a calibrated ranking prefer the better one? Prints a Markdown
table; intervals come from drawing prompts anew, since pairs of one prompt are not independent.
"""

import argparse
import itertools
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import get_args

import numpy as np
import torch
from numpy.typing import NDArray

from gem_backend.bench.method import (
    Question,
    draw_labels,
    draw_measured,
    trainer_on,
    world_of,
)
from gem_backend.bench.recipes import shared_config
from gem_backend.bench.table import bootstrap_interval
from gem_backend.bench.worlds import cases_of
from gem_backend.calibration import fit, skills
from gem_backend.checkpoint import Progress
from gem_backend.config import CalibrationConfig, ScoringConfig, SegaConfig
from gem_backend.demo.judge import count_faults
from gem_backend.features import group_features
from gem_backend.fusion import Evidence, gather_evidence
from gem_backend.representation import base_views
from gem_backend.run_dir import RunDir, RunSpec
from gem_backend.steps import candidate_sequence
from gem_backend.train import warm_start
from gem_backend.trainer import Trainer
from gem_backend.types import Feature

FEATURES: tuple[Feature, ...] = get_args(Feature)
RANKINGS: dict[str, tuple[Feature, ...]] = {
    "calibrated on the entropies": ("final_confidence", "fork_entropy"),
    "calibrated on mean_logprob": ("mean_logprob",),
    "calibrated on mean_logprob, expert_likeness": ("mean_logprob", "expert_likeness"),
    "calibrated on all six": FEATURES,
}
Items = list[dict[Feature, float]]


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pairs-from", choices=["expert", "sampled"], default="sampled")
    parser.add_argument("--seeds", default="101,102,103")
    parser.add_argument("--pairs", type=int, default=32)
    options = parser.parse_args()
    torch.set_num_threads(1)
    seeds = tuple(int(word) for word in options.seeds.split(","))
    question = Question("demo", options.pairs_from, options.pairs, 0.0, seeds, ())
    shares: dict[str, list[float]] = {}
    with tempfile.TemporaryDirectory() as folder:
        draw_measured(Path(folder), question)
        for seed in seeds:
            draw_labels(Path(folder), question, seed)
            for name, share in _shares(Path(folder), question, seed):
                shares.setdefault(name, []).append(share)
    print(f"| signal ({question.source} pairs) | prefers the better | 95 % interval | n prompts |")
    print("|---|---|---|---|")
    for name, values in shares.items():
        values_1N = np.array(values)[None]
        low, high = bootstrap_interval(values_1N)
        print(f"| {name} | {values_1N.mean():.3f} | {low:.3f} to {high:.3f} | {len(values)} |")


def _shares(folder: Path, question: Question, seed: int) -> Iterator[tuple[str, float]]:
    """Yield, for each signal and prompt, which share of its pairs of answers it gets right."""
    config = shared_config(question.model, seed)
    calibration = CalibrationConfig(features=FEATURES)
    config = config.model_copy(
        update={"calibration": calibration, "sega": SegaConfig(rounds=0, anchor_weight=0.0)}
    )
    run = RunDir.create(folder / f"signals-{seed}", RunSpec("signals", config, ()))
    world = world_of(folder, question, seed)
    with trainer_on(run, world, Progress()) as trainer:
        evidence = gather_evidence(trainer)
        warm_start(trainer, Progress())
        prompts = [item.prompt for item in world.pool]
        groups = _sampled_items(trainer, evidence, prompts)
    scoring = ScoringConfig(lambda_fork=0.0)
    fits = {
        f"{name}": fit(
            evidence.items,
            evidence.orders,
            calibration.model_copy(update={"features": features}),
            scoring,
            evidence.groups,
        ).calibration
        for name, features in RANKINGS.items()
    }
    for items, faults in groups:
        signals = {name: [item[name] for item in items] for name in FEATURES}
        signals |= {
            name: [skill.mean for skill in skills(found, items, scoring)]
            for name, found in fits.items()
        }
        for name, values in signals.items():
            right = _right(values, faults)
            if right:
                yield str(name), float(np.mean(right))


def _sampled_items(
    trainer: Trainer, evidence: Evidence, prompts: Sequence[str]
) -> list[tuple[Items, list[int]]]:
    """Return the features and the faults of each prompt's sampled answers."""
    cases = cases_of("pool", prompts)
    groups = trainer.sampler.sample(prompts, trainer.config.sampling)
    direction: NDArray[np.float64] = np.array(evidence.direction)
    found = []
    for case, group in zip(cases, groups, strict=True):
        views = base_views(trainer.model, [candidate_sequence(trainer, c) for c in group])
        items = group_features(
            group,
            [view.logprob_T.tolist() for view in views],
            likeness_K=[float(view.representation_D @ direction) for view in views],
        )
        found.append((items, [count_faults(case, candidate.text) for candidate in group]))
    return found


def _right(values: Sequence[float], faults: Sequence[int]) -> list[bool]:
    """For each two answers that the expert tells apart, whether the signal does so rightly."""
    return [
        (values[i] - values[j]) * (faults[j] - faults[i]) > 0
        for i, j in itertools.combinations(range(len(values)), 2)
        if faults[i] != faults[j]
    ]


if __name__ == "__main__":
    main()
