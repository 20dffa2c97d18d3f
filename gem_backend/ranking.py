"""The machine's order of a prompt's candidates, and how far their answers agree."""

import re
import unicodedata
from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

from gem_backend.config import ScoringConfig
from gem_backend.scoring import PAPER_SCORING, gem_score
from gem_backend.types import Candidate, RankedCandidate

_NUMBER_COMMA = re.compile(r"(?<=\d),(?=\d{3}\b)")
_TRAILING_ZEROS = re.compile(r"(?<![\d.])(\d+)\.0+(?![\d.])")


class Agreement(NamedTuple):
    """How many of a group's answers are the same: "3 of 5 answers agree".

    ``answer`` is the most frequent one as first written, "" if none was committed.
    """

    num_agreeing: int
    n: int
    answer: str

    @property
    def share(self) -> float:
        """From 0 to 1; 0 for an empty group."""
        return self.num_agreeing / self.n if self.n else 0.0


def rank_candidates(
    candidates: Sequence[Candidate], config: ScoringConfig = PAPER_SCORING
) -> list[RankedCandidate]:
    """Return the candidates best first, by ``gem_score``.

    Equal scores keep the order they came in and share the better rank: 1, 2, 2, 4.

    Args:
        candidates: one prompt's candidates.
        config: equation (1)'s weights.

    Raises:
        SpanError: a candidate holds no token.
    """
    scored = [(gem_score(c.token_entropy, c.spans, config), c) for c in candidates]
    scored.sort(key=lambda pair: -pair[0].value)
    values = [score.value for score, _ in scored]
    return [
        RankedCandidate(candidate, score, values.index(score.value) + 1)
        for score, candidate in scored
    ]


def agreement(answers: Sequence[str]) -> Agreement:
    """Count the most frequent answer; an empty (not committed) one agrees with nothing.

    Args:
        answers: one for each candidate of a prompt.
    """
    groups = answer_groups(answers)
    return groups[0] if groups else Agreement(0, len(answers), "")


def answer_groups(answers: Sequence[str]) -> list[Agreement]:
    """Return the answers that are the same after ``normalise_answer`` as groups, largest first.

    An empty (not committed) answer is in none. Groups of one size keep the order they came in.
    """
    written = {normalise_answer(answer): answer for answer in reversed(answers)}
    counts = Counter(normal for normal in map(normalise_answer, answers) if normal)
    return [Agreement(count, len(answers), written[key]) for key, count in counts.most_common()]


def answers_match(answer: str, gold: str) -> bool:
    """Whether a model's answer is the gold answer; an empty one never is.

    Case, white space, emphasis, trailing punctuation and the writing of numbers do not count. A
    model that goes on after its answer is judged by the answer's first line.
    """
    wanted = normalise_answer(gold)
    lines = answer.strip().splitlines()
    if not wanted or not lines:
        return False
    return wanted in (normalise_answer(answer), normalise_answer(lines[0]))


def normalise_answer(answer: str) -> str:
    """Return an answer's form for comparison.

    Case, white space, emphasis marks, quotes and trailing punctuation do not count; nor do the
    thousands commas and the empty decimals of a number: "**1,250.0 mg.**" is "1250 mg".
    """
    text = unicodedata.normalize("NFKC", answer).casefold()
    text = " ".join(re.sub(r"[*_`\"']", "", text).split()).strip(".,;:!? ")
    return _TRAILING_ZEROS.sub(r"\1", _NUMBER_COMMA.sub("", text))
