"""One pass as large as the largest of a run, before anything is trained: does it fit, what does it
need, and was that expected? It changes no weight and draws no number that the run would draw.
"""

from pathlib import Path

import psutil
import torch

from gem_backend.entropy import sequence_logps
from gem_backend.forward import TokenSequence, base_model, context_length
from gem_backend.four_bit import num_base_weights
from gem_backend.memory import MemoryEstimate, estimate, shape_of
from gem_backend.shared_prompts import plan_sequences
from gem_backend.steps import updating
from gem_backend.trainer import Trainer


def probe(trainer: Trainer, before: int) -> None:
    """Try the largest pass that the run's settings allow, and tell what it needed.

    Args:
        trainer: the run.
        before: what ``resident_bytes`` said before the model was loaded.

    Raises:
        torch.OutOfMemoryError: it does not fit.
    """
    device = trainer.accelerator.device
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
    sequences = _longest(trainer)
    devices = [device] if device.type == "cuda" else []
    with torch.random.fork_rng(devices), updating(trainer.model):
        logps = sequence_logps(trainer.model, sequences).logps
        trainer.accelerator.backward(torch.stack([one.mean() for one in logps]).sum())
    trainer.model.zero_grad(set_to_none=True)
    tell_memory(trainer, before, sum(one.length for one in sequences))


def tell_memory(trainer: Trainer, before: int, tokens: int = 0) -> None:
    """Tell the most memory that was needed so far, beside what was expected.

    Args:
        trainer: the run.
        before: what ``resident_bytes`` said before the model was loaded.
        tokens: of the one pass that was made so far; 0 at the end of the run.
    """
    device = trainer.accelerator.device
    expected = expected_memory(trainer)
    trainer.reporter.event(
        "memory",
        trainer.reporter.status.step,
        peak=_peak_bytes(device, before),
        available=_available_bytes(device),
        tokens=tokens,
        **({"low": expected.low, "high": expected.high} if expected else {}),
    )


def expected_memory(trainer: Trainer) -> MemoryEstimate | None:
    """Return what a run was expected to need, None where the model's sizes are not known."""
    model = base_model(trainer.model)
    shape = shape_of(model.config.to_dict(), num_base_weights(model))
    on_gpu = trainer.accelerator.device.type == "cuda"
    processes = trainer.accelerator.num_processes
    if shape is None:
        return None
    return estimate(shape, trainer.config, on_gpu=on_gpu, num_processes=processes)


def _longest(trainer: Trainer) -> list[TokenSequence]:
    """As many of the longest answers as one pass takes, each to a question of its own."""
    config, model = trainer.config, trainer.model
    length = min(config.max_length, context_length(model) or config.max_length)
    words = model.config.get_text_config().vocab_size
    rows = max(1, config.micro_batch_tokens // length)
    whole = [TokenSequence((row % words,), (0,) * (length - 1)) for row in range(rows)]
    return [whole[place] for place in plan_sequences(model, whole, config.micro_batch_tokens)[0]]


def resident_bytes() -> int:
    """Return what this process has in the machine's memory now."""
    return int(psutil.Process().memory_info().rss)


def _peak_bytes(device: torch.device, before: int) -> int:
    """Return the most that the model and its passes have needed so far."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    return max(_peak_resident_bytes() - before, 0)


def _peak_resident_bytes() -> int:
    """Return the most that this process has had in the machine's memory, where Linux says it."""
    status = Path("/proc/self/status")
    if not status.exists():
        return resident_bytes()
    fields = dict(line.split(":", 1) for line in status.read_text().splitlines() if ":" in line)
    return int(fields["VmHWM"].split()[0]) * 1024


def _available_bytes(device: torch.device) -> int:
    """Return how much memory the device has."""
    if device.type == "cuda":
        return int(torch.cuda.get_device_properties(device).total_memory)
    return int(psutil.virtual_memory().total)
