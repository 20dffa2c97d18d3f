"""The method against its rivals: one warm start, one budget, tuned alike, measured on fresh cases.

For each seed a policy is warmed up on that seed's labels. For each method the learning rate is
chosen with the first seed, by merit on the validation part; all seeds are then trained with it. A
training keeps the moment that did best on the validation part, the warm start included, whatever
the method. Only then is it measured on the test part, which nothing has seen before.
"""

import contextlib
import itertools
import multiprocessing
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

from pydantic import TypeAdapter

from gem_backend.bench.recipes import LEARNING_RATES, METHODS, method_config, shared_config
from gem_backend.bench.table import Measured, Row, table
from gem_backend.bench.worlds import (
    Drawer,
    MeasuredParts,
    PairSource,
    World,
    build_world,
    cases_of,
    measured_parts,
)
from gem_backend.checkpoint import (
    WARM_START,
    Progress,
    load_adapter_weights,
    read_progress,
)
from gem_backend.child import end_with_parent
from gem_backend.config import RunConfig
from gem_backend.demo.judge import count_faults
from gem_backend.evaluate import evaluate
from gem_backend.fusion import fuse
from gem_backend.policy import load_policy
from gem_backend.reporter import Reporter
from gem_backend.run_dir import PoolPrompt, RunDir, RunSpec, write_whole
from gem_backend.sampling import PolicySampler
from gem_backend.train import align, warm_start
from gem_backend.trainer import Trainer, set_up
from gem_backend.training_data import TrainingData
from gem_backend.types import PreferencePair

Say = Callable[[str], None]
BASES = ("base", "warm_start")  # only measured: the model as it is, and what all methods share
_PAIRS: TypeAdapter[tuple[PreferencePair, ...]] = TypeAdapter(tuple[PreferencePair, ...])
_MEASURED: TypeAdapter[MeasuredParts] = TypeAdapter(MeasuredParts)


@dataclass(frozen=True, slots=True)
class Question:
    """What one table of the benchmark asks; every method chooses from the same learning rates."""

    model: str
    source: PairSource
    num_pairs: int
    noise: float
    seeds: tuple[int, ...]
    methods: tuple[str, ...]
    learning_rates: tuple[float, ...] = LEARNING_RATES

    @property
    def key(self) -> str:
        """A name for its files."""
        return f"{self.source}-{self.num_pairs}-{self.noise:g}"


@dataclass(frozen=True, slots=True)
class Training:
    """One training: where its run is, how it did on the validation part, what it cost."""

    folder: Path
    seed: int
    method: str
    learning_rate: float
    progress: Progress
    trained_tokens: int
    wall_s: float


def bench_method(
    questions: Sequence[Question],
    on_progress: Say,
    on_rows: Callable[[list[Row]], None],
    jobs: int | None = None,
) -> None:
    """Train and measure, question after question.

    Args:
        questions: model, data, seeds and methods.
        on_progress: told in words what happens.
        on_rows: given each question's rows, see ``table``.
        jobs: processes beside each other, each with one thread; None for one a processor core.
    """
    context = multiprocessing.get_context("spawn")
    with (
        tempfile.TemporaryDirectory(prefix="gem-bench-") as folder,
        ProcessPoolExecutor(jobs or os.cpu_count(), context, initializer=begin_work) as pool,
    ):
        for question in questions:
            on_rows(_answer(question, Path(folder), pool, on_progress))


def _answer(question: Question, folder: Path, pool: ProcessPoolExecutor, say: Say) -> list[Row]:
    """Warm up, tune with the first seed, train every seed, measure."""
    started = time.monotonic()
    for draw in [pool.submit(draw_measured, folder, question)] + [
        pool.submit(draw_labels, folder, question, seed) for seed in question.seeds
    ]:
        draw.result()
    warm_ups = [pool.submit(_warm_up, folder, question, seed) for seed in question.seeds]
    warm = [warm_up.result() for warm_up in warm_ups]
    say(f"{question.key}: data and warm starts after {time.monotonic() - started:.0f} s")

    def train(wanted: Sequence[tuple[str, int, float]]) -> list[Training]:
        waiting = [pool.submit(_train, folder, question, *one) for one in wanted]
        return [_told(one.result(), say) for one in waiting]

    methods = [name for name in question.methods if name in METHODS]
    grid = itertools.product(methods, question.seeds[:1], question.learning_rates)
    tuned = train(list(grid))
    best = {name: _best([one for one in tuned if one.method == name]) for name in methods}
    rest = [
        (name, seed, best[name].learning_rate) for name in methods for seed in question.seeds[1:]
    ]
    kept = [*best.values(), *train(rest)]
    kept += [
        replace(one, method=name) for name in BASES for one in warm if name in question.methods
    ]
    kept.sort(key=lambda one: (question.methods.index(one.method), one.seed))
    measured = list(pool.map(_measure, itertools.repeat(folder), itertools.repeat(question), kept))
    say(f"{question.key}: done after {time.monotonic() - started:.0f} s")
    return table(question.seeds, _facts(question), measured)


def _facts(question: Question) -> Row:
    return {
        "model": question.model,
        "pairs": question.num_pairs,
        "pairs_from": question.source,
        "noise": question.noise,
    }


def _told(one: Training, say: Say) -> Training:
    say(
        f"{one.method} at {one.learning_rate:g}, seed {one.seed}: merit "
        f"{one.progress.best_accuracy:.3f} in round {one.progress.best_round}, "
        f"{one.trained_tokens} tokens, {one.wall_s:.0f} s"
    )
    return one


def _best(trainings: Sequence[Training]) -> Training:
    """The one with the highest merit; of equal ones that with the lowest learning rate."""
    return max(trainings, key=lambda one: (one.progress.best_accuracy, -one.learning_rate))


# --- in a process of the pool -----------------------------------------------------------------


def begin_work() -> None:
    """Make a process of the pool ready: one thread to compute, and an end when its parent ends.

    A pool's own processes go on with what they were given after their parent was killed.
    """
    import torch  # noqa: PLC0415 - only a process of the pool computes

    torch.set_num_threads(1)
    end_with_parent()


def draw_measured(folder: Path, question: Question) -> None:
    """Draw validation and test of a question's source once."""
    file = folder / f"measured-{question.source}.json"
    if not file.exists():
        write_whole(file, _MEASURED.dump_json(measured_parts(_drawer(question))))


def draw_labels(folder: Path, question: Question, seed: int) -> None:
    """Draw a seed's labels once; those of a larger question begin with those of a smaller one."""
    file = _labels_file(folder, question, seed)
    if not file.exists():
        pairs = _drawer(question).pairs("train", question.num_pairs, seed)
        write_whole(file, _PAIRS.dump_json(pairs))


def _labels_file(folder: Path, question: Question, seed: int) -> Path:
    return folder / f"labels-{question.source}-{question.num_pairs}-{seed}.json"


def _drawer(question: Question) -> Drawer:
    return Drawer(question.source, PolicySampler(load_policy(question.model)))


def world_of(folder: Path, question: Question, seed: int) -> World:
    """Put the drawn parts together as a question wants them."""
    labels = _labels_file(folder, question, seed).read_bytes()
    parts = (folder / f"measured-{question.source}.json").read_bytes()
    train = _PAIRS.validate_json(labels)
    return build_world(train, _MEASURED.validate_json(parts), question.noise, seed)


def _warm_folder(folder: Path, question: Question, seed: int) -> Path:
    return folder / question.key / f"warm-{seed}"


def _warm_up(folder: Path, question: Question, seed: int) -> Training:
    """Make the run that every method of this seed goes on from."""
    started = time.monotonic()
    config = shared_config(question.model, seed)
    run = _new_run(_warm_folder(folder, question, seed), config)
    with trainer_on(run, world_of(folder, question, seed), Progress()) as trainer:
        fuse(trainer)
        progress = warm_start(trainer, Progress())
    wall_s = time.monotonic() - started
    return Training(run.path, seed, "warm_start", 0.0, progress, 0, wall_s)


def _train(
    folder: Path, question: Question, method: str, seed: int, learning_rate: float
) -> Training:
    """Go on from the warm start by one method."""
    started = time.monotonic()
    warm = _warm_folder(folder, question, seed)
    path = folder / question.key / f"{method}-{seed}-{learning_rate:g}"
    run = _new_run(path, method_config(question.model, seed, method, learning_rate))
    shutil.copytree(warm / "checkpoints", run.checkpoints_dir)
    shutil.copy(warm / "evidence.json", run.path)
    progress = read_progress(run.checkpoints_dir / WARM_START)
    with trainer_on(run, world_of(folder, question, seed), progress) as trainer:
        progress = align(trainer, progress)
    steps = [e for e in run.events() if e.kind in ("sega_step", "baseline_step")]
    tokens = sum(int(str(event.data.get("tokens", 0))) for event in steps)
    wall_s = time.monotonic() - started
    return Training(path, seed, method, learning_rate, progress, tokens, wall_s)


def _measure(folder: Path, question: Question, training: Training) -> Measured:
    """Measure what a training kept on the test part."""
    run = RunDir(training.folder)
    world = world_of(folder, question, training.seed)
    measuring = _new_run(run.path / f"measured-{training.method}", run.spec().config)
    with trainer_on(measuring, world, Progress()) as trainer:
        if training.method == "base":
            with trainer.model.disable_adapter():
                _, details = evaluate(trainer.policy, trainer.sampler, world.test, trainer.config)
        else:
            best = run.checkpoints_dir / training.progress.best_name
            load_adapter_weights(best, trainer.model)
            _, details = evaluate(trainer.policy, trainer.sampler, world.test, trainer.config)
    cases = cases_of("test", [answer.prompt for answer in details.answers])
    return Measured(
        method=training.method,
        seed=training.seed,
        learning_rate=training.learning_rate,
        best_round=training.progress.best_round,
        trained_tokens=training.trained_tokens,
        wall_s=training.wall_s,
        is_preferred=details.is_preferred,
        is_answer_right=details.is_answer_right,
        is_faultless=tuple(
            count_faults(case, answer.text) == 0
            for case, answer in zip(cases, details.answers, strict=True)
        ),
    )


def _new_run(path: Path, config: RunConfig) -> RunDir:
    return RunDir.create(path, RunSpec(path.name, config, ()))


@contextlib.contextmanager
def trainer_on(run: RunDir, world: World, progress: Progress) -> Iterator[Trainer]:
    """Set a run up on a world's parts."""
    labelled = [PoolPrompt(pair.prompt) for pair in world.train]
    data = TrainingData(
        train=world.train,
        validation=world.validation,
        test=world.test,
        prompts=(*labelled, *world.pool),
        left_out=(),
        judged=world.train,
    )
    reporter = Reporter(run)
    try:
        yield set_up(run, reporter, progress, time.monotonic(), data)
    finally:
        reporter.end("done", "")
