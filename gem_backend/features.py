"""What a calibrated ranking looks at: a candidate's features (METHOD section 5); torch-free.

final_confidence   -H over the answer, nats: the first term of equation (1)
fork_entropy       mean H of the fork tokens, nats: its second term
mean_logprob       mean log pi(token), nats: how natural the whole answer is to the policy
implicit_reward    mean log pi(token) - log pi_base(token), nats: what alignment added to it
answer_agreement   share of the prompt's other candidates with the same answer, 0 to 1
expert_likeness    how much the answer resembles those the expert preferred, logits (`likeness`)
"""

from collections.abc import Sequence

import numpy as np

from gem_backend.config import ScoringConfig
from gem_backend.ranking import normalise_answer
from gem_backend.scoring import PAPER_SCORING, gem_score
from gem_backend.types import Candidate, Feature


def candidate_features(
    candidate: Candidate,
    other_answers: Sequence[str] = (),
    base_logprob_T: Sequence[float] | None = None,
    scoring: ScoringConfig = PAPER_SCORING,
    likeness: float = 0.0,
) -> dict[Feature, float]:
    """Return a candidate's features under the policy that scored it.

    Args:
        candidate: with its exact token statistics.
        other_answers: of the other candidates of its prompt; none gives an agreement of 0.
        base_logprob_T: log-probability of each token under the base model, nats; None where the
            policy is the base model, which makes the implicit reward 0.
        scoring: ``top_m`` decides which tokens are forks.
        likeness: of the answer, its representation times ``likeness.fit_direction``.

    Raises:
        SpanError: the candidate holds no token.
    """
    score = gem_score(candidate.token_entropy, candidate.spans, scoring)
    mean_logprob = float(np.mean(candidate.token_logprob))
    base = mean_logprob if base_logprob_T is None else float(np.mean(base_logprob_T))
    return {
        "final_confidence": -score.final_entropy,
        "fork_entropy": score.fork_entropy,
        "mean_logprob": mean_logprob,
        "implicit_reward": mean_logprob - base,
        "answer_agreement": _agreement(candidate.answer, other_answers),
        "expert_likeness": likeness,
    }


def group_features(
    group: Sequence[Candidate],
    base_logprobs: Sequence[Sequence[float]] | None = None,
    scoring: ScoringConfig = PAPER_SCORING,
    likeness_K: Sequence[float] | None = None,
) -> list[dict[Feature, float]]:
    """Return the features of each of a prompt's candidates.

    Args:
        group: all candidates of one prompt.
        base_logprobs: one (T,) array a candidate; None where the policy is the base model.
        scoring: ``top_m`` decides which tokens are forks.
        likeness_K: one figure a candidate; None for 0.
    """
    return [
        candidate_features(
            candidate,
            [other.answer for j, other in enumerate(group) if j != i],
            base_logprobs[i] if base_logprobs else None,
            scoring,
            likeness_K[i] if likeness_K is not None else 0.0,
        )
        for i, candidate in enumerate(group)
    ]


def _agreement(answer: str, others: Sequence[str]) -> float:
    """An answer that was not committed agrees with nothing."""
    normal = normalise_answer(answer)
    if not normal or not others:
        return 0.0
    return sum(normalise_answer(other) == normal for other in others) / len(others)
