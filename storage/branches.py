"""Candidates that left another at a token: beside it in its group, in a pair, and traced back."""

from collections.abc import Sequence
from dataclasses import dataclass

from gem_backend.types import Answer, Branch, Candidate, Comparison
from storage.candidates import CandidateGroup, candidate_rows, get_group
from storage.database import Database
from storage.errors import EntryError, NotFoundError
from storage.pairs import add_comparison
from storage.projects import get_prompt

# The same candidate is in several groups where a seed was used again.
_GROUP = """
SELECT group_id, any_value(prompt_id) FROM candidates
WHERE candidate_id IN (SELECT unnest($ids)) AND prompt_id IS NOT NULL
    AND ($group_id IS NULL OR group_id = $group_id)
GROUP BY group_id HAVING count(DISTINCT candidate_id) = len($ids)
ORDER BY max(seq) DESC LIMIT 1
"""
_GONE = "That answer is no longer there; sample once more."

# The token at which the parent was left, and what it says before that.
_ORIGINS = """
SELECT
    side.answer, own.candidate_id, own.parent_id, own.branch_token,
    parent.token_texts[own.branch_token + 1] AS token_text,
    parent.token_entropy[own.branch_token + 1] AS entropy,
    array_to_string(parent.token_texts[:own.branch_token], '') AS text_before
FROM pairs
CROSS JOIN (VALUES ('a'), ('b')) AS side (answer)
JOIN candidates AS own
    ON own.candidate_id = if(side.answer = 'a', pairs.candidate_a, pairs.candidate_b)
LEFT JOIN candidates AS parent ON parent.candidate_id = own.parent_id
WHERE pairs.pair_id = ?
QUALIFY row_number() OVER (PARTITION BY side.answer ORDER BY own.seq, parent.seq) = 1
ORDER BY side.answer
"""


_BRANCHED = """
SELECT DISTINCT pairs.pair_id FROM pairs
JOIN candidates AS own ON own.candidate_id IN (pairs.candidate_a, pairs.candidate_b)
WHERE pairs.project_id = ? AND pairs.candidate_a IS NOT NULL AND own.parent_id IS NOT NULL
"""


@dataclass(frozen=True, slots=True)
class Origin:
    """The candidate that an answer of a pair is, and where it left another.

    ``branch`` is None for one that was sampled from its prompt alone; ``text_before`` and
    ``token_text`` are then empty. Else they are the parent's: what both have in common, and the
    token that the parent has at the place where they part, with its entropy in nats (None where the
    parent ends there).
    """

    answer: Answer
    candidate_id: str
    branch: Branch | None = None
    text_before: str = ""
    token_text: str = ""
    entropy: float | None = None


def group_of(
    db: Database, candidate_id: str, group_id: str | None = None
) -> tuple[str, CandidateGroup]:
    """Return the prompt's id and the group of a candidate of Explore.

    Args:
        db: the open database.
        candidate_id: the candidate.
        group_id: which of the groups that have it; None is the newest.

    Raises:
        NotFoundError: there is no such candidate, or not in that group.
    """
    found = _group_with(db, [candidate_id], group_id)
    if found is None:
        raise NotFoundError(_GONE)
    return found


def _group_with(
    db: Database, candidate_ids: Sequence[str], group_id: str | None = None
) -> tuple[str, CandidateGroup] | None:
    """The newest group that has all of these candidates."""
    rows = db.query(_GROUP, {"ids": list(candidate_ids), "group_id": group_id})
    return (str(rows[0][1]), get_group(db, str(rows[0][0]))) if rows else None


def add_to_group(db: Database, group_id: str, siblings: Sequence[Candidate]) -> CandidateGroup:
    """Store candidates beside those of a group, after them, and return it whole.

    One that is there already, the same branch with the same seed, is not stored again.

    Raises:
        NotFoundError: there is no such group.
    """
    with db.transaction():
        group = get_group(db, group_id)
        known = {one.candidate_id for one in group.candidates}
        new = [one for one in siblings if one.candidate_id not in known]
        if new:
            (prompt_id,) = db.query(
                "SELECT any_value(prompt_id) FROM candidates WHERE group_id = ?", [group_id]
            )[0]
            db.insert("candidates", candidate_rows(new, group_id, str(prompt_id)))
        return get_group(db, group_id)


def pair_candidates(db: Database, first_id: str, second_id: str) -> Comparison:
    """Make a case of two candidates of a group, and keep which candidates its answers are.

    Raises:
        EntryError: they are of two groups, or say the same, or one says nothing.
        NotFoundError: there is no such candidate.
    """
    with db.transaction():
        both = _group_with(db, sorted({first_id, second_id}))
        prompt_id, group = both or group_of(db, first_id)
        by_id = {one.candidate_id: one for one in group.candidates}
        if second_id not in by_id:
            raise EntryError("Choose two answers to the same question.")
        first, second = by_id[first_id], by_id[second_id]
        if first.text == second.text:
            raise EntryError("Both answers say the same; choose two that differ.", "No pair made")
        project_id = get_prompt(db, prompt_id).project_id
        comparison = add_comparison(
            db, project_id, first.prompt, first.text, second.text, "sampled"
        )
        ids = {first.text: first_id, second.text: second_id}
        db.execute(
            "UPDATE pairs SET candidate_a = ?, candidate_b = ?"
            " WHERE pair_id = ? AND candidate_a IS NULL",
            [ids[comparison.answer_a], ids[comparison.answer_b], comparison.pair_id],
        )
        return comparison


def branched_pairs(db: Database, project_id: str) -> set[str]:
    """Return the pairs of a project that have an answer which left another."""
    return {str(pair_id) for (pair_id,) in db.query(_BRANCHED, [project_id])}


def origins(db: Database, pair_id: str) -> list[Origin]:
    """Return the candidates that a pair's answers are; empty where they were not sampled here."""

    def origin(  # noqa: PLR0913 - the columns of a row
        answer: Answer,
        candidate_id: str,
        parent_id: str | None,
        branch_token: int | None,
        token_text: str | None,
        entropy: float | None,
        text_before: str | None,
    ) -> Origin:
        if parent_id is None or branch_token is None:
            return Origin(answer, candidate_id)
        branch = Branch(parent_id, branch_token)
        return Origin(answer, candidate_id, branch, text_before or "", token_text or "", entropy)

    return db.records(origin, _ORIGINS, [pair_id])
