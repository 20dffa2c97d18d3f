"""Cognitive filtering: the entropy score of one candidate, equation (1)."""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from numpy.typing import NDArray

from gem_backend.config import ScoringConfig
from gem_backend.errors import SpanError
from gem_backend.spans import span_names
from gem_backend.types import Candidate, GemScore, Span, Spans

if TYPE_CHECKING:
    from torch import Tensor

Floats: TypeAlias = "Tensor | NDArray[np.floating] | Sequence[float]"

PAPER_SCORING = ScoringConfig()


def gem_score(
    token_entropy_T: Floats, spans: Spans, config: ScoringConfig = PAPER_SCORING
) -> GemScore:
    """Score one candidate: confident at the end, exploring in the middle (GEM eq. 1).

    Args:
        token_entropy_T: entropy of each generated token, nats, shape (T,), no prompt tokens.
        spans: reasoning and answer token ranges, end-exclusive, inside [0, T).
        config: ``lambda_fork`` (unitless), ``top_m`` (fraction of reasoning tokens, 0 < top_m <= 1)
            and the ablation switches; a term that is switched off is still returned.

    Returns:
        GemScore with ``final_entropy`` (mean over the answer) and ``fork_entropy`` (mean over the
        fork tokens, 0 without reasoning) in nats; ``fork_tokens`` in text order; higher ``value``
        is better.

    Raises:
        SpanError: the answer span is empty, or a span lies outside the tokens.

    Source: Zhao et al. 2025, arXiv:2511.13007, eq. (1). See gem_backend/PAPER.md for what differs.
    """
    entropy = _as_array(token_entropy_T)
    _check(spans, len(entropy))
    forks = fork_tokens(entropy, spans.cot_span, config.top_m)
    final_entropy = float(entropy[slice(*spans.final_span)].mean())
    fork_entropy = float(entropy[list(forks)].mean()) if forks else 0.0
    value = rescore(final_entropy, fork_entropy, config)
    return GemScore(value, final_entropy, fork_entropy, forks)


def rescore(final_entropy: float, fork_entropy: float, config: ScoringConfig) -> float:
    """Combine the two stored terms of equation (1), nats, under other weights."""
    terminal = -final_entropy if config.use_terminal_entropy else 0.0
    branching = config.lambda_fork * fork_entropy if config.use_branching_entropy else 0.0
    return terminal + branching


def fork_tokens(token_entropy_T: Floats, cot_span: Span, top_m: float) -> tuple[int, ...]:
    """Return the ceil(top_m * |cot|) most uncertain reasoning tokens, in text order.

    Args:
        token_entropy_T: entropy of each generated token, nats, shape (T,).
        cot_span: the reasoning tokens, end-exclusive.
        top_m: fraction, 0 < top_m <= 1. Of equal entropies the earlier token is taken.
    """
    entropy = _as_array(token_entropy_T)[slice(*cot_span)]
    # rounding first: 0.07 * 100 is 7.000000000000001 and must not become 8
    count = math.ceil(round(top_m * len(entropy), 9))
    order = np.argsort(-entropy, kind="stable")[:count]
    return tuple(int(index) + cot_span.start for index in np.sort(order))


def score_json(candidate: Candidate, config: ScoringConfig = PAPER_SCORING) -> dict[str, object]:
    """Return what ``launch.py score --json`` prints: each token's figures, and the score's terms.

    Raises:
        SpanError: the completion holds no token.
    """
    score = gem_score(candidate.token_entropy, candidate.spans, config)
    names = span_names(candidate.spans, len(candidate.token_ids))
    columns = zip(
        candidate.token_ids,
        candidate.token_texts,
        candidate.token_entropy,
        candidate.token_logprob,
        names,
        strict=True,
    )
    keys = ("id", "text", "entropy", "logprob", "span")
    return {
        "tokens": [dict(zip(keys, row, strict=True)) for row in columns],
        "final_entropy": score.final_entropy,
        "fork_entropy": score.fork_entropy,
        "gem_score": score.value,
        "lambda_fork": config.lambda_fork,
        "top_m": config.top_m,
        "is_committed": candidate.spans.is_committed,
    }


def _as_array(values: Floats) -> NDArray[np.float64]:
    if not isinstance(values, np.ndarray) and hasattr(values, "detach"):
        values = values.detach().cpu().tolist()  # numpy has no bfloat16
    return np.asarray(values, dtype=np.float64)


def _check(spans: Spans, num_tokens: int) -> None:
    if spans.final_span.end <= spans.final_span.start:
        raise SpanError("The model gave no answer, so there is nothing to score.")
    if not all(0 <= s.start <= s.end <= num_tokens for s in (spans.cot_span, spans.final_span)):
        raise SpanError(f"The answer's position does not fit its {num_tokens} tokens.")
