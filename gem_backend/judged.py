"""A judgement that stands, and how often something holds of several of them.

Several judgements of one pair are not independent: where they resemble each other, the interval is
that of as many fewer judgements (Kish's design effect).

Source: Kish, Survey Sampling (1965), section 5.4, for the effective number of judgements.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from gem_backend.statistics import wilson
from gem_backend.types import Answer, Estimate, Verdict


@dataclass(frozen=True, slots=True)
class JudgedCase:
    """One judgement that stands, with what the rater saw; ``left`` is the answer shown on the left.

    A pair that its rater judged more than once is there once for each time; undone labels are not
    there. ``strength`` is from 1 (slightly) to 3, ``rater`` empty where nobody knows who it was.
    """

    pair_id: str
    prompt: str
    answer_a: str
    answer_b: str
    rater: str
    verdict: Verdict
    left: Answer | None = None
    strength: int = 1
    reasons: tuple[str, ...] = ()
    rationale: str = ""
    elapsed_s: float | None = None

    @property
    def preferred(self) -> Answer | None:
        """The better answer, None unless there is one."""
        return self.verdict if self.verdict in ("a", "b") else None


@dataclass(frozen=True, slots=True)
class ShareCheck:
    """``count`` of ``n`` with a 95 % interval, 0 to 1; ``estimate`` is None where ``n`` is 0.

    The interval is Wilson's, at the effective number of judgements.
    """

    count: int
    n: int
    estimate: Estimate | None
    note: str

    @property
    def excludes_half(self) -> bool:
        """Whether the interval leaves out 1/2, that is, whether chance is an unlikely cause."""
        return self.estimate is not None and not self.estimate.low <= 0.5 <= self.estimate.high


def share(found: Sequence[tuple[str, bool]], sentence: str, undefined: str) -> ShareCheck:
    """How often it holds, of (pair, whether it holds); the sentence says it at ``{share}``."""
    if not found:
        return ShareCheck(0, 0, None, undefined)
    count, n = sum(holds for _, holds in found), len(found)
    effective_n = _effective_number(found)
    interval = wilson(round(count / n * effective_n), effective_n)
    estimate = Estimate(count / n, min(count / n, interval.low), max(count / n, interval.high), n)
    return ShareCheck(count, n, estimate, sentence.format(share=f"{count:,} of {n:,}"))


def _effective_number(found: Sequence[tuple[str, bool]]) -> int:
    """How many independent judgements are worth as much as these; all alike, one for each pair."""
    mean = sum(holds for _, holds in found) / len(found)
    excess: dict[str, float] = defaultdict(float)
    for pair, holds in found:
        excess[pair] += holds - mean
    if len(excess) == 1 or mean in (0.0, 1.0):
        return len(excess)
    design_effect = sum(e**2 for e in excess.values()) / (len(found) * mean * (1 - mean))
    return max(1, round(len(found) / max(1.0, design_effect)))
