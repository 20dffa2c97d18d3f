"""Other programs' files, recognised by their columns: from one row of theirs to rows of ours.

Each reader takes a row's values and returns rows in our column names, one for each judgement; a
row without a judgement becomes a case to judge.
"""

import itertools
import re
from collections.abc import Callable, Collection, Iterable
from typing import NamedTuple

from storage.import_names import answer_names, prompt_name
from storage.import_rankings import PLACES, SCORES, ranked_answers, unranked_answers
from storage.import_rows import Row, RowError
from storage.import_values import whole_number

PlainRow = dict[str, object]

_WORD = re.compile(
    r"(?:answer|response|completion|output|model|option|text|side)?"
    r"(?:(?P<first>a|1|left|first)|(?P<second>b|2|right|second))"
)
_OTHER_VERDICTS = {
    "tie": ("tie", "equal", "same", "draw", "both", "bothgood", "equallygood"),
    "both_bad": ("bothbad", "tiebothbad", "neither", "equallybad"),
    "cannot_judge": ("cannotjudge", "unsure", "unknown"),
}
# What a claim is to the text it is checked against; a neutral one is neither.
CLAIM_HOLDS = "The claim follows from the answer."
CLAIM_FAILS = "The claim contradicts the answer."
_CLAIM_VERDICTS = {
    "entailment": "first", "entail": "first", "entails": "first",
    "contradiction": "second", "contradict": "second", "contradicts": "second",
    "neutral": "both_bad",
}  # fmt: skip
_PAIRED = frozenset({"chosen", "rejected", "answer_a", "answer_b"})
_SHARED = ("strength", "rationale", "reasons", "rater", "split", "gold_answer", "is_acceptable")


class Format(NamedTuple):
    """A kind of file: the columns that give it away, and how a row of it is read.

    A file with one of the columns ``but_none_of`` is of another kind.
    """

    name: str
    columns: frozenset[str]
    read: Callable[[Row], list[PlainRow]]
    but_none_of: frozenset[str] = frozenset()


def find_format(columns: Collection[str]) -> Format | None:
    """Return the format that these columns give away, None for our own and unknown ones."""
    return next(
        (
            one
            for one in FORMATS
            if one.columns.issubset(columns) and one.but_none_of.isdisjoint(columns)
        ),
        None,
    )


# --- what the readers share -------------------------------------------------------------------


def _key(word: object) -> str:
    """Return a word without case and punctuation: "Response 1" and "response-1" are one."""
    return re.sub(r"[^a-z0-9]", "", str(word).lower())


def _verdict(word: object, names: tuple[str, str]) -> str | None:
    """Return what a word says of two answers: "first", "second" or another verdict of ours."""
    key = _key(word)
    keys = [_key(name) for name in names]
    if key in keys:
        return ("first", "second")[keys.index(key)]
    if match := _WORD.fullmatch(key):
        return match.lastgroup
    return next((ours for ours, words in _OTHER_VERDICTS.items() if key in words), None)


def _judged(case: PlainRow, verdict: str) -> PlainRow:
    """Return a case (with ``answer_a`` and ``answer_b``) as a judgement."""
    rest = dict(case)
    first, second = rest.pop("answer_a"), rest.pop("answer_b")
    if verdict == "second":
        first, second = second, first
    is_plain = verdict in ("first", "second")
    return rest | {
        "chosen": first,
        "rejected": second,
        "verdict": "preferred" if is_plain else verdict,
    }


def _case(texts: Row, names: Iterable[str], shared: Row) -> PlainRow:
    """Return the case that two named texts and the question beside them make."""
    prompt = prompt_name(texts)
    if prompt is None:
        raise RowError("This row names no question: no 'prompt', 'question' or 'instruction'.")
    first, second = (_text(texts, name) for name in names)
    kept = {name: shared[name] for name in ("split", "gold_answer") if name in shared}
    return {"prompt": texts[prompt], "answer_a": first, "answer_b": second, **kept}


def _text(texts: Row, name: str, kind: str = "answer") -> str:
    text = texts.get(name)
    if not isinstance(text, str):
        raise RowError(f"The value of '{name}' is not text.")
    if not text.strip():
        raise RowError(f"The {kind} '{name}' is empty.")
    return text


def _object(value: object, name: str) -> Row:
    if not isinstance(value, dict):
        raise RowError(f"The value of '{name}' is not an object with named values.")
    return value


def _objects(value: object, name: str) -> list[Row]:
    if not isinstance(value, list):
        raise RowError(f"The value of '{name}' is not a list.")
    return [_object(one, name) for one in value]


# --- the formats ------------------------------------------------------------------------------


def _judged_answers(values: Row) -> list[PlainRow]:
    """Read our own case with a verdict in a column: a, b, left, model_a, tie, ..."""
    shared = {name: values[name] for name in _SHARED if name in values}
    case: PlainRow = shared | {
        name: values.get(name) for name in ("prompt", "answer_a", "answer_b")
    }
    word = values["verdict"]
    if word is None or word == "":
        return [case]
    verdict = _verdict(word, ("answer_a", "answer_b"))
    if verdict is None:
        raise RowError(f"The verdict '{str(word)[:40]}' names neither answer, nor a tie.")
    return [_judged(case, verdict)]


def _pandalm(values: Row) -> list[PlainRow]:
    """Read PandaLM's test set: two responses and one verdict of each annotator."""
    question = (values.get("instruction"), values.get("input"))
    if not all(isinstance(part, str) or part is None for part in question):
        raise RowError("The value of 'instruction' is not text.")
    prompt = "\n\n".join(str(part) for part in question if part)
    texts = {**values, "prompt": prompt}
    case = _case(texts, ("response1", "response2"), values)
    rows = []
    for name in sorted(name for name in values if re.fullmatch(r"annotator\d+", name)):
        number = whole_number(values[name])
        if number not in (0, 1, 2):
            raise RowError(f"The value of '{name}' is none of 0, 1 and 2.")
        verdict = ("tie", "first", "second")[number]
        rows.append(_judged(case, verdict) | {"rater": name})
    return rows


def _label_studio(values: Row) -> list[PlainRow]:
    """Read a Label Studio task: each annotation chose the left or the right text."""
    data = _object(values["data"], "data")
    names = answer_names(data)
    if len(names) != 2:
        raise RowError("The value of 'data' does not name two answers, such as answer1, answer2.")
    case = _case(data, names, data)
    judged = [
        row
        for annotation in _objects(values["annotations"], "annotations")
        if not annotation.get("was_cancelled")
        for row in [_annotation(case, annotation, (names[0], names[1]))]
    ]
    return judged or [case]


def _annotation(case: PlainRow, annotation: Row, names: tuple[str, str]) -> PlainRow:
    verdict, rationale = None, ""
    for result in _objects(annotation.get("result"), "result"):
        value = _object(result.get("value"), "value")
        for word in (value.get("selected"), *_list(value.get("choices"))):
            verdict = verdict or _verdict(word, names)
        rationale = " ".join(map(str, _list(value.get("text")))) or rationale
    if verdict is None:
        raise RowError("An annotation of this task chooses neither left nor right, nor a tie.")
    who = annotation.get("completed_by")
    if isinstance(who, dict):
        who = who.get("email") or who.get("username") or who.get("id")
    rater = who if isinstance(who, str) else f"annotator {who}"
    return _judged(case, verdict) | {"rater": rater, "rationale": rationale}


def _list(value: object) -> list[object]:
    return value if isinstance(value, list) else [] if value is None else [value]


def _argilla(values: Row) -> list[PlainRow]:
    """Read an Argilla record: what each user said about the answers among its fields."""
    fields = _object(values["fields"], "fields")
    names = answer_names(fields)
    if len(names) < 2:
        raise RowError("The value of 'fields' does not name two answers, such as response_1.")
    said = _argilla_values(values["responses"])
    rows = [
        row | {"rater": rater}
        for rater, value in said
        for row in _argilla_judgements(fields, names, value)
    ]
    if said and not rows:
        raise RowError("No response of this record chooses or ranks its answers.")
    return rows or [_case(fields, pair, {}) for pair in itertools.combinations(names, 2)]


def _argilla_values(responses: object) -> list[tuple[str, object]]:
    """Return who said what: by user (Argilla 1) or by question (Argilla 2)."""
    if isinstance(responses, dict):
        answers = [one for listed in responses.values() for one in _objects(listed, "responses")]
    else:
        answers = [
            {**response, **_object(value, "values")}
            for response in _objects(responses, "responses")
            for value in _object(response.get("values") or {}, "values").values()
        ]
    return [
        (str(one.get("user_id") or "import"), one.get("value"))
        for one in answers
        if one.get("status") in (None, "submitted")
    ]


def _argilla_judgements(fields: Row, names: list[str], value: object) -> list[PlainRow]:
    if isinstance(value, list):
        return _ranked(fields, names, value)
    verdict = _verdict(value, (names[0], names[1])) if len(names) == 2 else None
    return [_judged(_case(fields, names, {}), verdict)] if verdict else []


def _ranked(fields: Row, names: list[str], value: list[object]) -> list[PlainRow]:
    """Return a judgement for each two answers of a ranking, a list with or without ranks."""
    by_key = {_key(name): name for name in names}
    ranks: dict[str, float] = {}
    for place, one in enumerate(value):
        word, rank = (one.get("value"), one.get("rank")) if isinstance(one, dict) else (one, place)
        if _key(word) in by_key and isinstance(rank, (int, float)):
            ranks[by_key[_key(word)]] = rank
    rows = []
    for first, second in itertools.combinations(ranks, 2):
        gap = ranks[second] - ranks[first]
        verdict = "tie" if gap == 0 else "first" if gap > 0 else "second"
        rows.append(_judged(_case(fields, (first, second), {}), verdict))
    return rows


def _judged_claims(values: Row) -> list[PlainRow]:
    """Read a claim that several people checked against an answer: entailed, contradicted, neutral.

    The case asks which of two sentences is true, so that "both bad" says neutral: neither is. A
    rater's name is the column's.
    """
    question, answer, claim = (
        _text(values, name, "text") for name in ("question", "answer", "claim")
    )
    case: PlainRow = {
        "prompt": f"Question: {question}\n\nAnswer: {answer}\n\nClaim: {claim}\n\n"
        "Does the claim follow from the answer, or does it contradict it?",
        "answer_a": CLAIM_HOLDS,
        "answer_b": CLAIM_FAILS,
    }
    rows = []
    for name in sorted(name for name in values if re.fullmatch(r"label_\d+", name)):
        verdict = _CLAIM_VERDICTS.get(_key(values[name]))
        if verdict is None:
            raise RowError(f"The value of '{name}' is none of entailment, neutral, contradiction.")
        rows.append(_judged(case, verdict) | {"rater": name})
    return rows


FORMATS = (
    Format(
        "PandaLM",
        frozenset({"instruction", "response1", "response2", "annotator1"}),
        _pandalm,
    ),
    Format("Label Studio", frozenset({"data", "annotations"}), _label_studio),
    Format("Argilla", frozenset({"fields", "responses"}), _argilla),
    Format(
        "judged claims",
        frozenset({"question", "answer", "claim", "label_0", "label_1"}),
        _judged_claims,
    ),
    Format(
        "judged answers",
        frozenset({"prompt", "answer_a", "answer_b", "verdict"}),
        _judged_answers,
    ),
    *(
        Format("ranked answers", frozenset({"prompt", "answers", name}), ranked_answers, _PAIRED)
        for name in (*PLACES, *SCORES)
    ),
    Format(
        "answers to rank",
        frozenset({"prompt", "answers"}),
        unranked_answers,
        but_none_of=_PAIRED | {"rank", "grade", "score"},
    ),
)
