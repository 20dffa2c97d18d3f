"""The command ``bench``: the method against its rivals, and the speed of a step."""

import argparse
import itertools
import json
import time
from functools import partial
from pathlib import Path
from typing import Literal

from app.cli import types as cli_types
from app.cli.commands import AddCommand, Commands, Parser, Result, Say

Rows = list[dict[str, object]]
SOURCES = ("expert", "sampled")
MAIN_METHODS = ("base", "warm_start", "sft", "rm_ppo", "dpo", "ipo", "gem")
ABLATIONS = ("gem_no_terminal", "gem_no_branching", "filter_dpo", "none")
OTHERS = ("gem_paper", "gem_entropy", "gem_no_pool", "gem_no_likeness")


def add(commands: "Commands[Parser]", add_command: AddCommand, say: Say) -> None:
    """Add ``bench`` with its commands.

    Args:
        commands: of the command line.
        add_command: adds one with the options that all of them take.
        say: tells a person how it goes.
    """
    about = "benchmarks: the method against its rivals, the speed of a step"
    parser = commands.add_parser("bench", help=about, description=f"{about.capitalize()}.")
    benches = parser.add_subparsers(dest="bench", required=True, metavar="WHAT")
    about = "the method against its rivals, on fresh cases of the demo world"
    _add_method(add_command(benches, "method", partial(_method, say=say), about))
    about = "one step beside the naive one and TRL's, in turns"
    _add_speed(add_command(benches, "speed", partial(_speed, say=say), about))


def _add_method(parser: argparse.ArgumentParser) -> None:
    """Add the options of ``bench method``; several numbers, sources or shares make a sweep."""
    parser.add_argument(
        "--model", type=cli_types.model, default="demo", help="demo, a model folder or a hub name"
    )
    parser.add_argument(
        "--pairs", type=cli_types.several(cli_types.count), default=(32,), metavar="N[,N]",
        help="labelled pairs that train",
    )  # fmt: skip
    parser.add_argument(
        "--pairs-from", type=cli_types.several(cli_types.one_of(SOURCES)), default=("expert",),
        metavar="SOURCE", help="expert: faultless chains are chosen; sampled: the model's own",
    )  # fmt: skip
    parser.add_argument(
        "--seeds", type=cli_types.several(cli_types.seed), default=(101, 102, 103),
        metavar="A[,B]", help="one world and one training of each method a seed",
    )  # fmt: skip
    parser.add_argument(
        "--noise", type=cli_types.several(cli_types.share), default=(0.0,), metavar="F[,F]",
        help="share of labels that are turned round",
    )  # fmt: skip
    parser.add_argument(
        "--methods",
        type=cli_types.several(cli_types.one_of((*MAIN_METHODS, *ABLATIONS, *OTHERS))),
        default=MAIN_METHODS,
        metavar="NAME[,NAME]",
        help=f"of {', '.join((*MAIN_METHODS, *ABLATIONS, *OTHERS))}",
    )
    parser.add_argument(
        "--learning-rates", type=cli_types.several(cli_types.learning_rate), metavar="F[,F]",
        help="that every method chooses from on the validation part; else 3e-4,1e-3,3e-3",
    )  # fmt: skip
    parser.add_argument("--jobs", type=cli_types.count, help="processes; else one a core")
    parser.add_argument(
        "--out", type=cli_types.path, metavar="FILE", help="also append each row to this file"
    )


def _add_speed(parser: argparse.ArgumentParser) -> None:
    """Add the options of ``bench speed``."""
    parser.add_argument("--model", default="demo", help="demo, a model folder, or llama-3-8b-shape")
    parser.add_argument("--device", choices=("auto", "cpu", "cuda"), default="auto")
    parser.add_argument("--prompts", type=cli_types.count, default=64)
    parser.add_argument("--candidates", type=cli_types.count, default=5)
    parser.add_argument("--max-new-tokens", type=cli_types.count, default=128)
    parser.add_argument("--repeats", type=cli_types.count, default=3)
    parser.add_argument(
        "--naive-prompts", type=cli_types.count, metavar="N",
        help="prompts of the naive step, which goes one by one; else all",
    )  # fmt: skip
    parser.add_argument(
        "--micro-batch-tokens", type=cli_types.count, default=8192, metavar="N",
        help="tokens of one forward pass, as in a run",
    )  # fmt: skip
    parser.add_argument("--seed", type=cli_types.seed, default=0)
    parser.add_argument("--threads", type=cli_types.count, help="of torch; else its own choice")
    parser.add_argument(
        "--engine", type=cli_types.engine, default={}, metavar="ENGINE",
        help="what else samples: vllm (has to be installed), or the address of a vLLM server",
    )  # fmt: skip


def _method(options: argparse.Namespace, say: Say) -> Result:
    """Carry ``bench method``."""
    from gem_backend.bench.method import Question, bench_method  # noqa: PLC0415 - loads torch
    from gem_backend.bench.recipes import LEARNING_RATES  # noqa: PLC0415 - likewise

    rates = options.learning_rates or LEARNING_RATES
    started = time.monotonic()
    sweep = itertools.product(options.pairs_from, options.pairs, options.noise)
    questions = [
        Question(options.model, source, pairs, noise, options.seeds, options.methods, rates)
        for source, pairs, noise in sweep
    ]
    rows: Rows = []

    def keep(more: Rows) -> None:
        rows.extend(more)
        if options.out is not None:
            _append(options.out, more)

    bench_method(questions, say, keep, options.jobs)
    return {"rows": rows, "wall_s": round(time.monotonic() - started, 1)}


def _speed(options: argparse.Namespace, say: Say) -> Result:
    """Carry ``bench speed``."""
    import torch  # noqa: PLC0415 - slow to load

    from gem_backend.bench.speed import bench_speed  # noqa: PLC0415 - loads torch

    if options.threads is not None:
        torch.set_num_threads(options.threads)
    device: Literal["auto", "cpu", "cuda"] = options.device
    rows = bench_speed(
        options.model,
        device,
        num_prompts=options.prompts,
        num_candidates=options.candidates,
        max_new_tokens=options.max_new_tokens,
        repeats=options.repeats,
        naive_prompts=options.naive_prompts,
        micro_batch_tokens=options.micro_batch_tokens,
        seed=options.seed,
        engine=options.engine,
        on_repeat=lambda done, total: say(f"Repeat {done} of {total}"),
    )
    return {"rows": list(rows)}


def _append(file: Path, rows: Rows) -> None:
    with file.open("a", encoding="utf-8") as lines:
        lines.writelines(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
