"""How much memory work takes at its highest, over what was taken before it."""

import itertools
from collections.abc import Callable

import torch
from torch.profiler import ProfilerActivity, profile


def peak_bytes(work: Callable[[], object], device: torch.device) -> int:
    """Run work once and return the most bytes its tensors held at one time.

    On a GPU torch's allocator knows. On a CPU the profiler hears of each allocation and each
    release; their running sum has a peak that does not depend on the machine's load, as the size
    of the process would. It is slow, so time elsewhere. Memory that libraries take past torch's
    allocator (a matrix product's own buffers) is not seen.
    """
    if device.type == "cuda":
        torch.cuda.synchronize(device)
        torch.cuda.reset_peak_memory_stats(device)
        before = torch.cuda.memory_allocated(device)
        work()
        torch.cuda.synchronize(device)
        return torch.cuda.max_memory_allocated(device) - before
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as recorded:
        work()
    results = recorded.profiler.kineto_results
    changes = [
        (event.start_ns(), event.nbytes())
        for event in results.events()
        if event.name() == "[memory]"
    ]
    held = itertools.accumulate(size for _, size in sorted(changes, key=lambda one: one[0]))
    return max(0, max(held, default=0))
