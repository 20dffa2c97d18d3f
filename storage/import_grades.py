"""Answers one on each row, with a grade or a rank: every two to a question become a judgement."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass, field

from storage.errors import ImportFileError
from storage.import_rankings import MAX_ANSWERS, compared, judgement, number_of
from storage.import_rows import RawRow, Row, RowError
from storage.import_values import is_missing

MAX_CHARACTERS = 64 * 2**20  # of all texts: they wait in memory for the end of the file

_ONLY_ONE = "This question has only one {kind} answer."

_SHARED = ("prompt", "rater", "split", "gold_answer")
_KINDS = {"grade": "graded", "rank": "ranked"}


def grading(columns: Collection[str]) -> str | None:
    """Return what orders rows of single answers with these columns: "grade", "rank" or nothing."""
    if not {"prompt", "answer"}.issubset(columns):
        return None
    return next((name for name in _KINDS if name in columns), None)


def is_alone(reason: str) -> bool:
    """Whether a row was refused only because no other answer to its question was read."""
    return reason in [_ONLY_ONE.format(kind=kind) for kind in _KINDS.values()]


@dataclass(frozen=True, slots=True)
class _Graded:
    line: int
    answer: str
    number: float


@dataclass
class GradedAnswers:
    """The answers of a file, by question, rater and kind of number; ``judgements`` pairs them up.

    How far two are apart is the strength of the preference, as ``compared`` has it.
    """

    _groups: dict[tuple[str, str, str], list[_Graded]] = field(default_factory=dict)
    _shared: dict[tuple[str, str, str], Row] = field(default_factory=dict)
    _characters: int = 0

    def add(self, line: int, values: Row) -> None:
        """Keep an answer until the end of the file.

        Raises:
            RowError: the row has no text or no number, or its question has too many answers.
            ImportFileError: the file is too large to be paired.
        """
        prompt, answer = values.get("prompt"), values.get("answer")
        if not isinstance(prompt, str) or not prompt.strip():
            raise RowError("The question is empty.")
        if not isinstance(answer, str) or not answer.strip():
            raise RowError("The answer 'answer' is empty.")
        name, rater = grading(values) or "grade", values.get("rater")
        key = (prompt, "" if is_missing(rater) else str(rater), name)
        if key not in self._groups:
            self._characters += len(prompt) + len(str(values.get("gold_answer") or ""))
        group = self._groups.setdefault(key, [])
        if len(group) == MAX_ANSWERS:
            raise RowError(f"This question has more than {MAX_ANSWERS} {_KINDS[name]} answers.")
        group.append(_Graded(line, answer, number_of(values.get(name), name)))
        self._shared.setdefault(key, {name: values[name] for name in _SHARED if name in values})
        self._characters += len(answer)
        if self._characters > MAX_CHARACTERS:
            raise ImportFileError(
                "Questions and their answers are longer than 64 MB together; import them in parts."
            )

    def judgements(self) -> Iterator[RawRow]:
        """Yield a judgement for every two answers, on the line of the later one."""
        for key, group in self._groups.items():
            name = key[2]
            if len(group) == 1:
                yield RawRow(group[0].line, None, _ONLY_ONE.format(kind=_KINDS[name]))
            numbers = [one.number for one in group]
            for better, worse, strength in compared(numbers, is_place=name == "rank"):
                yield RawRow(
                    group[max(better, worse)].line,
                    judgement(
                        self._shared[key], group[better].answer, group[worse].answer, strength
                    ),
                )
