"""What is told of a run, sentence by sentence."""

from app.text.runs import STATE_WORDS, counted, duration, gigabytes, with_interval
from gem_backend.types import Estimate

TITLE = "What happened"
MOMENTS = {
    "base": "Before training",
    "before": "Before training",
    "sft": "After your pairs",
    "after": "At the end",
}
FINAL_CHECK = "Final check"
ROUND_CHECK = "Round check"


def started(num_pairs: int, num_held_out: int, num_pool: int, device: str) -> str:
    """Return how a run began."""
    return (
        f"Started on {device} with {counted(num_pairs, 'pair')} to learn from, "
        f"{counted(num_held_out, 'held-out pair')} and {counted(num_pool, 'further prompt')}."
    )


def canary(gap_nats: float, change_nats: float, num_tokens: int) -> str:
    """Return what was found of the engine that samples, before a run that has one."""
    return (
        "vLLM draws the answers. It sees the adapter that is trained: the log-probabilities of "
        f"{num_tokens} tokens differ from ours by {gap_nats:.3f} nats in the mean, under an "
        f"adapter that changes them by {change_nats:.2f}."
    )


def memory(peak_bytes: int, low_bytes: int, high_bytes: int, num_tokens: int) -> str:
    """Return what the largest step needed, or the run where that has no tokens, beside what was
    expected; 0 for nothing expected.
    """
    expected = f"; {gigabytes(low_bytes)} to {gigabytes(high_bytes)} were expected"
    what = "Tried the largest step: it needs" if num_tokens else "The whole run needed"
    return f"{what} {gigabytes(peak_bytes)} of memory{expected if high_bytes else ''}."


def resumed(number: int) -> str:
    """Return that a run went on after a stop."""
    return f"Resumed from round {number}." if number else "Resumed from the last saved point."


def learned(steps: int, first: float, last: float) -> str:
    """Return how the warm start went; losses in nats per token."""
    return (
        f"Learned from your preferred answers in {counted(steps, 'step')}: "
        f"loss {first:.2f} to {last:.2f}."
    )


def sampled(number: int, count: int, uncommitted: int) -> str:
    """Return what a round sampled."""
    without = (
        "all with a final answer"
        if uncommitted == 0
        else f"{uncommitted:,} of them without a final answer"
    )
    return f"Round {number}: sampled {counted(count, 'answer')}, {without}."


def checked(check: str, moment: str, accuracy: Estimate) -> str:
    """Return what an evaluation found."""
    when = moment[0].lower() + moment[1:]
    return f"{check} {when}: held-out preference accuracy {with_interval(accuracy)}."


def ended(state: str, wall_s: float | None) -> str:
    """Return how a run ended."""
    took = "" if wall_s is None else f" after {duration(wall_s)}"
    words = next((said for name, said in STATE_WORDS.items() if name == state), state)
    return f"Ended ({words}){took}."


def best(number: int) -> str:
    """Return that a version was kept as the best one."""
    where = f"Round {number}" if number else "After your pairs"
    return f"{where}: saved as the best version so far."
