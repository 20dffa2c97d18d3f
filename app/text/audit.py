"""Every sentence about the label log: who said what, when, and what it changed."""

from typing import Final

from app.text import CHOICES, STRENGTHS
from app.text.runs import counted

TITLE: Final = "Who said what, and when"
HINT: Final = (
    "Everything that was ever said about a case, the newest first: nothing here can be changed or "
    "removed. Before and after are that rater's own label on the case; a settlement has a before "
    "and after of its own."
)
RATER: Final = "Rater"
ALL: Final = "all"
KIND: Final = "What was done"
KINDS: Final = (
    ("everything", ""),
    ("labelled", "label"),
    ("taken back", "undo"),
    ("skipped", "skip"),
    ("settled a disagreement", "final"),
)
QUESTION: Final = "Words of the question"
SINCE: Final = "From day"
UNTIL: Final = "To day"
DAY: Final = "2026-11-20"
FIND: Final = "Find"
NEWER: Final = "Newer"
OLDER: Final = "Older"
HEAD: Final = ("When", "Who", "What was done", "Case", "Before", "After")
CAPTION: Final = "Events of the label log"
NONE: Final = "Nothing in the log fits. Ask for less, or label a case first."
NO_LABEL: Final = "no label"
IMPORTED: Final = "imported"
PART: Final = "came with another label of the same decision"
ANSWER_A: Final = "A"
ANSWER_B: Final = "B"

_DONE: Final = {"label": "labelled", "undo": "took a label back", "skip": "skipped"}
_SETTLED: Final = {"label": "settled", "undo": "took a settlement back"}
_BETTER: Final = {"a": "A is better", "b": "B is better"}


def done_words(kind: str, is_final: bool) -> str:
    """Return what an event did."""
    return _SETTLED[kind] if is_final else _DONE[kind]


def verdict_words(verdict: str, strength: int, is_acceptable: bool) -> str:
    """Return a verdict by the names of the answers, which everybody sees alike."""
    words = {name: label.lower() for name, _, label in CHOICES}.get(verdict) or _BETTER[verdict]
    if verdict in _BETTER:
        words = f"{words}, {dict(STRENGTHS)[strength].lower()}"
    if verdict in (*_BETTER, "tie"):
        words = f"{words}, {'acceptable' if is_acceptable else 'not acceptable'} to use"
    return words


def place_words(first: int, last: int, total: int) -> str:
    """Return which of the events are shown."""
    return f"{first:,} to {last:,} of {counted(total, 'event')}, the newest first."


def no_day(typed: str) -> str:
    """Return that something is no day."""
    return f"“{typed}” is no day. Write it as year-month-day, for example {DAY}."
