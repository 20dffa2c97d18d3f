"""The machine's ranking of a group as the words on its cards."""

from collections.abc import Sequence
from html import escape
from typing import TypedDict

from app import text
from app.views.heatmap import fork_units
from gem_backend.config import ScoringConfig
from gem_backend.ranking import agreement, normalise_answer, rank_candidates
from gem_backend.types import Candidate, RankedCandidate


class CardWords(TypedDict):
    """What stands on one card beside its tokens; ``peaks`` are places among the card's units."""

    rank: str
    score: str
    terms: list[str]
    answer: str
    badges: list[str]
    peaks: list[int]
    is_first: bool


class Ranking(TypedDict):
    """The order of the cards, best first, by candidate id, and the words of each."""

    order: list[str]
    cards: dict[str, CardWords]


def ranking(candidates: Sequence[Candidate], config: ScoringConfig) -> Ranking:
    """Rank a group from its stored entropies and put the result in words."""
    ranked = rank_candidates(candidates, config)
    majority = agreement([candidate.answer for candidate in candidates])
    common = normalise_answer(majority.answer) if majority.num_agreeing > 1 else None
    return Ranking(
        order=[entry.candidate.candidate_id for entry in ranked],
        cards={
            entry.candidate.candidate_id: _words(entry, len(ranked), common, config)
            for entry in ranked
        },
    )


def _words(
    entry: RankedCandidate, total: int, common: str | None, config: ScoringConfig
) -> CardWords:
    candidate, score = entry.candidate, entry.score
    badges = []
    if not candidate.spans.is_committed:
        badges.append(text.NOT_COMMITTED)
    elif common:
        agrees = normalise_answer(candidate.answer) == common
        badges.append(text.AGREES if agrees else text.DIFFERS)
    if not candidate.is_finished:
        badges.append(text.CUT_OFF)
    return CardWords(
        rank=text.rank_words(entry.rank, total),
        score=text.score_words(score.value),
        terms=text.term_words(score.final_entropy, score.fork_entropy, config.lambda_fork),
        answer=candidate.answer if candidate.spans.is_committed else text.NO_ANSWER,
        badges=badges,
        peaks=fork_units(candidate, score.fork_tokens),
        is_first=entry.rank == 1,
    )


def agreement_html(candidates: Sequence[Candidate]) -> str:
    """Return how far a group's answers agree, as one line; empty for an empty group."""
    if not candidates:
        return ""
    found = agreement([candidate.answer for candidate in candidates])
    words = text.agreement_words(found.num_agreeing, found.n)
    answer = f" <q>{escape(found.answer)}</q>" if found.num_agreeing > 1 else ""
    return f'<h2 class="gs-agreement">{words}{answer}</h2>'
