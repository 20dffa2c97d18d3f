"""What other files call our columns: guesses from usual names, and renaming.

A mapping goes from their name to ours, or to the empty name where a column is left out; names are
compared without regard to case and outer spaces.
"""

import re
from collections.abc import Collection, Iterable, Mapping

from storage.errors import ImportFileError
from storage.import_rows import Row

OUR_NAMES = (
    "prompt",
    "chosen",
    "rejected",
    "answer_a",
    "answer_b",
    "verdict",
    "strength",
    "rationale",
    "reasons",
    "rater",
    "split",
    "gold_answer",
    "is_acceptable",
    "answer",
    "grade",
    "answers",
    "rank",
    "ranks",
    "scores",
)
_USUAL: dict[str, tuple[str, ...]] = {
    "prompt": ("question", "instruction", "query", "input", "user_prompt", "problem"),
    "chosen": ("preferred", "better", "response_chosen", "chosen_response", "best answer"),
    "rejected": ("worse", "response_rejected", "rejected_response", "best incorrect answer"),
    "verdict": ("winner", "preference", "choice", "overall_preference", "label"),
    "strength": ("preference_strength", "margin"),
    "rationale": ("explanation", "justification", "comment", "feedback"),
    "rater": ("annotator", "annotator_id", "labeler", "worker_id", "judge", "reviewer"),
    "gold_answer": ("gold", "reference_answer", "reference", "ground_truth"),
    "grade": ("score", "rating", "quality"),
    "answer": ("response", "completion", "output", "reply"),
    "answers": ("responses", "completions", "candidates", "replies"),
    "rank": ("position",),
    "ranks": ("ranking", "rankings", "places"),
    "scores": ("ratings", "grades"),
}
# What each stands for is known only beside the others: (all of these, and of these at least one).
_TOGETHER = (
    (("chosen", "rejected"), ()),
    (("answer_a", "answer_b"), ()),
    (("verdict",), ("answer_a",)),
    (("answer",), ("grade", "rank")),
    (("grade",), ("answer",)),
    (("rank",), ("answer",)),
    (("ranks",), ("answers",)),
    (("scores",), ("answers",)),
)
_ANSWER = re.compile(
    r"(?:answer|response|completion|output|generation|reply|candidate|option|summary|text)"
    r"[ _-]?([a-h]|\d)",
    re.IGNORECASE,
)


def answer_names(columns: Iterable[str]) -> list[str]:
    """Return the columns that are numbered or lettered answers, in that order."""
    found = [(match[1].lower(), name) for name in columns if (match := _ANSWER.fullmatch(name))]
    return [name for _, name in sorted(found)]


def prompt_name(columns: Collection[str]) -> str | None:
    """Return the column that most likely is the question."""
    return next((name for name in ("prompt", *_USUAL["prompt"]) if name in columns), None)


def propose_mapping(columns: Iterable[str]) -> dict[str, str]:
    """Return guesses for the columns that are not ours, from the names that others use.

    Args:
        columns: the names that the file has.
    """
    theirs = {_plain(name): name for name in columns}
    found = {ours: name for ours in OUR_NAMES if (name := theirs.get(ours)) is not None}
    for ours, usual in _USUAL.items():
        name = next((theirs[name] for name in usual if name in theirs), None)
        if ours not in found and name is not None:
            found[ours] = name
    answers = [theirs[name] for name in answer_names(theirs)]
    if len(answers) == 2 and not {"chosen", "rejected"} <= found.keys():
        found = {**found, "answer_a": answers[0], "answer_b": answers[1]}
    for names, others in _TOGETHER:
        has_other = not others or any(other in found for other in others)
        if not (has_other and set(names) <= found.keys()):
            found = {ours: name for ours, name in found.items() if ours not in names}
    return {name: ours for ours, name in found.items() if name != ours}


def check_mapping(mapping: Mapping[str, str]) -> dict[str, str]:
    """Return a mapping ready for ``rename``.

    Raises:
        ImportFileError: it names a column that is not ours, or one of ours twice.
    """
    ours = [name for name in mapping.values() if name]
    for name in ours:
        if name not in OUR_NAMES:
            raise ImportFileError(f"There is no column '{name}' to map to; choose {_choices()}.")
        if ours.count(name) > 1:
            raise ImportFileError(f"Two columns are mapped to '{name}'; map one of them.")
    return {_plain(theirs): name for theirs, name in mapping.items()}


def rename(values: Row, mapping: Mapping[str, str]) -> Row:
    """Return the values under our names; a mapped column comes before one that has the name."""
    if not mapping:
        return values
    renamed = {_plain(name): value for name, value in values.items()}
    mapped = {mapping[name]: value for name, value in renamed.items() if mapping.get(name)}
    return {name: value for name, value in values.items() if _plain(name) not in mapping} | mapped


def missing_columns(mapping: Mapping[str, str], columns: Iterable[str]) -> list[str]:
    """Return the columns that a checked mapping names and the file does not have."""
    return sorted(mapping.keys() - {_plain(name) for name in columns})


def _plain(name: str) -> str:
    return name.strip().lower()


def _choices() -> str:
    return ", ".join(OUR_NAMES[:-1]) + f" or {OUR_NAMES[-1]}"
