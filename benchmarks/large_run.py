"""A whole run of a large model: tokens a second of each phase, peak memory beside the estimate.

Usage: python -m benchmarks.large_run [--model llama-3-8b-shape|tiny-shape|FOLDER]
       [--device cuda|cpu] [--processes 1] [--rounds 3] [--set NAME=VALUE ...] [--work DIR]

A shape is a model of those sizes with random weights in the format of the device, which is written
to disk and loaded as any other. The run is one like any other too, in a process of its own or in
several: 32 pairs of the built-in project, two passes of warm start (8 steps), then rounds of 32
prompts with 5 answers each (4 steps a round; 3 rounds make 20 steps in all). The answers of random
weights mean nothing, and few of them end before they are cut, so each has its full length.

Prints one JSON object. ``share_of_ceiling`` is that of the warm start: 4 operations for each weight
and token (forward, and back to the adapters; frozen weights have no gradient of their own), against
the best of a few square matrix products. Exits with 1 where the run failed or needed memory outside
of its estimate, with 2 where there is no such device.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple, cast

import torch
from transformers import AutoTokenizer, LlamaConfig, PreTrainedModel

from app.cli.types import setting
from gem_backend.bench.contest import MODEL_8B, random_policy, shape_8b
from gem_backend.bench.speed import product_rate
from gem_backend.candidate_table import read_candidates
from gem_backend.config import RunConfig, SamplingConfig, SegaConfig, SftConfig, with_values
from gem_backend.demo import PROJECT_FILE
from gem_backend.errors import ConfigError, GemError
from gem_backend.memory import read_shape
from gem_backend.policy import Device, resolve_device, resolve_dtype
from gem_backend.run_dir import RunDir, RunSpec
from gem_backend.types import PreferencePair, RunEvent

TINY = "tiny-shape"
NUM_PAIRS, NUM_HELD_OUT = 32, 24
NO_GPU = (
    "This machine has no GPU for the benchmark. On one that has: python -m benchmarks.large_run"
)


def main() -> int:
    """Make the model, carry the run, print what it took."""
    parser = argparse.ArgumentParser(prog="benchmarks.large_run")
    parser.add_argument("--model", default=MODEL_8B)
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda")
    parser.add_argument("--processes", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--set", type=setting, action="append", default=[], metavar="NAME=VALUE")
    parser.add_argument("--work", type=Path, help="where model and run are kept; else nowhere")
    options = parser.parse_args()
    try:
        resolve_device(options.device)
    except ConfigError:
        print(NO_GPU, file=sys.stderr)
        return 2
    with tempfile.TemporaryDirectory() as nowhere:
        work = options.work or Path(nowhere)
        try:
            model = find_or_make(options.model, options.device, work)
            config = with_values(settings(str(model), options), dict(options.set))
            run = RunDir.create(work / f"run-{time.time_ns()}", spec(config))
        except GemError as error:
            print(error.message, file=sys.stderr)
            return 1
        carry(run, options.processes)
        status = run.status()
        if status.state != "done":
            print(f"The run ended as {status.state}: {status.message}", file=sys.stderr)
            return 1
        found = report(run, model) | {"processes": options.processes}
    print(json.dumps(found, indent=1))
    return 0 if found["is_within_estimate"] is not False else 1


def find_or_make(name: str, device: Device, work: Path) -> Path:
    """Return the model's folder; a shape is made there first, with random weights."""
    shapes = {MODEL_8B: shape_8b, TINY: tiny}
    if name not in shapes:
        return Path(name)
    folder, where = work / name, resolve_device(device)
    if not folder.exists():
        policy = random_policy(shapes[name](), name, where, resolve_dtype("auto", where))
        cast(PreTrainedModel, policy.model).save_pretrained(folder)
        policy.tokenizer.save_pretrained(folder)
    return folder


def tiny() -> LlamaConfig:
    """Return sizes that a processor carries in seconds."""
    return LlamaConfig(
        vocab_size=4096, hidden_size=64, intermediate_size=128, num_hidden_layers=2,
        num_attention_heads=4, num_key_value_heads=2, max_position_embeddings=1024,
    )  # fmt: skip


def settings(model: str, options: argparse.Namespace) -> RunConfig:
    """Return a run of 8 steps of warm start and 4 a round, its answers of 128 tokens."""
    return RunConfig(
        model=model,
        device=options.device,
        sampling=SamplingConfig(max_new_tokens=128),
        sft=SftConfig(epochs=2, batch_size=8, min_steps=0),
        sega=SegaConfig(
            rounds=options.rounds, prompts_per_round=32, prompts_per_step=8, patience=options.rounds
        ),
        micro_batch_tokens=4096,
        max_length=512,
        evaluation_prompts=8,
    )


def spec(config: RunConfig) -> RunSpec:
    """Return a run on the first pairs of the built-in project."""
    rows = [json.loads(line) for line in PROJECT_FILE.read_text("utf-8").splitlines()]
    pairs = [
        PreferencePair(row["prompt"], row["chosen"], row["rejected"], split=row["split"])
        for row in rows
        if "chosen" in row
    ]
    train = [pair for pair in pairs if pair.split == "train"][:NUM_PAIRS]
    held_out = [pair for pair in pairs if pair.split == "held_out"][:NUM_HELD_OUT]
    return RunSpec("large-run", config, (*train, *held_out))


def carry(run: RunDir, processes: int) -> None:
    """Carry the run to its end as a cluster's job does; its words go to standard error."""
    command = [sys.executable, "-m"]
    if processes > 1:
        command += ["torch.distributed.run", "--standalone", f"--nproc-per-node={processes}", "-m"]
    command += ["gem_backend.worker", str(run.path)]
    subprocess.run(command, stdout=sys.stderr, check=False)


def report(run: RunDir, model: Path) -> dict[str, object]:
    """Return what the run's events say, as numbers with what they are of."""
    events = list(run.events())
    begun = next(event for event in events if event.kind == "started")
    memory = [event.data for event in events if event.kind == "memory"][-1]
    steps = [event for event in events if event.kind in ("sft_step", "sega_step")]
    shape, warm_s = read_shape(model), phase_seconds(events, "sft")
    tokens, rounds = warm_start_tokens(run), list(rates(run, events))
    device = torch.device("cpu" if begun.data["device"] == "cpu" else "cuda")
    ceiling = product_rate(device, resolve_dtype("auto", device))
    low, high, peak = (cast("int | None", memory.get(name)) for name in ("low", "high", "peak"))
    return {
        "model": model.name,
        "weights": shape.num_weights if shape else None,
        "device": torch.cuda.get_device_name() if device.type == "cuda" else "processor",
        "steps": len(steps),
        "warm_start_tokens_per_s": tokens / warm_s,
        "share_of_ceiling": 4 * shape.num_weights * tokens / warm_s / ceiling if shape else None,
        "sampled_and_scored_tokens_per_s": spread(one.sampled for one in rounds),
        "trained_tokens_per_s": spread(one.trained for one in rounds),
        "peak_memory_bytes": peak,
        "estimate_bytes": [low, high],
        "is_within_estimate": low <= peak <= high if low and high and peak else None,
        "wall_s": events[-1].time - begun.time,
    }


def phase_seconds(events: Sequence[RunEvent], name: str) -> float:
    """Return the seconds from the beginning of the warm start to its last step."""
    start = next(e.time for e in events if e.kind == "phase" and e.data["name"] == name)
    return max(e.time for e in events if e.kind == f"{name}_step") - start


def warm_start_tokens(run: RunDir) -> int:
    """Return the tokens that went through the warm start, prompts included."""
    config = run.spec().config
    tokenizer = AutoTokenizer.from_pretrained(config.model, local_files_only=True)
    texts = [pair.prompt + pair.chosen for pair in run.spec().pairs if pair.split == "train"]
    return config.sft.epochs * sum(len(tokenizer(text).input_ids) for text in texts)


class Rates(NamedTuple):
    """Answer tokens of a round per second: drawn and scored, and trained on."""

    sampled: float
    trained: float


def rates(run: RunDir, events: Sequence[RunEvent]) -> Iterator[Rates]:
    """Yield the rates of each round."""
    for number in sorted({cast(int, e.data["round"]) for e in events if e.kind == "sega_step"}):
        of_round = [e for e in events if e.data.get("round") == number]
        start = next(e.time for e in of_round if e.kind == "phase")
        drawn = next(e.time for e in of_round if e.kind == "candidates")
        steps = [e for e in of_round if e.kind == "sega_step"]
        candidates = read_candidates(run.path / f"candidates-round-{number}.parquet")
        sampled = sum(len(one.token_ids) for one in candidates)
        trained = sum(cast(int, e.data["tokens"]) for e in steps)
        yield Rates(sampled / (drawn - start), trained / (steps[-1].time - drawn))


def spread(values: Iterable[float]) -> dict[str, float]:
    """Return median, lowest and highest, and of how many rounds."""
    found = sorted(values)
    return {"median": statistics.median(found), "low": found[0], "high": found[-1], "n": len(found)}


if __name__ == "__main__":
    sys.exit(main())
