"""Graded answers, one on each row: every two answers to a question become a judgement."""

import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass, field

from storage.errors import ImportFileError
from storage.import_rows import RawRow, Row, RowError
from storage.import_values import is_missing

MAX_ANSWERS = 100  # of one question: 4,950 pairs
MAX_CHARACTERS = 64 * 2**20  # of all texts: they wait in memory for the end of the file

ONLY_ONE = "This question has only one graded answer."

_SHARED = ("prompt", "rater", "split", "gold_answer")


@dataclass(frozen=True, slots=True)
class _Graded:
    line: int
    answer: str
    grade: float


@dataclass
class GradedAnswers:
    """The graded answers of a file, by question and rater; ``judgements`` pairs them up.

    Equal grades are a tie; the strength of a preference is the difference of the grades, 1 to 3.
    """

    _groups: dict[tuple[str, str], list[_Graded]] = field(default_factory=dict)
    _shared: dict[tuple[str, str], Row] = field(default_factory=dict)
    _characters: int = 0

    def add(self, line: int, values: Row) -> None:
        """Keep an answer until the end of the file.

        Raises:
            RowError: the row has no text or no grade, or its question has too many answers.
            ImportFileError: the file is too large to be paired.
        """
        prompt, answer = values.get("prompt"), values.get("answer")
        if not isinstance(prompt, str) or not prompt.strip():
            raise RowError("The question is empty.")
        if not isinstance(answer, str) or not answer.strip():
            raise RowError("The answer 'answer' is empty.")
        rater = values.get("rater")
        key = (prompt, "" if is_missing(rater) else str(rater))
        if key not in self._groups:
            self._characters += len(prompt) + len(str(values.get("gold_answer") or ""))
        group = self._groups.setdefault(key, [])
        if len(group) == MAX_ANSWERS:
            raise RowError(f"This question has more than {MAX_ANSWERS} graded answers.")
        group.append(_Graded(line, answer, _grade(values.get("grade"))))
        self._shared.setdefault(key, {name: values[name] for name in _SHARED if name in values})
        self._characters += len(answer)
        if self._characters > MAX_CHARACTERS:
            raise ImportFileError(
                "Questions and graded answers are longer than 64 MB together; import them in parts."
            )

    def judgements(self) -> Iterator[RawRow]:
        """Yield a judgement for every two answers, on the line of the later one."""
        for key, group in self._groups.items():
            if len(group) == 1:
                yield RawRow(group[0].line, None, ONLY_ONE)
            for first, second in itertools.combinations(group, 2):
                better, worse = sorted((first, second), key=lambda one: -one.grade)
                gap = better.grade - worse.grade
                yield RawRow(
                    second.line,
                    {
                        **self._shared[key],
                        "chosen": better.answer,
                        "rejected": worse.answer,
                        "verdict": "preferred" if gap else "tie",
                        "strength": min(max(round(gap), 1), 3),
                    },
                )


def _grade(value: object) -> float:
    try:
        grade = math.nan if isinstance(value, bool) else float(str(value))
    except ValueError:
        grade = math.nan
    if not math.isfinite(grade):
        raise RowError("The grade is not a number.")
    return grade
