"""The order of a group's candidates: by the score S, or by what the labels taught."""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from gem_backend.config import ScoringConfig
from gem_backend.features import group_features
from gem_backend.ranking import rank_candidates
from gem_backend.types import Calibration, Candidate, RankedCandidate, Skill


@dataclass(frozen=True, slots=True)
class Weighing:
    """What decides the order; without a calibration that is S alone."""

    scoring: ScoringConfig
    calibration: Calibration | None = None


class Placed(NamedTuple):
    """A candidate in the order; a calibrated order gives it a skill.

    ``beats_next`` is the probability that an expert prefers it to the next one, None for the last.
    """

    ranked: RankedCandidate
    skill: Skill | None = None
    beats_next: float | None = None


def order(group: Sequence[Candidate], weighing: Weighing) -> list[Placed]:
    """Return the candidates, the best first; equal ones keep the order they came in.

    Raises:
        SpanError: a candidate holds no token.
    """
    by_score = rank_candidates(group, weighing.scoring)
    if weighing.calibration is None or not group:
        return [Placed(one) for one in by_score]
    return _calibrated(group, by_score, weighing.scoring, weighing.calibration)


def find_placed(
    group: Sequence[Candidate], weighing: Weighing, candidate_id: str | None
) -> Placed | None:
    """Return a candidate with its place; the best one if the id is not in the group."""
    placed = order(group, weighing)
    found = (one for one in placed if one.ranked.candidate.candidate_id == candidate_id)
    return next(found, placed[0] if placed else None)


def _calibrated(
    group: Sequence[Candidate],
    by_score: Sequence[RankedCandidate],
    scoring: ScoringConfig,
    calibration: Calibration,
) -> list[Placed]:
    from gem_backend.calibration import probability_beats, skills  # noqa: PLC0415 - scipy is slow

    features = group_features(group, scoring=scoring)
    skill = dict(zip(map(id, group), skills(calibration, features, scoring), strict=True))
    items = dict(zip(map(id, group), features, strict=True))
    # From the order by S, so that equal means, as without any label, leave that order as it is.
    best_first = sorted(by_score, key=lambda one: -skill[id(one.candidate)].mean)
    keys = [id(one.candidate) for one in best_first]
    means = [skill[key].mean for key in keys]
    beats = [
        probability_beats(calibration, items[better], items[worse], scoring)
        for better, worse in itertools.pairwise(keys)
    ]
    return [
        Placed(
            RankedCandidate(one.candidate, one.score, means.index(mean) + 1),
            skill[id(one.candidate)],
            chance,
        )
        for one, mean, chance in zip(best_first, means, [*beats, None], strict=True)
    ]
