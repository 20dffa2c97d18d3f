"""The rater's own labels that hold: looked back at, and taken back one by one."""

import statistics
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import NamedTuple

from gem_backend.expert_orders import Places, Said, places_of
from gem_backend.types import Answer, Case, CaseSource, Comparison, Split, Verdict
from storage.database import Database
from storage.orders import parts_of, preferred
from storage.pairs import (
    OWN_LABELS,
    Judgement,
    append_event,
    show_case,
    withdraw_parts,
)

_RECENT = f"""
SELECT
    event_id, label_events.seq, pair_id, verdict, strength, is_acceptable, rationale, elapsed_s,
    reasons, label_events.created_at, prompt_id, prompt, answer_a, answer_b, split, source, "left"
FROM label_events
JOIN pairs USING (pair_id)
JOIN prompts USING (prompt_id)
WHERE label_events.seq IN (
    SELECT label_seq {OWN_LABELS} AND ($pair IS NULL OR pair_id = $pair)
    ORDER BY label_seq DESC LIMIT $limit
)
ORDER BY label_events.seq DESC
"""  # noqa: S608 - our own text

_MODELS = """
SELECT prompt_id, text, arg_max(model, seq), arg_max(coalesce(adapter, ''), seq) FROM candidates
WHERE list_contains(?, prompt_id) GROUP BY ALL
"""


class SampledBy(NamedTuple):
    """The model that drew an answer, and the folder of the adapter on it."""

    model: str = ""
    adapter: str = ""


@dataclass(frozen=True, slots=True)
class StoredLabel:
    """A judgement with the case it was about and its moment, ISO 8601 in UTC.

    ``order`` is there where several answers were put in order at once, the case's two among them.
    ``models`` sampled answers A and B, each with its adapter, empty where there is none or it is
    not known.
    """

    case: Case
    judgement: Judgement
    created_at: str
    order: Places = ()
    models: tuple[SampledBy, SampledBy] = (SampledBy(), SampledBy())


def undo(
    db: Database, project_id: str, rater: str, pair_id: str | None = None
) -> StoredLabel | None:
    """Withdraw a label of the rater's that holds and return it, None without one.

    Without a pair it is the newest one; called again it goes one label further back. What was
    stored together with a label is withdrawn with it. Imported labels are left alone.
    """
    with db.transaction():
        rows = _recent(db, project_id, rater, 1, pair_id)
        if not rows:
            return None
        [label] = _stored_labels(db, rows, project_id, rater)
        append_event(db, label.case, rater, "undo")
        withdraw_parts(db, rows[0].event_id, rater)
        return label


def recent_labels(db: Database, project_id: str, rater: str, limit: int = 10) -> list[StoredLabel]:
    """Return the rater's own labels that hold, the newest first; imported ones are left out."""
    labels = _stored_labels(db, _recent(db, project_id, rater, limit), project_id, rater)
    return _with_models(db, labels)


def _with_models(db: Database, labels: list[StoredLabel]) -> list[StoredLabel]:
    """Name the models whose answers were compared; most labels are about none."""
    sampled = [label for label in labels if label.case.comparison.source == "sampled"]
    if not sampled:
        return labels
    prompts = [label.case.comparison.prompt_id for label in sampled]
    found = {
        (str(key), str(words)): SampledBy(str(model), str(adapter))
        for key, words, model, adapter in db.query(_MODELS, [prompts])
    }

    def models(of: Comparison) -> tuple[SampledBy, SampledBy]:
        nobody, key = SampledBy(), of.prompt_id
        return found.get((key, of.answer_a), nobody), found.get((key, of.answer_b), nobody)

    return [
        replace(label, models=models(label.case.comparison)) if label in sampled else label
        for label in labels
    ]


def median_elapsed_s(labels: Iterable[StoredLabel]) -> float | None:
    """Return the median time of labels in seconds, None where none was timed."""
    times = (label.judgement.elapsed_s for label in labels)
    known = [time for time in times if time is not None]
    return statistics.median(known) if known else None


@dataclass(frozen=True, slots=True)
class _LabelRow:
    """A row of ``_RECENT``."""

    event_id: str
    seq: int
    pair_id: str
    verdict: Verdict
    strength: int
    is_acceptable: bool
    rationale: str
    elapsed_s: float | None
    reasons: tuple[str, ...]
    created_at: str
    prompt_id: str
    prompt: str
    answer_a: str
    answer_b: str
    split: Split
    source: CaseSource
    left: Answer | None


def _recent(
    db: Database, project_id: str, rater: str, limit: int, pair_id: str | None = None
) -> list[_LabelRow]:
    where = {"project": project_id, "rater": rater, "pair": pair_id, "limit": limit}
    return db.records(_LabelRow, _RECENT, where)


def _stored_labels(
    db: Database, rows: list[_LabelRow], project_id: str, rater: str
) -> list[StoredLabel]:
    parts = parts_of(db, [(row.event_id, row.seq) for row in rows])
    return [_stored_label(row, project_id, rater, parts.get(row.event_id, [])) for row in rows]


def _stored_label(row: _LabelRow, project_id: str, rater: str, parts: list[Said]) -> StoredLabel:
    """Make a label with what came with it: with "both bad" a written answer, else an order."""
    is_written = row.verdict == "both_bad" and bool(parts)
    own = (row.answer_a, row.answer_b, row.verdict)
    comparison = Comparison(
        row.pair_id,
        project_id,
        row.prompt_id,
        row.prompt,
        row.answer_a,
        row.answer_b,
        row.split,
        row.source,
    )
    judgement = Judgement(
        row.verdict,
        row.strength,
        row.is_acceptable,
        row.rationale,
        row.elapsed_s,
        row.reasons,
        preferred(parts[0]) if is_written else "",
    )
    order = places_of([own, *parts]) if parts and not is_written else ()
    case = Case(comparison, row.left) if row.left else show_case(comparison, rater)
    return StoredLabel(case, judgement, row.created_at, order)
