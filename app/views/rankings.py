"""The machine's ranking of a group as the words on its cards."""

from collections.abc import Sequence
from html import escape
from typing import TypedDict

from app import text
from app.ordering import Placed, Weighing, order
from app.text import branches as say_branches
from app.text import calibration as say
from app.views.heatmap import fork_units, unit_text
from gem_backend.ranking import agreement, answer_groups, normalise_answer
from gem_backend.types import Candidate


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


def ranking(candidates: Sequence[Candidate], weighing: Weighing) -> Ranking:
    """Rank a group from its stored entropies and put the result in words."""
    placed = order(candidates, weighing)
    majority = agreement([candidate.answer for candidate in candidates])
    common = normalise_answer(majority.answer) if majority.num_agreeing > 1 else None
    lambda_fork = weighing.scoring.lambda_fork
    return Ranking(
        order=[entry.ranked.candidate.candidate_id for entry in placed],
        cards={
            entry.ranked.candidate.candidate_id: _words(entry, placed, common, lambda_fork)
            for entry in placed
        },
    )


def _words(
    entry: Placed, placed: Sequence[Placed], common: str | None, lambda_fork: float
) -> CardWords:
    candidate, score = entry.ranked.candidate, entry.ranked.score
    badges = _leaves(candidate, placed)
    if not candidate.spans.is_committed:
        badges.append(text.NOT_COMMITTED)
    elif common:
        agrees = normalise_answer(candidate.answer) == common
        badges.append(text.AGREES if agrees else text.DIFFERS)
    if not candidate.is_finished:
        badges.append(text.CUT_OFF)
    figure, terms = _figures(entry, lambda_fork)
    return CardWords(
        rank=text.rank_words(entry.ranked.rank, len(placed)),
        score=figure,
        terms=terms,
        answer=candidate.answer if candidate.spans.is_committed else text.NO_ANSWER,
        badges=badges,
        peaks=fork_units(candidate, score.fork_tokens),
        is_first=entry.ranked.rank == 1,
    )


def _leaves(candidate: Candidate, placed: Sequence[Placed]) -> list[str]:
    """Which card's answer a branch left, by the place that one has now, and at which token."""
    if candidate.branch is None:
        return []
    parent_id, token = candidate.branch
    for one in placed:
        if one.ranked.candidate.candidate_id == parent_id:
            left_at = unit_text(one.ranked.candidate, token)
            return [say_branches.leaves_words(one.ranked.rank, left_at)]
    return [say_branches.leaves_words(None, "")]


def _figures(entry: Placed, lambda_fork: float) -> tuple[str, list[str]]:
    """What the place comes from: S with its two terms, or the skill and the chance of the next."""
    score = entry.ranked.score
    by_score = text.score_words(score.value)
    if entry.skill is None:
        return by_score, text.term_words(score.final_entropy, score.fork_entropy, lambda_fork)
    beats = [] if entry.beats_next is None else [say.beats_words(entry.beats_next)]
    return say.skill_words(entry.skill.mean, entry.skill.sd), [*beats, by_score]


def agreement_html(candidates: Sequence[Candidate]) -> str:
    """Return how far a group's answers agree, and the other answers; empty for an empty group."""
    if not candidates:
        return ""
    answers = [candidate.answer for candidate in candidates]
    found = agreement(answers)
    words = text.agreement_words(found.num_agreeing, found.n)
    head = f'<h2 class="gs-agreement">{words}</h2>'
    if found.num_agreeing < 2:
        return head
    head = f'<h2 class="gs-agreement">{words} <q>{escape(found.answer)}</q></h2>'
    groups = answer_groups(answers)
    others = [f"<bdi>{escape(one.answer)}</bdi> ({one.num_agreeing})" for one in groups[1:]]
    uncommitted = found.n - sum(one.num_agreeing for one in groups)
    if uncommitted:
        others.append(f"{text.NOT_COMMITTED} ({uncommitted})")
    rest = f'<p class="gem-quiet">{text.OTHER_ANSWERS} {"; ".join(others)}</p>'
    return head + rest if others else head
