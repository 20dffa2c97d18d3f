"""Several answers to a question on one row: in order, with scores, or waiting for a ranking."""

import itertools
import math
from collections.abc import Iterator, Sequence

from storage.import_rows import Row, RowError

MAX_ANSWERS = 100  # of one question: 4,950 pairs
PLACES = ("ranks", "ranking")  # a place for each answer, 1 for the best
SCORES = ("scores", "grades")  # a number for each answer, the higher the better
FEWER_THAN_TWO = "This question has fewer than two different answers."

_KEPT = ("prompt", "split", "gold_answer", "rater", "rationale", "reasons", "is_acceptable")


def compared(numbers: Sequence[float], *, is_place: bool) -> Iterator[tuple[int, int, int]]:
    """Yield every two of some answers: the better one, the other, and by how much, 0 for a tie.

    Places are counted without gaps (1, 2, 2, 4 are three places), as in an order that is given in
    the studio; scores differ by their difference, at least 1. More than 3 is 3.

    Args:
        numbers: each answer's place, the lower the better, or score, the higher the better.
        is_place: which of the two they are.
    """
    steps = {number: step for step, number in enumerate(sorted(set(numbers), reverse=True))}
    values: Sequence[float] = [steps[number] for number in numbers] if is_place else numbers
    for first, second in itertools.combinations(range(len(values)), 2):
        gap = values[first] - values[second]
        better, worse = (first, second) if gap >= 0 else (second, first)
        yield better, worse, max(round(min(abs(gap), 3)), 1) if gap else 0


def number_of(value: object, name: str) -> float:
    """Return a place or a score.

    Raises:
        RowError: it is none.
    """
    try:
        number = math.nan if isinstance(value, bool) else float(str(value))
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise RowError(f"The {name} is not a number.")
    return number


def judgement(shared: Row, better: str, worse: str, strength: int) -> dict[str, object]:
    """Return a row that says which of two answers is better, or with strength 0 that none is."""
    verdict = "preferred" if strength else "tie"
    said = {"chosen": better, "rejected": worse, "verdict": verdict, "strength": strength or 1}
    return {**shared, **said}


def ranked_answers(values: Row) -> list[dict[str, object]]:
    """Read answers with their places or scores: every two of them are judged, equal ones a tie.

    A row that leaves places and scores empty has cases to judge.

    Raises:
        RowError: there are not as many numbers as answers, or not two answers.
    """
    name = next((name for name in (*PLACES, *SCORES) if values.get(name) is not None), None)
    if name is None:
        return unranked_answers(values)
    numbers = values[name]
    answers = _texts(values["answers"])
    if not isinstance(numbers, list):
        raise RowError(f"The value of '{name}' is not a list.")
    if len(numbers) != len(answers):
        raise RowError(f"This row has {len(answers)} answers, but {len(numbers)} '{name}'.")
    given: dict[str, float] = {}
    for place, (answer, value) in enumerate(zip(answers, numbers, strict=True), 1):
        number = number_of(value, f"number {place} of '{name}'")
        if given.setdefault(answer, number) != number:
            raise RowError(f"The same answer stands twice, with different '{name}'.")
    distinct = _distinct(list(given))
    shared = {name: values[name] for name in _KEPT if name in values}
    return [
        judgement(shared, distinct[better], distinct[worse], strength)
        for better, worse, strength in compared(list(given.values()), is_place=name in PLACES)
    ]


def unranked_answers(values: Row) -> list[dict[str, object]]:
    """Read several answers to a question: every two of them are a case.

    Raises:
        RowError: they are not two to a hundred texts.
    """
    shared = {name: values[name] for name in _KEPT[:3] if name in values}
    distinct = _distinct(list(dict.fromkeys(_texts(values["answers"]))))
    return [
        shared | {"answer_a": first, "answer_b": second}
        for first, second in itertools.combinations(distinct, 2)
    ]


def _texts(answers: object) -> list[str]:
    if not isinstance(answers, list):
        raise RowError("The value of 'answers' is not a list.")
    texts = []
    for place, answer in enumerate(answers, 1):
        if not isinstance(answer, str):
            raise RowError(f"The value of 'answers {place}' is not text.")
        if not answer.strip():
            raise RowError(f"The answer 'answers {place}' is empty.")
        texts.append(answer)
    return texts


def _distinct(answers: list[str]) -> list[str]:
    if len(answers) < 2:
        raise RowError(FEWER_THAN_TWO)
    if len(answers) > MAX_ANSWERS:
        raise RowError(f"This question has more than {MAX_ANSWERS} answers.")
    return answers
