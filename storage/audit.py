"""The label log as it was written: who said what, when, and what they took back."""

from dataclasses import asdict, dataclass
from typing import Literal

from gem_backend.types import LabelEvent, LabelKind, Verdict
from storage.database import Database
from storage.pairs import Judgement

PAGE_EVENTS = 25  # ours: about what a screen and a half can show

_LOG = """
SELECT
    event_id, pair_id, label_events.rater, kind, verdict, "left", strength, is_acceptable,
    rationale, elapsed_s, label_events.created_at, label_events.reasons,
    is_final, is_imported, imported_by, imported_at
FROM label_events JOIN pairs USING (pair_id)
"""


def label_log(db: Database, project_id: str, limit: int = 1000) -> list[LabelEvent]:
    """Return a project's newest events, the newest first.

    Args:
        db: the open database.
        project_id: the project.
        limit: how many events at most.
    """
    condition = " WHERE pairs.project_id = ? ORDER BY label_events.seq DESC LIMIT ?"
    return db.records(LabelEvent, _LOG + condition, [project_id, limit])


def pair_log(db: Database, pair_id: str) -> list[LabelEvent]:
    """Return everything that was ever said about a pair, the oldest first."""
    condition = " WHERE pair_id = ? ORDER BY label_events.seq"
    return db.records(LabelEvent, _LOG + condition, [pair_id])


@dataclass(frozen=True, slots=True)
class LogFilter:
    """What to look for in the log; what is empty does not matter.

    Kind "label" is a rater's own, "final" what settles a case and taking that back. ``question`` is
    part of the question, in any case; ``since`` and ``until`` are ISO 8601 in UTC, as in the log,
    the first of them included.
    """

    rater: str = ""
    kind: LabelKind | Literal["final", ""] = ""
    question: str = ""
    since: str = ""
    until: str = ""


@dataclass(frozen=True, slots=True)
class LoggedEvent:
    """An event with the rater's label on its case before it and after it, None where none held.

    A final label has a before and an after of its own. Texts are cut after 1,000 characters.
    ``is_part``: the label came with another one, as part of an order or with a written answer.
    """

    created_at: str
    rater: str
    kind: LabelKind
    is_final: bool
    is_imported: bool
    is_part: bool
    prompt: str
    answer_a: str
    answer_b: str
    before: Judgement | None
    after: Judgement | None


@dataclass(frozen=True, slots=True)
class LogPage:
    """Some of the ``total`` events that were looked for, the newest first."""

    events: tuple[LoggedEvent, ...]
    total: int


_FOUND = """
FROM label_events JOIN pairs USING (pair_id) JOIN prompts USING (prompt_id)
WHERE pairs.project_id = $project
    AND ($rater = '' OR label_events.rater = $rater)
    AND ($kind = '' OR ($kind = 'final' AND is_final) OR ($kind = kind AND NOT is_final))
    AND contains(lower(prompt), lower($question))
    AND ($since = '' OR label_events.created_at >= $since)
    AND ($until = '' OR label_events.created_at < $until)
"""

# What holds after an event is its rater's last word up to it; a skip is no word on the case.
_PAGE = f"""
WITH page AS (
    SELECT label_events.seq, pair_id {_FOUND}
    ORDER BY label_events.seq DESC LIMIT $limit OFFSET $offset
), held AS (
    SELECT
        seq,
        last_value(word IGNORE NULLS) OVER (so_far ROWS BETWEEN UNBOUNDED PRECEDING
            AND 1 PRECEDING) AS before_seq,
        last_value(word IGNORE NULLS) OVER (so_far ROWS BETWEEN UNBOUNDED PRECEDING
            AND CURRENT ROW) AS after_seq
    FROM (
        SELECT *, CASE kind WHEN 'label' THEN seq WHEN 'undo' THEN 0 END AS word
        FROM label_events SEMI JOIN page USING (pair_id)
    )
    WINDOW so_far AS (PARTITION BY pair_id, rater, is_final ORDER BY seq)
)
SELECT
    label_events.created_at, label_events.rater, kind, is_final, is_imported,
    part_of IS NOT NULL AS is_part, left(prompt, 1000) AS prompt,
    left(answer_a, 1000) AS answer_a, left(answer_b, 1000) AS answer_b, before_seq, after_seq
FROM label_events
JOIN page USING (seq)
JOIN held USING (seq)
JOIN pairs ON pairs.pair_id = label_events.pair_id
JOIN prompts USING (prompt_id)
ORDER BY label_events.seq DESC
"""  # noqa: S608 - our own text

_SAID = """
SELECT seq, verdict, strength, is_acceptable, left(rationale, 1000) AS rationale, reasons
FROM label_events WHERE list_contains(?, seq)
"""


def log_page(
    db: Database, project_id: str, asked: LogFilter, limit: int = PAGE_EVENTS, offset: int = 0
) -> LogPage:
    """Return some of a project's events, the newest first, with what held before and after each.

    Args:
        db: the open database.
        project_id: the project.
        asked: which events.
        limit: how many at most.
        offset: how many newer ones to leave out.
    """
    given = {"project": project_id, **asdict(asked)}
    rows = db.records(_Row, _PAGE, {**given, "limit": limit, "offset": offset})
    needed = {seq for row in rows for seq in (row.before_seq, row.after_seq) if seq}
    said = {
        one.seq: Judgement(
            one.verdict, one.strength, one.is_acceptable, one.rationale, reasons=one.reasons
        )
        for one in db.records(_Said, _SAID, [sorted(needed)])
    }
    events = tuple(_logged(row, said) for row in rows)
    return LogPage(events, db.count(f"SELECT count(*) {_FOUND}", given))


def raters_in_log(db: Database, project_id: str) -> list[str]:
    """Return everybody who ever said something in a project, in order of name."""
    rows = db.query(
        "SELECT DISTINCT label_events.rater FROM label_events JOIN pairs USING (pair_id)"
        " WHERE project_id = ? ORDER BY 1",
        [project_id],
    )
    return [str(rater) for (rater,) in rows]


@dataclass(frozen=True, slots=True)
class _Row:
    """A row of ``_PAGE``; before or after 0 or None, no label held."""

    created_at: str
    rater: str
    kind: LabelKind
    is_final: bool
    is_imported: bool
    is_part: bool
    prompt: str
    answer_a: str
    answer_b: str
    before_seq: int | None
    after_seq: int | None


@dataclass(frozen=True, slots=True)
class _Said:
    """A row of ``_SAID``."""

    seq: int
    verdict: Verdict
    strength: int
    is_acceptable: bool
    rationale: str
    reasons: tuple[str, ...]


def _logged(row: _Row, said: dict[int, Judgement]) -> LoggedEvent:
    return LoggedEvent(
        created_at=row.created_at,
        rater=row.rater,
        kind=row.kind,
        is_final=row.is_final,
        is_imported=row.is_imported,
        is_part=row.is_part,
        prompt=row.prompt,
        answer_a=row.answer_a,
        answer_b=row.answer_b,
        before=said.get(row.before_seq or 0),
        after=said.get(row.after_seq or 0),
    )
