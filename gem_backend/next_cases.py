"""What to label next: where the entropy order and the experts differ, or it is least sure who wins.

A label teaches most where its outcome is most open. With weights learned from labels that is first
where the score of equation (1) and the posterior point to different answers: one of them is wrong
there, and a label tells which. Then, and among those, it is where the posterior's P(one beats the
other) is nearest to 1/2. That counts both reasons for being unsure: the weights are not known well
yet, or the answers are about equally good. Without learned weights there is no P, and only the
ranks of the distance between the two scores count.

Source: query by committee, Seung, Opper, Sompolinsky, COLT 1992, 287-294, here with a committee of
two; uncertainty sampling, Lewis, Gale, SIGIR 1994, 3-12 (arXiv:cmp-lg/9407020). The scale from 0 to
1, its two halves and the ranks are ours.
"""

from collections.abc import Sequence

from scipy import stats

from gem_backend.calibration import Item, probability_beats
from gem_backend.config import ScoringConfig
from gem_backend.scoring import PAPER_SCORING, rescore
from gem_backend.types import Calibration

CONFLICT = 0.5  # ours: on all cases above it, and on no other, score and posterior differ
ROUNDING = 1e-9  # ours: a lead below this is none
LEAST = 1e-9  # ours: a case that was read comes before one that was not, however sure it is


def case_priorities(
    cases: Sequence[tuple[Item, Item]],
    calibration: Calibration | None,
    scoring: ScoringConfig = PAPER_SCORING,
) -> list[float]:
    """Return how soon each case should be labelled, above 0 and at most 1; 1 is first.

    Args:
        cases: the features of both answers, as in ``calibration.fit``.
        calibration: weights learned from labels; None compares the scores of equation (1).
        scoring: equation (1).

    Raises:
        DataError: a feature that the calibration has a weight for is missing or not finite.
    """
    if calibration is None:
        return nearness([abs(_score(a, scoring) - _score(b, scoring)) for a, b in cases])
    return [
        conflict_first(
            _score(a, scoring) - _score(b, scoring), probability_beats(calibration, a, b, scoring)
        )
        for a, b in cases
    ]


def conflict_first(score_lead: float, probability: float) -> float:
    """Return how soon a case comes, above ``CONFLICT`` where score and probability differ.

    Args:
        score_lead: the score of the first answer less that of the second, nats.
        probability: that the first is preferred to the second, by what labels taught.
    """
    lead = 2 * probability - 1
    differ = score_lead * lead < 0 and min(abs(score_lead), abs(lead)) > ROUNDING
    return max(LEAST, unsureness(probability) / 2 + (CONFLICT if differ else 0.0))


def unsureness(probability: float) -> float:
    """Return 1 - |2P - 1|: 1 where P is 1/2, and ``LEAST`` where the outcome is certain."""
    return max(LEAST, 1 - abs(2 * probability - 1))


def nearness(gaps: Sequence[float]) -> list[float]:
    """Return the ranks of distances, from 1 for the smallest to 1/n; equal ones share their mean.

    Args:
        gaps: distances, finite; none gives none.
    """
    n = len(gaps)
    return [float((n + 1 - rank) / n) for rank in stats.rankdata(gaps)] if n else []


def _score(item: Item, scoring: ScoringConfig) -> float:
    return rescore(-item["final_confidence"], item["fork_entropy"], scoring)
