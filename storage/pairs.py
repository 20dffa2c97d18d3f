"""Cases to judge, and the append-only log of what raters said of them."""

import math
from dataclasses import dataclass
from typing import Literal

from gem_backend.types import (
    Answer,
    Case,
    CaseSource,
    Comparison,
    LabelKind,
    PreferencePair,
    Verdict,
)
from storage.database import Database
from storage.errors import EntryError, NotFoundError
from storage.identity import left_answer, monotonic_s, new_id, pair_id, utc_now
from storage.projects import upsert_prompt
from storage.standing import Appended, enqueue, held_label, note_event

_GONE = "This case is no longer there; go on to the next one."

_COMPARISON = """
SELECT pair_id, pairs.project_id, prompt_id, prompt, answer_a, answer_b, split, source
FROM pairs JOIN prompts USING (prompt_id)
WHERE pair_id = ?
"""

# The rater's own labels that hold, one for each case.
OWN_LABELS = """
FROM standing WHERE project_id = $project AND rater = $rater AND is_own AND NOT is_final
"""

# The final label that settles a case: the newest. One that came in a file gives way to whatever was
# said about the case here.
SETTLED = """
SELECT pair_id, max(seq) AS final_seq FROM labels
WHERE is_final AND (
    NOT is_imported OR pair_id NOT IN (SELECT pair_id FROM labels WHERE NOT is_imported)
)
GROUP BY pair_id
"""

# Every label that holds, and where a case is settled the label that settles it, which alone counts.
HELD_LABELS = f"""
WITH settled AS ({SETTLED})
SELECT
    prompt,
    if(verdict = 'b', answer_b, answer_a) AS chosen,
    if(verdict = 'b', answer_a, answer_b) AS rejected,
    if(verdict IN ('a', 'b'), 'preferred', verdict) AS verdict,
    strength, rationale, rater, split, gold_answer, is_acceptable, pair_id,
    source, reasons,
    CASE
        WHEN part_of IS NOT NULL THEN part_of
        WHEN event_id IN (SELECT part_of FROM labels WHERE part_of IS NOT NULL) THEN event_id
        ELSE ''
    END AS order_id,
    is_final,
    final_seq IS NULL OR labels.seq = final_seq AS is_counted
FROM labels
JOIN pairs USING (pair_id)
JOIN prompts USING (prompt_id)
LEFT JOIN settled USING (pair_id)
WHERE pairs.project_id = ? AND (NOT is_final OR labels.seq = final_seq)
ORDER BY pairs.seq, labels.seq
"""  # noqa: S608 - our own text

_APPEND = """
INSERT INTO label_events (event_id, created_at, monotonic_s, pair_id, rater, kind, "left", verdict,
    strength, is_acceptable, rationale, reasons, elapsed_s, part_of, is_final)
SELECT ?, ?, ?, pair_id, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ? FROM pairs WHERE pair_id = ? RETURNING seq
"""

_TRAINING_PAIRS = f"""
SELECT * EXCLUDE (is_final, is_counted) FROM ({HELD_LABELS}) WHERE is_counted
"""  # noqa: S608 - our own text


@dataclass(frozen=True, slots=True)
class Judgement:
    """What a rater says about a case; ``strength`` runs from 1, slightly better, to 3.

    ``written`` is the better answer that the rater wrote where both are bad, empty without one.
    """

    verdict: Verdict
    strength: int = 1
    is_acceptable: bool = True
    rationale: str = ""
    elapsed_s: float | None = None
    reasons: tuple[str, ...] = ()
    written: str = ""


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
    with db.transaction():
        comparison = add_pair(db, project_id, prompt, (answer_a, answer_b), source)
        # Somebody asks for it by itself now, so it is a case.
        db.execute(
            "UPDATE pairs SET is_written = false WHERE pair_id = ? AND is_written",
            [comparison.pair_id],
        )
        enqueue(db, comparison.pair_id)
        return comparison


def add_pair(
    db: Database,
    project_id: str,
    prompt: str,
    answers: tuple[str, str],
    source: CaseSource,
    is_written: bool = False,
) -> Comparison:
    """Store two answers to a prompt, or return them if they are there; ``is_written``: no case."""
    answer_a, answer_b = answers
    if not answer_a.strip() or not answer_b.strip():
        raise EntryError("An answer is empty; write both answers first.")
    if answer_a == answer_b:
        raise EntryError("Both answers are the same; change one of them first.")
    stored = upsert_prompt(db, project_id, prompt, "train")
    key = pair_id(stored.prompt_id, answer_a, answer_b)
    db.execute(
        "INSERT INTO pairs (pair_id, project_id, prompt_id, answer_a, answer_b, source,"
        " created_at, is_written) VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
        [key, project_id, stored.prompt_id, answer_a, answer_b, source, utc_now(), is_written],
    )
    return get_comparison(db, key)


def get_comparison(db: Database, pair_id: str) -> Comparison:
    """Return a stored comparison.

    Raises:
        NotFoundError: there is none with that id.
    """
    comparison = db.one(Comparison, _COMPARISON, [pair_id])
    if comparison is None:
        raise NotFoundError(_GONE)
    return comparison


def show_case(comparison: Comparison, rater: str) -> Case:
    """Return a comparison as a rater would see it first; see ``case_for`` for who comes later."""
    return Case(comparison, left_answer(comparison.pair_id, rater))


def is_judged(db: Database, case: Case, rater: str) -> bool:
    """Whether a label of the rater's on a case holds, other than the one that a repeat repeats."""
    return held_label(db, case.comparison.pair_id, rater) not in (None, case.repeats)


def save_label(db: Database, case: Case, rater: str, judgement: Judgement) -> None:
    """Add a judgement to the log; it is on the disk when this returns.

    With an answer ``written`` where both are bad, two more pairs are stored and labelled: that
    answer is very much better than either. All of it is stored, or nothing.

    Raises:
        EntryError: the strength is not 1, 2 or 3, nobody is named as the rater, or the written
            answer is one of the two.
        NotFoundError: the case is no longer there.
    """
    with db.transaction():
        _append_label(db, case, rater, judgement, held_label(db, case.comparison.pair_id, rater))


def save_new_label(db: Database, case: Case, rater: str, judgement: Judgement) -> bool:
    """Do the same unless the rater has judged the case meanwhile, see ``is_judged``.

    Returns:
        Whether it was stored.
    """
    with db.transaction():
        before = held_label(db, case.comparison.pair_id, rater)
        is_news = before in (None, case.repeats)
        if is_news:
            _append_label(db, case, rater, judgement, before)
        return is_news


def _append_label(
    db: Database, case: Case, rater: str, judgement: Judgement, before: int | None
) -> None:
    """Append a label, and what follows from it; ``before`` is the number of the one that holds."""
    if judgement.strength not in (1, 2, 3):
        raise EntryError("Say how much better the answer is: slightly, clearly or very much.")
    if before is not None:
        withdraw_parts(db, _event_id(db, before), rater)
    event_id = append_event(db, case, rater, "label", judgement)
    if judgement.verdict == "both_bad" and judgement.written.strip():
        _prefer_written(db, case, rater, judgement.written, event_id)


def _prefer_written(db: Database, case: Case, rater: str, written: str, event_id: str) -> None:
    """Store two pairs in which the written answer is very much better.

    A pair of them that the rater judged by itself keeps that label until it is reopened.
    """
    given = case.comparison
    if written in (given.answer_a, given.answer_b):
        raise EntryError("The better answer is one of the two; change it, or leave it empty.")
    for answer in (given.answer_a, given.answer_b):
        pair = add_pair(
            db, given.project_id, given.prompt, (written, answer), "entered", is_written=True
        )
        if held_label(db, pair.pair_id, rater) is None:
            verdict: Answer = "a" if pair.answer_a == written else "b"
            append_event(db, pair, rater, "label", Judgement(verdict, 3), part_of=event_id)


def skip(db: Database, case: Case, rater: str) -> None:
    """Put a case behind all others for this rater.

    Raises:
        EntryError: nobody is named as the rater.
        NotFoundError: the case is no longer there.
    """
    with db.transaction():
        append_event(db, case, rater, "skip")


def training_pairs(db: Database, project_id: str) -> list[PreferencePair]:
    """Return every label that counts, of all raters and splits, the oldest pair first.

    Where a case is settled that is the final label, otherwise each that holds.
    """
    return db.records(PreferencePair, _TRAINING_PAIRS, [project_id])


def _event_id(db: Database, seq: int) -> str:
    [(event_id,)] = db.query("SELECT event_id FROM label_events WHERE seq = ?", [seq])
    return str(event_id)


def withdraw_parts(db: Database, event_id: str, rater: str) -> None:
    """Take back the labels that are part of a label; inside the caller's transaction."""
    parts = "SELECT pair_id FROM labels WHERE part_of = ? AND rater = ? ORDER BY seq"
    for (key,) in db.query(parts, [event_id, rater]):
        append_event(db, get_comparison(db, str(key)), rater, "undo")


def append_event(  # noqa: PLR0913 - two marks that hardly any event bears
    db: Database,
    case: Case | Comparison,
    rater: str,
    kind: LabelKind,
    judgement: Judgement | None = None,
    *,
    part_of: str | None = None,
    is_final: bool = False,
) -> str:
    """Add an event and return its id. A comparison alone was not seen on two sides."""
    if not rater.strip():
        raise EntryError("Say who you are first: the rater has no name.")
    given, left = (case.comparison, case.left) if isinstance(case, Case) else (case, None)
    event_id = new_id()
    moment = [event_id, utc_now(), monotonic_s()]
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
    about = [rater, kind, left, *said, part_of, is_final, given.pair_id]
    rows = db.query(_APPEND, [*moment, *about])
    if not rows:
        raise NotFoundError(_GONE)
    seq = int(str(rows[0][0]))
    is_part = part_of is not None
    note_event(db, Appended(given, rater, kind, seq, left, is_part, is_final))
    return event_id
