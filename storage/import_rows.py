"""From one row's named values to a checked row; a bad row says in plain words what is wrong.

``prompt, chosen, rejected`` is a labelled pair, ``prompt, answer_a, answer_b`` a case to judge, and
a lone ``prompt`` a question of the pool.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, NamedTuple, get_args

from gem_backend.types import Answer, CaseSource, LabelKind, PairVerdict, SkippedRow, Split, Verdict
from storage.import_values import is_missing, whole_number, yes_or_no
from storage.reasons import split_reasons

MOST_LISTED = 10_000  # refused rows; a file may have millions of them
DEFAULT_RATER = "import"
NO_PROMPT = "This row has no 'prompt'."

_ANSWERS = ("chosen", "rejected", "answer_a", "answer_b")

Row = Mapping[str, object]


class RowError(ValueError):
    """A row cannot be taken; its text is the reason."""


class RawRow(NamedTuple):
    """A row as it was read: named values, or the reason why there are none."""

    line: int
    values: Row | None
    reason: str = ""


class Refused:
    """The rows that cannot be taken: the first with their reasons, the others counted."""

    def __init__(self) -> None:
        self.rows: list[SkippedRow] = []
        self.num_unlisted = 0

    def add(self, *rows: SkippedRow) -> None:
        """Note rows that were refused."""
        listed = rows[: max(MOST_LISTED - len(self.rows), 0)]
        self.rows += listed
        self.num_unlisted += len(rows) - len(listed)


@dataclass(frozen=True, slots=True)
class LoggedFacts:
    """What a label log knows of an event and a plain row does not."""

    event_id: str
    event_kind: LabelKind
    left: Answer | None
    elapsed_s: float | None
    is_imported: bool
    logged_at: str
    monotonic_s: float
    source: CaseSource
    part_of: str | None
    is_written: bool


@dataclass(frozen=True, slots=True)
class ImportRow:
    """A checked row; ``chosen`` stands in ``answer_a``, so "preferred" has become verdict "a".

    ``logged`` is there for an "event" alone.
    """

    kind: Literal["label", "case", "prompt", "event"]
    prompt: str
    answer_a: str | None = None
    answer_b: str | None = None
    verdict: Verdict | None = None
    strength: int = 1
    is_acceptable: bool = True
    rationale: str = ""
    rater: str = DEFAULT_RATER
    split: Split | None = None
    gold_answer: str | None = None
    reasons: tuple[str, ...] = ()
    is_final: bool = False
    logged: LoggedFacts | None = None


def parse_row(values: Row) -> ImportRow:
    """Check one row.

    Raises:
        RowError: something is missing or not understood.
    """
    prompt = _prompt(values)
    split = _split(values)
    gold_answer = _gold_answer(values)
    if _is_prompt_only(values, split):
        return ImportRow("prompt", prompt, split=split, gold_answer=gold_answer)
    if split == "pool":
        raise RowError("The split 'pool' is for questions without answers.")
    is_label = bool(values.get("chosen") or values.get("rejected"))
    first, second = _answers(values, ("chosen", "rejected") if is_label else _ANSWERS[2:])
    if not is_label:
        return ImportRow("case", prompt, first, second, split=split, gold_answer=gold_answer)
    return ImportRow(
        "label",
        prompt,
        first,
        second,
        verdict=_verdict(values),
        strength=_strength(values),
        is_acceptable=_truth(values, "is_acceptable", default=True),
        rationale=_text(values, "rationale") or "",
        rater=_rater(values),
        split=split,
        gold_answer=gold_answer,
        reasons=_reasons(values),
        is_final=_truth(values, "is_final", default=False),
    )


def _is_prompt_only(values: Row, split: Split | None) -> bool:
    if any(values.get(name) for name in _ANSWERS):
        return False
    if split == "pool":
        return True
    raise RowError("This row has no answers; a question alone needs the split 'pool'.")


def _prompt(values: Row) -> str:
    if "prompt" not in values:
        raise RowError(NO_PROMPT)
    text = _text(values, "prompt") or ""
    if not text.strip():
        raise RowError("The question is empty.")
    return text


def _answers(values: Row, names: tuple[str, ...]) -> tuple[str, str]:
    first, second = (_answer(values, name) for name in names)
    if first == second:
        raise RowError("Both answers are the same.")
    return first, second


def _answer(values: Row, name: str) -> str:
    text = _text(values, name) or ""
    if not text.strip():
        raise RowError(f"The answer '{name}' is empty.")
    return text


def _verdict(values: Row) -> Verdict:
    word = _text(values, "verdict") or "preferred"
    verdict = "_".join(word.lower().split())
    if verdict not in get_args(PairVerdict):
        raise RowError(
            f"The verdict '{word[:40]}' is none of preferred, tie, both_bad, cannot_judge."
        )
    return "a" if verdict == "preferred" else verdict  # type: ignore[return-value] # checked above


def _strength(values: Row) -> int:
    if is_missing(values.get("strength")):
        return 1
    strength = whole_number(values["strength"])
    if strength not in (1, 2, 3):
        raise RowError("The strength must be 1, 2 or 3.")
    return strength


def _truth(values: Row, name: str, *, default: bool) -> bool:
    if is_missing(values.get(name)):
        return default
    truth = yes_or_no(values[name])
    if truth is None:
        raise RowError(f"The value of '{name}' must be true or false.")
    return truth


def _reasons(values: Row) -> tuple[str, ...]:
    value = values.get("reasons")
    if not isinstance(value, list):
        return split_reasons(_text(values, "reasons") or "")
    if not all(isinstance(reason, str) for reason in value):
        raise RowError("The value of 'reasons' is not a list of texts.")
    return tuple(storable(reason, "reasons") for reason in value if reason)


def _rater(values: Row) -> str:
    """Return the rater's name; a number is one too."""
    if is_missing(values.get("rater")):
        return DEFAULT_RATER
    number = None if isinstance(values["rater"], str) else whole_number(values["rater"])
    return _text(values, "rater") or "" if number is None else str(number)


def _split(values: Row) -> Split | None:
    split = _text(values, "split")
    if not split:
        return None
    for known in get_args(Split):
        if split == known:
            return known  # type: ignore[no-any-return] # get_args gives the literals themselves
    raise RowError(f"The split '{split[:40]}' is none of train, held_out, pool.")


def _gold_answer(values: Row) -> str | None:
    gold = values.get("gold_answer")
    if isinstance(gold, (int, float)) and not isinstance(gold, bool):
        return json.dumps(gold)
    return _text(values, "gold_answer") or None


def _text(values: Row, name: str) -> str | None:
    value = values.get(name)
    if value is None:
        return None
    if not isinstance(value, str):
        raise RowError(f"The value of '{name}' is not text.")
    return storable(value, name)


def storable(text: str, name: str) -> str:
    """Return a text that UTF-8 can hold.

    Raises:
        RowError: it cannot.
    """
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise RowError(f"The value of '{name}' has a broken character (half of a pair).") from error
    return text
