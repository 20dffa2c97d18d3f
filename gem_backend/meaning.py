"""Answers that say the same in other words, as a local sentence model sees them. [ours]

A sentence model hardly sees what decides in medicine: to all-MiniLM-L6-v2 "start anticoagulation"
and "do not start anticoagulation" are 0.97 alike, 500 mg and 250 mg of a drug 0.98, and two true
paraphrases often no more than 0.8. So answers with other numbers, or of which one denies something,
are never one meaning, however alike their vectors are.

Source: for the idea of counting meanings, Kuhn, Gal, Farquhar, "Semantic Uncertainty" (ICLR 2023);
they ask a model whether each answer follows from the other.
"""

import re
from collections import Counter, defaultdict
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.cluster.hierarchy import fcluster, linkage
from scipy.spatial.distance import squareform

from gem_backend.errors import ModelLoadError
from gem_backend.model_folder import find_sentence_model
from gem_backend.ranking import normalise_answer

_WORDS = re.compile(r"\d+(?:\.\d+)?|[^\W\d_]+(?:['\N{RIGHT SINGLE QUOTATION MARK}]t)?")
_NUMBER_WORDS = (
    "zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven",
    "twelve",
)  # fmt: skip
_NUMBERS = {word: str(number) for number, word in enumerate(_NUMBER_WORDS)}
_DENIALS = frozenset((
    "no", "not", "never", "none", "neither", "nor", "without", "cannot", "cant", "dont", "doesnt",
    "isnt", "arent", "wasnt", "wont", "shouldnt", "mustnt", "couldnt", "wouldnt", "avoid", "stop",
    "withhold", "contraindicated",
))  # fmt: skip


class SentenceModel:
    """A sentence-embedding model from a local folder; nothing is asked of the hub.

    Args:
        folder: as sentence-transformers saves a model.
        device: "cpu", "cuda"; None takes a GPU where there is one.

    Raises:
        ModelLoadError: the folder is missing, is no such model, or holds no safetensors.
    """

    def __init__(self, folder: Path, device: str | None = None) -> None:
        from sentence_transformers import SentenceTransformer  # noqa: PLC0415 - slow to import

        find_sentence_model(folder)
        try:
            self._model = SentenceTransformer(
                str(folder),
                device=device,
                local_files_only=True,
                trust_remote_code=False,
                model_kwargs={"use_safetensors": True},
            )
        except Exception as error:  # the library names no errors of its own
            reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
            raise ModelLoadError(
                f"The sentence model '{folder}' cannot be loaded: {reason}"
            ) from error

    def group(self, answers: Sequence[str], least_likeness: float) -> list[tuple[int, ...]]:
        """Return the places of the answers that say the same; see ``group_by_meaning``."""
        vectors_ND = self._model.encode(
            list(answers), normalize_embeddings=True, show_progress_bar=False
        )
        return group_by_meaning(answers, np.asarray(vectors_ND, dtype=np.float64), least_likeness)


def group_by_meaning(
    answers: Sequence[str],
    vectors_ND: NDArray[np.float64],
    least_likeness: float,
) -> list[tuple[int, ...]]:
    """Group answers: all that are in one are pairwise that much alike, and deny and count alike.

    Answers that ``normalise_answer`` finds the same are in one group whatever their vectors say; an
    empty (not committed) answer is in none.

    Args:
        answers: N texts.
        vectors_ND: a vector of length 1 for each.
        least_likeness: the least cosine within a group.

    Returns:
        The places of each group's answers in order, the largest group first; equal ones in the
        order of their first answers.
    """
    same: dict[str, list[int]] = defaultdict(list)
    for place, answer in enumerate(answers):
        if normal := normalise_answer(answer):
            same[normal].append(place)
    alike: dict[object, list[str]] = defaultdict(list)
    for normal in same:
        alike[what_decides(normal)].append(normal)
    groups = [
        tuple(sorted(place for normal in meaning for place in same[normal]))
        for normals in alike.values()
        for meaning in _joined(
            normals, vectors_ND[[same[one][0] for one in normals]], least_likeness
        )
    ]
    return sorted(groups, key=lambda places: (-len(places), places))


def what_decides(answer: str) -> tuple[tuple[tuple[str, int], ...], bool]:
    """Return what two answers must share to be one meaning: the numbers, and whether one denies."""
    words = [
        re.sub(r"['\N{RIGHT SINGLE QUOTATION MARK}]", "", word)
        for word in _WORDS.findall(answer.casefold())
    ]
    numbers = Counter(_NUMBERS.get(word, word) for word in words)
    counted = sorted((word, n) for word, n in numbers.items() if word[0].isdecimal())
    return tuple(counted), any(word in _DENIALS for word in words)


def _joined(
    normals: Sequence[str], vectors_ND: NDArray[np.float64], least_likeness: float
) -> list[list[str]]:
    """Join by complete linkage: the two least alike of a group are still alike enough."""
    if len(normals) == 1:
        return [list(normals)]
    distance_NN = np.clip(1.0 - vectors_ND @ vectors_ND.T, 0.0, None)
    np.fill_diagonal(distance_NN, 0.0)
    tree = linkage(squareform(distance_NN, checks=False), method="complete")
    found: dict[int, list[str]] = defaultdict(list)
    for normal, label in zip(
        normals, fcluster(tree, 1.0 - least_likeness, criterion="distance"), strict=True
    ):
        found[int(label)].append(normal)
    return list(found.values())
