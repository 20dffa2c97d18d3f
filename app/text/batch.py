"""Every sentence about sampling all questions of a project."""

from typing import Final

from app.text import pace_words
from app.text.runs import counted

TITLE: Final = "All questions"
HINT: Final = (
    "The model answers one question after the other, as many times and in the way that is chosen "
    "above. Each question's answers are kept as they come. Held-out questions are "
    "left alone, but for those that somebody has explored by hand."
)
SAMPLE_ALL: Final = "Sample every question that has no answers yet"
STOP: Final = "Stop sampling all"
NO_PROJECT: Final = "Create a project first."
NOTHING_TO_SAMPLE: Final = (
    "There is nothing to sample: this model has answers to every question, but for held-out ones."
)
NO_QUESTIONS: Final = "There is no question to sample yet. Held-out ones are left alone."
_LONG_S: Final = 90 * 60


def running_words(num_sampled: int, num_prompts: int, eta_s: float | None) -> str:
    """Return how far it is: "12 of 240 questions, about 6 min left"."""
    left = "" if eta_s is None else f", about {_time_words(eta_s)} left"
    return f"{_of(num_sampled, num_prompts)}{left}"


def failed_words(num_failed: int, reason: str) -> str:
    """Return how many questions gave nothing, and why the first did not; empty where all did."""
    return f"{num_failed:,} could not be sampled: {reason}" if num_failed else ""


def stopped_words(num_sampled: int, num_prompts: int) -> str:
    """Return what was kept of what somebody stopped."""
    return f"Stopped: {_of(num_sampled, num_prompts)} sampled, all kept."


def broken_off_words(num_sampled: int, num_prompts: int, error: str) -> str:
    """Return what was kept of what could not go on, and why."""
    return f"Broken off: {_of(num_sampled, num_prompts)} sampled, all kept. {error}"


def done_words(num_sampled: int, num_prompts: int) -> str:
    """Return that nothing is left to do."""
    return f"{_of(num_sampled, num_prompts)} sampled."


def rest_words(num_sampled: int, num_prompts: int) -> str:
    """Return what a model has answered, while nothing is sampled."""
    if not num_prompts:
        return NO_QUESTIONS
    end = ": none is left to sample" if num_sampled == num_prompts else ""
    return f"This model has answers to {_of(num_sampled, num_prompts)}{end}."


def _of(num_sampled: int, num_prompts: int) -> str:
    return f"{num_sampled:,} of {counted(num_prompts, 'question')}"


def _time_words(seconds: float) -> str:
    if seconds < _LONG_S:
        return pace_words(seconds)
    minutes = round(seconds / 60)
    return f"{minutes // 60} h {minutes % 60:02d} min"
