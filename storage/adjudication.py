"""Cases on which raters disagree, and the final label that settles one.

A final label stands beside what raters said: it alone trains, they keep theirs, and agreement is
worked out without it.
"""

import sys
from dataclasses import dataclass

from gem_backend.types import Case, CaseSource, Comparison, Split, Verdict
from storage.database import Database
from storage.pairs import SETTLED, Judgement, append_event
from storage.standing import held_label

# Whether the better answer may be used decides whether a pair trains; beside a tie it does not.
_WHICH = f"""
WITH settled AS ({SETTLED}), disputed AS (
    SELECT
        pair_id, bool_or(final_seq IS NOT NULL) AS is_settled, min(pairs.seq) AS place
    FROM labels JOIN pairs USING (pair_id) LEFT JOIN settled USING (pair_id)
    WHERE pairs.project_id = ?
    GROUP BY pair_id
    HAVING is_settled
        OR count(DISTINCT verdict) FILTER (NOT is_final) > 1
        OR count(DISTINCT is_acceptable) FILTER (NOT is_final AND verdict IN ('a', 'b')) > 1
)
"""  # noqa: S608 - our own text
_COUNT = f"{_WHICH} SELECT count(*) FILTER (is_settled), count(*) FROM disputed"  # noqa: S608
_DISPUTED = f"""{_WHICH}
SELECT
    pair_id, pairs.project_id, prompt_id, prompt, answer_a, answer_b, split, pairs.source, rater,
    verdict, strength, is_acceptable, rationale, reasons, is_final
FROM labels
JOIN pairs USING (pair_id)
JOIN prompts USING (prompt_id)
SEMI JOIN (FROM disputed ORDER BY is_settled, place LIMIT ?) AS listed USING (pair_id)
WHERE NOT is_final OR labels.seq IN (SELECT final_seq FROM settled)
ORDER BY pairs.seq, labels.seq
"""  # noqa: S608 - our own text


@dataclass(frozen=True, slots=True)
class RaterJudgement:
    """What one person says about a case."""

    rater: str
    judgement: Judgement


@dataclass(frozen=True, slots=True)
class Dispute:
    """A case with what raters say of it and the newest final label, if there is one."""

    comparison: Comparison
    said: tuple[RaterJudgement, ...]
    final: RaterJudgement | None = None


def disputes(db: Database, project_id: str, most: int = sys.maxsize) -> list[Dispute]:
    """Return the cases on which raters differ, and all settled ones, the oldest first.

    They differ where their verdicts do, or where only some say that the better answer may be used.
    Of more than ``most`` the oldest that nobody settled are returned.
    """
    cases: dict[str, list[_Row]] = {}
    for row in db.records(_Row, _DISPUTED, [project_id, most]):
        cases.setdefault(row.pair_id, []).append(row)
    return [_dispute(rows) for rows in cases.values()]


def count_disputes(db: Database, project_id: str) -> tuple[int, int]:
    """Return how many of those cases are settled, and how many there are."""
    [(num_settled, num_all)] = db.query(_COUNT, [project_id])
    return int(str(num_settled)), int(str(num_all))


def settle(db: Database, case: Case, rater: str, judgement: Judgement) -> None:
    """Add a final label to the log; it is on the disk when this returns.

    Raises:
        EntryError: nobody is named as the rater.
        NotFoundError: the case is no longer there.
    """
    with db.transaction():
        append_event(db, case, rater, "label", judgement, is_final=True)


def reopen(db: Database, case: Case, rater: str) -> bool:
    """Withdraw a person's own final label on a case; return whether there was one."""
    with db.transaction():
        is_there = held_label(db, case.comparison.pair_id, rater, is_final=True) is not None
        if is_there:
            append_event(db, case, rater, "undo", is_final=True)
        return is_there


@dataclass(frozen=True, slots=True)
class _Row:
    """A row of ``_DISPUTED``."""

    pair_id: str
    project_id: str
    prompt_id: str
    prompt: str
    answer_a: str
    answer_b: str
    split: Split
    source: CaseSource
    rater: str
    verdict: Verdict
    strength: int
    is_acceptable: bool
    rationale: str
    reasons: tuple[str, ...]
    is_final: bool


def _dispute(rows: list[_Row]) -> Dispute:
    first = rows[0]
    comparison = Comparison(
        first.pair_id,
        first.project_id,
        first.prompt_id,
        first.prompt,
        first.answer_a,
        first.answer_b,
        first.split,
        first.source,
    )
    finals = [_said(row) for row in rows if row.is_final]
    said = tuple(_said(row) for row in rows if not row.is_final)
    return Dispute(comparison, said, finals[-1] if finals else None)


def _said(row: _Row) -> RaterJudgement:
    judgement = Judgement(
        row.verdict, row.strength, row.is_acceptable, row.rationale, reasons=row.reasons
    )
    return RaterJudgement(row.rater, judgement)
