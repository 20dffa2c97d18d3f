"""Fresh data for the method benchmark, drawn from the demo world; the demo project's own cases are
not among it.

Four parts that share no patient: labelled pairs that train, prompts without a label, pairs that
choose settings and rounds ("validation"), and pairs that measure ("test"). The seed decides the
first; the others are the same for every seed.
"""

import json
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from gem_backend.config import SamplingConfig
from gem_backend.demo import PROJECT_FILE
from gem_backend.demo.chains import write_chain
from gem_backend.demo.judge import prefers_first
from gem_backend.demo.project import draw_rejected
from gem_backend.demo.published import TOPICS
from gem_backend.demo.scores import final_answer
from gem_backend.demo.vignettes import Split, Vignette, draw_vignette
from gem_backend.run_dir import PoolPrompt
from gem_backend.sampling import Sampler
from gem_backend.types import CaseSource, PreferencePair

PairSource = Literal["expert", "sampled"]

NUM_TEST_PAIRS = 256
NUM_VALIDATION_PAIRS = 96
NUM_POOL_PROMPTS = 128
NUM_ANSWERS = 4
"""Answers sampled for a prompt; the first two that the expert tells apart become a pair."""
_WORLD_SEED, VALIDATION_SEED, TEST_SEED = 7_000, 7_001, 7_002


@dataclass(frozen=True, slots=True)
class World:
    """The parts of the benchmark's data."""

    train: tuple[PreferencePair, ...]
    validation: tuple[PreferencePair, ...]
    test: tuple[PreferencePair, ...]
    pool: tuple[PoolPrompt, ...]


@dataclass(frozen=True, slots=True)
class Drawer:
    """Draws labelled pairs of one source.

    Args:
        source: "expert" pairs hold a faultless chain and a faulty one; in "sampled" pairs both
            answers are the base model's own.
        sampler: of the base model; asked for "sampled" pairs only.
    """

    source: PairSource
    sampler: Sampler

    def pairs(self, split: Split, count: int, seed: int) -> tuple[PreferencePair, ...]:
        """Draw ``count`` pairs; a longer draw of the same seed begins with the shorter one."""
        vignettes = _fresh_vignettes(split, seed)
        drawn: list[PreferencePair] = []
        while len(drawn) < count:
            batch = [next(vignettes) for _ in range(64)]
            drawn += self._of(batch, seed)
        return tuple(drawn[:count])

    def _of(self, vignettes: Sequence[Vignette], seed: int) -> list[PreferencePair]:
        if self.source == "expert":
            pairs = [_expert_pair(vignette, seed) for vignette in vignettes]
        else:
            # the labels' own chance: the benchmark's runs sample with other seeds
            config = SamplingConfig(
                num_candidates=NUM_ANSWERS, temperature=1.0, max_new_tokens=128, seed=seed
            )
            groups = self.sampler.sample([vignette.prompt for vignette in vignettes], config)
            pairs = [
                _sampled_pair(vignette, [candidate.text for candidate in group])
                for vignette, group in zip(vignettes, groups, strict=True)
            ]
        return [pair for pair in pairs if pair is not None]


def build_world(
    train: Sequence[PreferencePair], measured: "MeasuredParts", noise: float, seed: int
) -> World:
    """Put the parts together.

    Args:
        train: labelled pairs that train.
        measured: from ``measured_parts``.
        noise: share of labels, training and validation, that are turned round; the test part has
            none.
        seed: of the noise.
    """
    vignettes = _fresh_vignettes("pool", _WORLD_SEED)
    return World(
        train=turn_round(train, noise, seed),
        validation=turn_round(measured.validation, noise, seed + 1),
        test=measured.test,
        pool=tuple(PoolPrompt(next(vignettes).prompt) for _ in range(NUM_POOL_PROMPTS)),
    )


@dataclass(frozen=True, slots=True)
class MeasuredParts:
    """Validation and test, the same for every seed."""

    validation: tuple[PreferencePair, ...]
    test: tuple[PreferencePair, ...]


def measured_parts(drawer: Drawer) -> MeasuredParts:
    """Draw validation and test."""
    return MeasuredParts(
        _held_out(drawer.pairs("cases", NUM_VALIDATION_PAIRS, VALIDATION_SEED)),
        _held_out(drawer.pairs("held_out", NUM_TEST_PAIRS, TEST_SEED)),
    )


def cases_of(part: Literal["test", "pool"], prompts: Sequence[str]) -> list[Vignette]:
    """Return the vignettes behind prompts of a part, in their order."""
    wanted = set(prompts)
    found: dict[str, Vignette] = {}
    vignettes = (
        _fresh_vignettes("held_out", TEST_SEED)
        if part == "test"
        else _fresh_vignettes("pool", _WORLD_SEED)
    )
    while wanted - found.keys():
        vignette = next(vignettes)
        found[vignette.prompt] = vignette
    return [found[prompt] for prompt in prompts]


def _held_out(pairs: Sequence[PreferencePair]) -> tuple[PreferencePair, ...]:
    return tuple(replace(pair, split="held_out") for pair in pairs)


def turn_round(
    pairs: Sequence[PreferencePair], noise: float, seed: int
) -> tuple[PreferencePair, ...]:
    """Swap chosen and rejected of each pair with probability ``noise``."""
    rng = random.Random(f"noise {seed}")
    return tuple(
        replace(pair, chosen=pair.rejected, rejected=pair.chosen) if rng.random() < noise else pair
        for pair in pairs
    )


def _fresh_vignettes(split: Split, seed: int) -> Iterator[Vignette]:
    """Yield vignettes of a split without end, topics in turn, none twice, none of the project."""
    rng = random.Random(f"world {split} {seed}")
    seen = {json.loads(line)["prompt"] for line in PROJECT_FILE.read_text("utf-8").splitlines()}
    while True:
        for topic in TOPICS:
            vignette = draw_vignette(rng, split, topic.key)
            if vignette.prompt not in seen:
                seen.add(vignette.prompt)
                yield vignette


def _expert_pair(vignette: Vignette, seed: int) -> PreferencePair | None:
    rng = random.Random(f"expert {seed} {vignette.prompt}")
    rejected = draw_rejected(rng, vignette)
    if rejected is None:
        return None
    chosen = write_chain(vignette, vignette.topic.current)
    return _pair(vignette, chosen, rejected[0], "imported")


def _sampled_pair(vignette: Vignette, texts: Sequence[str]) -> PreferencePair | None:
    first = texts[0]
    for second in texts[1:]:
        verdict = prefers_first(vignette, first, second)
        if verdict is not None:
            chosen, rejected = (first, second) if verdict else (second, first)
            return _pair(vignette, chosen, rejected, "sampled")
    return None


def _pair(vignette: Vignette, chosen: str, rejected: str, source: CaseSource) -> PreferencePair:
    gold = final_answer(vignette.topic.current, vignette.findings)
    return PreferencePair(
        vignette.prompt, chosen, rejected, rater="expert", gold_answer=gold, source=source
    )
