"""Cases to judge, the queue, and the append-only log of what raters said."""

import math
from dataclasses import dataclass
from typing import Literal

from gem_backend.types import (
    Case,
    Comparison,
    LabelKind,
    LabelProgress,
    PreferencePair,
    Verdict,
)
from storage.database import Database
from storage.errors import EntryError, NotFoundError
from storage.identity import left_answer, monotonic_s, new_id, pair_id, utc_now
from storage.projects import upsert_prompt

_COMPARISON = """
SELECT pair_id, pairs.project_id, prompt_id, prompt, answer_a, answer_b, split, source
FROM pairs JOIN prompts USING (prompt_id)
WHERE pair_id = ?
"""

# The rater's skips that no later label or undo of theirs has settled, with their moment.
_SKIPS = """
WITH skips AS (
    SELECT pair_id, max(seq) AS skipped_at FROM label_events
    WHERE rater = $rater GROUP BY pair_id HAVING arg_max(kind, seq) = 'skip'
)
"""

_NEXT = f"""{_SKIPS}
SELECT pair_id FROM queue LEFT JOIN skips USING (pair_id)
WHERE project_id = $project AND is_pending
ORDER BY skipped_at NULLS FIRST, is_first DESC, seq LIMIT 1
"""  # noqa: S608 - our own text

_LAST_LABEL = """
SELECT max(labels.seq) FROM labels JOIN pairs USING (pair_id)
WHERE labels.rater = $rater AND pairs.project_id = $project AND NOT labels.is_imported
"""

_LAST_LABELLED = f"SELECT pair_id FROM label_events WHERE seq = ({_LAST_LABEL})"  # noqa: S608 - ours

_PROGRESS = f"""{_SKIPS}
SELECT
    count(*) FILTER (NOT is_pending) AS done,
    count(*) FILTER (is_pending AND skipped_at IS NOT NULL) AS skipped,
    count(*) FILTER (is_pending AND skipped_at IS NULL) AS pending,
    ({_LAST_LABEL}) IS NOT NULL AS can_undo
FROM queue LEFT JOIN skips USING (pair_id)
WHERE project_id = $project
"""  # noqa: S608 - our own text

TRAINING_PAIRS = """
SELECT
    prompt,
    if(verdict = 'b', answer_b, answer_a) AS chosen,
    if(verdict = 'b', answer_a, answer_b) AS rejected,
    if(verdict IN ('a', 'b'), 'preferred', verdict) AS verdict,
    strength, rationale, rater, split, gold_answer, is_acceptable, pair_id,
    source, reasons
FROM labels JOIN pairs USING (pair_id) JOIN prompts USING (prompt_id)
WHERE pairs.project_id = ?
ORDER BY pairs.seq, labels.seq
"""


@dataclass(frozen=True, slots=True)
class Judgement:
    """What a rater says about a case; ``strength`` runs from 1, slightly better, to 3."""

    verdict: Verdict
    strength: int = 1
    is_acceptable: bool = True
    rationale: str = ""
    elapsed_s: float | None = None
    reasons: tuple[str, ...] = ()


def add_comparison(
    db: Database,
    project_id: str,
    prompt: str,
    answer_a: str,
    answer_b: str,
    source: Literal["sampled", "entered"] = "entered",
) -> Comparison:
    """Store two answers to a prompt at the front of the queue, or return them if they are there.

    A prompt of the pool moves to "train"; a held-out prompt stays held out, and its pair with it.

    Raises:
        EntryError: a text is empty, or the answers are equal.
        NotFoundError: there is no such project.
    """
    if not answer_a.strip() or not answer_b.strip():
        raise EntryError("An answer is empty; write both answers first.")
    if answer_a == answer_b:
        raise EntryError("Both answers are the same; change one of them first.")
    with db.transaction():
        stored = upsert_prompt(db, project_id, prompt, "train")
        key = pair_id(stored.prompt_id, answer_a, answer_b)
        db.execute(
            "INSERT INTO pairs (pair_id, project_id, prompt_id, answer_a, answer_b, source,"
            " created_at) VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
            [key, project_id, stored.prompt_id, answer_a, answer_b, source, utc_now()],
        )
        return get_comparison(db, key)


def get_comparison(db: Database, pair_id: str) -> Comparison:
    """Return a stored comparison.

    Raises:
        NotFoundError: there is none with that id.
    """
    comparison = db.one(Comparison, _COMPARISON, [pair_id])
    if comparison is None:
        raise NotFoundError("This case is no longer there; go on to the next one.")
    return comparison


def show_case(comparison: Comparison, rater: str) -> Case:
    """Return a comparison as a rater sees it: which answer is left is fixed by pair and rater."""
    return Case(comparison, left_answer(comparison.pair_id, rater))


def next_case(db: Database, project_id: str, rater: str) -> Case | None:
    """Return the next case nobody has judged, the rater's skipped ones last; None at the end."""
    rows = db.query(_NEXT, {"project": project_id, "rater": rater})
    return show_case(get_comparison(db, str(rows[0][0])), rater) if rows else None


def save_label(db: Database, case: Case, rater: str, judgement: Judgement) -> LabelProgress:
    """Add a judgement to the log; it is on the disk when this returns.

    Raises:
        EntryError: the strength is not 1, 2 or 3, or nobody is named as the rater.
        NotFoundError: the case is no longer there.
    """
    if judgement.strength not in (1, 2, 3):
        raise EntryError("Say how much better the answer is: slightly, clearly or very much.")
    with db.transaction():
        _append(db, case, rater, "label", judgement)
        return label_progress(db, case.comparison.project_id, rater)


def skip(db: Database, case: Case, rater: str) -> LabelProgress:
    """Put a case behind all others for this rater.

    Raises:
        EntryError: nobody is named as the rater.
        NotFoundError: the case is no longer there.
    """
    with db.transaction():
        _append(db, case, rater, "skip")
        return label_progress(db, case.comparison.project_id, rater)


def undo(db: Database, project_id: str, rater: str) -> Case | None:
    """Withdraw the rater's newest label that still holds and return its case, None without one.

    Called again it goes one label further back. Imported labels are left alone.
    """
    with db.transaction():
        rows = db.query(_LAST_LABELLED, {"project": project_id, "rater": rater})
        if not rows:
            return None
        case = show_case(get_comparison(db, str(rows[0][0])), rater)
        _append(db, case, rater, "undo")
        return case


def label_progress(db: Database, project_id: str, rater: str) -> LabelProgress:
    """Return the counts of the queue as a rater sees it."""
    progress = db.one(LabelProgress, _PROGRESS, {"project": project_id, "rater": rater})
    return progress or LabelProgress(0, 0, 0)


def training_pairs(db: Database, project_id: str) -> list[PreferencePair]:
    """Return every label that holds, of all raters and splits, the oldest pair first."""
    return db.records(PreferencePair, TRAINING_PAIRS, [project_id])


def _append(
    db: Database, case: Case, rater: str, kind: LabelKind, judgement: Judgement | None = None
) -> None:
    if not rater.strip():
        raise EntryError("Say who you are first: the rater has no name.")
    key = get_comparison(db, case.comparison.pair_id).pair_id
    moment = [new_id(), utc_now(), monotonic_s()]
    said: list[object] = [None, 1, True, "", [], None]
    if judgement is not None:
        elapsed = judgement.elapsed_s
        said = [
            judgement.verdict,
            judgement.strength,
            judgement.is_acceptable,
            judgement.rationale,
            list(judgement.reasons),
            elapsed if elapsed is not None and math.isfinite(elapsed) else None,
        ]
    db.execute(
        "INSERT INTO label_events (event_id, created_at, monotonic_s, pair_id, rater, kind,"
        ' "left", verdict, strength, is_acceptable, rationale, reasons, elapsed_s)'
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        [*moment, key, rater, kind, case.left, *said],
    )
