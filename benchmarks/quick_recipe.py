"""What the embedded presets rest on: do the entropy terms know right from wrong, and what do rounds
add?

Usage: python benchmarks/quick_recipe.py [--seeds 1,2]

Prints two Markdown tables. The first takes the base model's own samples on the demo project's pool
prompts and asks, of each pair of a right and a wrong answer to a prompt, how often a term of
equation (1) prefers the right one. The second carries whole runs under a few settings and reports
the test part, so a setting that is chosen by it is no longer measured by it without bias.
"""

import argparse
import itertools
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from app.demo_project import ensure_demo_project
from app.run_specs import new_run_spec, snapshot
from gem_backend import runner
from gem_backend.config import RunConfig, SamplingConfig, preset_config
from gem_backend.policy import load_policy
from gem_backend.ranking import answers_match
from gem_backend.run_dir import PoolPrompt, RunDir
from gem_backend.sampling import TransformersSampler
from gem_backend.scoring import gem_score
from gem_backend.statistics import wilson
from gem_backend.types import (
    Candidate,
    Estimate,
    Evaluation,
    PreferencePair,
    Project,
    RunResult,
)
from storage.database import Database

RECIPES: dict[str, dict[str, dict[str, float]]] = {
    "10 epochs, no rounds": {"sft": {"epochs": 10}, "sega": {"rounds": 0}},
    "10 epochs, 2 rounds, lambda 0": {"sft": {"epochs": 10}, "sega": {"rounds": 2}},
    "5 epochs, no rounds": {"sft": {"epochs": 5}, "sega": {"rounds": 0}},
    "5 epochs, 4 rounds, lambda 0": {"sft": {"epochs": 5}, "sega": {"rounds": 4}},
    "5 epochs, 4 rounds, lambda 1": {
        "sft": {"epochs": 5},
        "sega": {"rounds": 4},
        "scoring": {"lambda_fork": 1.0},
    },
}


def main() -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", default="1,2")
    seeds = [int(word) for word in parser.parse_args().seeds.split(",")]
    with Database(None) as db:
        project = ensure_demo_project(db)
        labels, pool = snapshot(db, project.project_id)
    print_terms(pool)
    print_recipes(project, labels, pool, seeds)


def print_terms(pool: Sequence[PoolPrompt]) -> None:
    """How often each term prefers the right one of two answers to a prompt."""
    asked = [item for item in pool if item.gold_answer]
    sampler = TransformersSampler(load_policy("demo", device="cpu"))
    config = SamplingConfig(num_candidates=10, max_new_tokens=128, seed=1)
    groups = sampler.sample([item.prompt for item in asked], config)
    pairs = list(_right_and_wrong(asked, groups))
    print("| term | prefers the right answer | 95 % interval | n pairs |\n|---|---|---|---|")
    for name, sign in (("final_entropy", -1), ("fork_entropy", 1)):
        hits = 0
        for right, wrong in pairs:
            scores = [gem_score(one.token_entropy, one.spans) for one in (right, wrong)]
            terms = [sign * getattr(score, name) for score in scores]
            hits += terms[0] > terms[1]
        print(f"| {'-' if sign < 0 else '+'}{name} | {_figure(wilson(hits, len(pairs)))} |")


def _right_and_wrong(
    asked: Sequence[PoolPrompt], groups: Sequence[Sequence[Candidate]]
) -> Iterator[tuple[Candidate, Candidate]]:
    for item, group in zip(asked, groups, strict=True):
        distinct = {candidate.text: candidate for candidate in group}.values()
        right = [one for one in distinct if answers_match(one.answer, item.gold_answer or "")]
        wrong = [one for one in distinct if one not in right]
        yield from itertools.product(right, wrong)


def print_recipes(
    project: Project,
    labels: Sequence[PreferencePair],
    pool: Sequence[PoolPrompt],
    seeds: Sequence[int],
) -> None:
    """Whole runs: the figures of the test part before and after."""
    figures = "preference accuracy | 95 % interval | n | final answers | 95 % interval | n"
    print(f"\n| recipe | seed | {figures} | kept round |")
    print("|---|---|---|---|---|---|---|---|---|")
    is_base_printed = False
    with tempfile.TemporaryDirectory() as folder:
        for (name, changes), seed in itertools.product(RECIPES.items(), seeds):
            config = _changed(preset_config("quick", "demo", seed), changes)
            spec = new_run_spec(config, project, labels, pool)
            result = _carry(RunDir.create(Path(folder) / spec.run_id, spec))
            if not is_base_printed:
                print(f"| base | - | {_figures(result.before)} | - |")
                is_base_printed = True
            print(
                f"| {name} | {seed} | {_figures(result.after)} | {result.best_round} |", flush=True
            )


def _changed(config: RunConfig, changes: dict[str, dict[str, float]]) -> RunConfig:
    sections = {
        name: getattr(config, name).model_copy(update=values) for name, values in changes.items()
    }
    return config.model_copy(update=sections)


def _carry(run: RunDir) -> RunResult:
    runner.start_worker(run)
    status = runner.wait_for_end(run)
    result = run.result()
    assert result is not None, status.message
    return result


def _figures(evaluation: Evaluation) -> str:
    answers = evaluation.final_answer_accuracy
    assert answers is not None
    return f"{_figure(evaluation.preference_accuracy)} | {_figure(answers)}"


def _figure(estimate: Estimate) -> str:
    return f"{estimate.value:.3f} | {estimate.low:.3f} to {estimate.high:.3f} | {estimate.n}"


if __name__ == "__main__":
    main()
