"""Several answers put in order: one decision, kept as the labels of all their pairs.

The pair at hand carries the decision, the labels of the other pairs are part of it, so that it is
listed, reopened and taken back as one. Pairs that were no cases are stored and stay none. An order
says nothing about a pair that its rater has judged before: that label stands until it is reopened,
and an answer that would come back to such a pair is not offered.
"""

import itertools
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace

from gem_backend.expert_orders import Places, Said
from gem_backend.types import Case, Comparison, Verdict
from storage.database import Database
from storage.errors import EntryError
from storage.identity import content_id
from storage.pairs import Judgement, add_pair, append_event, get_comparison
from storage.standing import held_label

MIN_ORDERED = 3
MAX_ORDERED = 10  # ours: 45 pairs, and as many texts as one can hold against each other

# Cases first. Written answers are no cases: they count where this rater has judged them.
_PAIRS = """
SELECT answer_a, answer_b, is_written, label_seq IS NOT NULL AS is_judged
FROM pairs LEFT JOIN (
    SELECT pair_id, label_seq FROM standing WHERE project_id = $project AND rater = $rater
) AS own USING (pair_id)
WHERE pairs.project_id = $project AND prompt_id = $prompt ORDER BY seq
"""
_NUM_PAIRS = "SELECT count(*) FROM pairs WHERE prompt_id = ?"

_STORED = """
SELECT pair_id, pairs.project_id, prompt_id, prompt, answer_a, answer_b, split, source
FROM pairs JOIN prompts USING (prompt_id)
WHERE pairs.project_id = $project AND prompt_id = $prompt
"""

# Parts come after their label, so a log that only grows need not be read from its beginning.
_HAS_PARTS = "SELECT count(*) FROM label_events WHERE seq > ? AND list_contains(?, part_of)"

_PARTS = """
SELECT part_of, answer_a, answer_b, verdict
FROM labels JOIN pairs USING (pair_id)
WHERE list_contains(?, part_of) ORDER BY labels.seq
"""


@dataclass(frozen=True, slots=True)
class AnswerOrder:
    """Answers to one question in order, and what was said about it."""

    places: Places
    rationale: str = ""
    elapsed_s: float | None = None
    reasons: tuple[str, ...] = ()

    @property
    def answers(self) -> tuple[str, ...]:
        """All answers, the best first."""
        return tuple(itertools.chain.from_iterable(self.places))


def answers_to_order(db: Database, case: Case, rater: str) -> tuple[str, ...]:
    """Return the answers that a rater can put in order with the two of a case, shuffled.

    They are answers of the question's cases; the rater has judged no two of them against each
    other. Empty where there are fewer than three. The order is a rater's own, always the same, and
    says nothing about where an answer comes from.
    """
    given = case.comparison
    if db.count(_NUM_PAIRS, [given.prompt_id]) == 1:  # most often, and quicker to know
        return ()
    where = {"project": given.project_id, "prompt": given.prompt_id, "rater": rater}
    rows = db.query(_PAIRS, where)
    judged = {frozenset((str(a), str(b))) for a, b, _, is_judged in rows if is_judged}
    cases = [(str(a), str(b)) for a, b, is_written, _ in rows if not is_written]
    found = _unjudged(
        (given.answer_a, given.answer_b), itertools.chain.from_iterable(cases), judged
    )
    if len(found) < MIN_ORDERED:
        return ()
    return tuple(sorted(found, key=lambda answer: content_id("place", answer, *where.values())))


def _unjudged(
    first: tuple[str, str], answers: Iterable[str], judged: Collection[frozenset[str]]
) -> list[str]:
    """Return the two answers and, one by one, those of which no pair with them is judged."""
    if frozenset(first) in judged:
        return []
    found = list(first)
    for answer in dict.fromkeys(answers):
        if len(found) == MAX_ORDERED:
            break
        if answer not in found and not any(frozenset((answer, one)) in judged for one in found):
            found.append(answer)
    return found


def save_order(db: Database, case: Case, rater: str, order: AnswerOrder) -> None:
    """Label every pair of the answers, as one decision that the case carries.

    The answer with the better place is preferred, with the number of places between them as the
    strength, at most 3; answers of one place are a tie. It is stored as a whole, or not at all.

    Raises:
        EntryError: there are too few or too many answers, one stands twice, the case's own are not
            among them, the rater has judged a pair of them, or nobody is named as the rater.
        NotFoundError: the case is no longer there.
    """
    answers = order.answers
    given = (case.comparison.answer_a, case.comparison.answer_b)
    if not MIN_ORDERED <= len(answers) <= MAX_ORDERED:
        raise EntryError(f"Between {MIN_ORDERED} and {MAX_ORDERED} answers can be put in order.")
    if len(set(answers)) < len(answers) or not set(given) <= set(answers):
        raise EntryError("Put each answer of the case into the order, and each of them once.")
    place = {answer: place for place, one in enumerate(order.places) for answer in one}
    pairs = sorted(itertools.combinations(answers, 2), key=lambda pair: set(pair) != set(given))
    with db.transaction():
        stored = _stored_pairs(db, case)
        _refuse_judged(db, rater, [stored[key] for key in map(frozenset, pairs) if key in stored])
        head = None
        for better, worse in pairs:
            pair = stored.get(frozenset((better, worse))) or _add(db, case, better, worse)
            said = _judgement(pair, better, place[worse] - place[better])
            if head is None:
                said = replace(
                    said,
                    rationale=order.rationale,
                    elapsed_s=order.elapsed_s,
                    reasons=order.reasons,
                )
            event_id = append_event(db, pair, rater, "label", said, part_of=head)
            head = head or event_id


def _stored_pairs(db: Database, case: Case) -> dict[frozenset[str], Comparison]:
    """Return all pairs of the case's question by their answers."""
    given = get_comparison(db, case.comparison.pair_id)
    where = {"project": given.project_id, "prompt": given.prompt_id}
    found = db.records(Comparison, _STORED, where)
    return {frozenset((pair.answer_a, pair.answer_b)): pair for pair in found}


def _add(db: Database, case: Case, better: str, worse: str) -> Comparison:
    """Store a pair that nobody asked about: it becomes no case."""
    given = case.comparison
    return add_pair(
        db, given.project_id, given.prompt, (better, worse), given.source, is_written=True
    )


def _judgement(pair: Comparison, better: str, places_apart: int) -> Judgement:
    if not places_apart:
        return Judgement("tie")
    verdict: Verdict = "a" if pair.answer_a == better else "b"
    return Judgement(verdict, min(places_apart, 3))


def _refuse_judged(db: Database, rater: str, pairs: Iterable[Comparison]) -> None:
    if any(held_label(db, pair.pair_id, rater) is not None for pair in pairs):
        raise EntryError(
            "You have judged two of these answers before. Reopen that label first, or leave one of "
            "them out."
        )


def parts_of(db: Database, labels: Sequence[tuple[str, int]]) -> dict[str, list[Said]]:
    """Return the labels that came with others and hold, by the events of those; most have none.

    Args:
        db: the open database.
        labels: event and number in the log of each.
    """
    parts: dict[str, list[Said]] = {}
    event_ids = [event_id for event_id, _ in labels]
    first = min((seq for _, seq in labels), default=0)
    if event_ids and db.count(_HAS_PARTS, [first, event_ids]):
        for event_id, a, b, verdict in db.query(_PARTS, [event_ids]):
            parts.setdefault(str(event_id), []).append((str(a), str(b), str(verdict)))
    return parts


def preferred(said: Said) -> str:
    """Return the answer that a label prefers."""
    answer_a, answer_b, verdict = said
    return answer_b if verdict == "b" else answer_a
