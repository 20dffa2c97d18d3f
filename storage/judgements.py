"""What raters said, as the statistics of agreement and label health take it."""

from dataclasses import dataclass
from typing import Any

from gem_backend.agreement_counts import Rating, RatingCounts, Said, counts_of_said
from gem_backend.judged import JudgedCase
from storage.database import Database

# An imported pair has the answer that its first rater preferred in front: nearly all verdicts would
# be "a", and agreement would hide behind chance. So here the answer with the smaller hash is first.
_RATED = """
SELECT
    pair_id AS case_id,
    rater,
    CASE
        WHEN verdict NOT IN ('a', 'b') THEN verdict
        WHEN (verdict = 'a') = (md5(answer_a) < md5(answer_b)) THEN 'first'
        ELSE 'second'
    END AS category
FROM labels JOIN pairs USING (pair_id) WHERE project_id = ? AND NOT is_final
"""
_RATINGS = f"{_RATED} ORDER BY labels.seq"

# What follows from a better answer that a rater wrote was not compared; an order of answers was.
_FOLLOWS = "SELECT event_id FROM label_events WHERE verdict = 'both_bad'"
_IS_OWN = f"(part_of IS NULL OR part_of NOT IN ({_FOLLOWS}))"
_OWN_RATINGS = f"{_RATED} AND {_IS_OWN} ORDER BY labels.seq"

# The same with every rating once, for counting it in several ways.
_CREATE_RATED = f"""
CREATE TEMP TABLE rated AS
{_RATED.replace("AS category", f"AS category, {_IS_OWN} AS is_own")}
"""
_CATEGORIES = ("both_bad", "cannot_judge", "first", "second", "tie")
_COUNTS = ", ".join(f"count(*) FILTER (category = '{name}')" for name in _CATEGORIES)
_SAID = f"""
WITH own AS (FROM rated WHERE is_own OR $is_all), cases AS (
    SELECT case_id, [{_COUNTS}] AS counts FROM own GROUP BY case_id
)
SELECT rater, category, counts, count(*) FROM own JOIN cases USING (case_id) GROUP BY ALL
"""  # noqa: S608 - our own text
_MET = """
SELECT one.rater, other.rater, one.category, other.category, count(*)
FROM rated AS one JOIN rated AS other USING (case_id)
WHERE one.rater < other.rater GROUP BY ALL
"""

# An import tells when its file was read, not when its raters were at work.
_LAST_ACTIVE = """
SELECT label_events.rater, max(label_events.created_at)
FROM label_events JOIN pairs USING (pair_id)
WHERE project_id = ? AND NOT is_imported AND NOT is_final
GROUP BY label_events.rater
"""

# Every judgement of a rater that was not taken back; the same case judged again stands twice. An
# undo takes back the rater's last label of that pair before it.
_JUDGED = f"""
SELECT
    pair_id, prompt, answer_a, answer_b, rater, verdict, "left", strength, reasons, rationale,
    elapsed_s
FROM (
    SELECT *, lead(kind) OVER (PARTITION BY pair_id, rater ORDER BY seq) AS next_kind
    FROM label_events WHERE kind <> 'skip' AND NOT is_final
) AS said JOIN pairs USING (pair_id) JOIN prompts USING (prompt_id)
WHERE pairs.project_id = ? AND kind = 'label' AND next_kind IS DISTINCT FROM 'undo'
    AND {_IS_OWN}
ORDER BY said.seq
"""  # noqa: S608 - our own text

_TIMES = f"""
SELECT rater, list(elapsed_s) FROM ({_JUDGED}) WHERE elapsed_s IS NOT NULL GROUP BY rater
"""  # noqa: S608 - our own text

_NEWEST = """
SELECT
    (SELECT max(label_events.seq) FROM label_events JOIN pairs USING (pair_id)
        WHERE project_id = $project) AS last_event,
    count(label_seq) AS num_labels,
    sum(label_seq) AS sum_of_labels
FROM standing WHERE project_id = $project
"""


@dataclass(frozen=True, slots=True)
class Newest:
    """What tells one state of a project's labels from the next: every event and import changes it.

    ``num_labels`` hold now.
    """

    last_event: int | None
    num_labels: int
    sum_of_labels: int | None


@dataclass(frozen=True, slots=True)
class RatedCounts:
    """How often raters said what; ``own`` without what follows from a written answer."""

    all: RatingCounts
    own: tuple[Said, ...]

    @property
    def categories(self) -> tuple[str, ...]:
        """The categories of both."""
        return self.all.categories


def ratings(db: Database, project_id: str) -> list[Rating]:
    """Return each rater's verdict on each case as it stands: "first" or "second" for an answer."""
    return db.records(Rating, _RATINGS, [project_id])


def own_ratings(db: Database, project_id: str) -> list[Rating]:
    """Return the same without what only follows from a better answer that a rater wrote."""
    return db.records(Rating, _OWN_RATINGS, [project_id])


def last_active(db: Database, project_id: str) -> dict[str, str]:
    """Return when each rater last said something in a project, ISO 8601 in UTC."""
    rows = db.query(_LAST_ACTIVE, [project_id])
    return {str(rater): str(moment) for rater, moment in rows}


def times(db: Database, project_id: str) -> dict[str, list[float]]:
    """Return how long each rater took for their cases, in seconds, as far as that is known."""
    rows: list[tuple[Any, ...]] = db.query(_TIMES, [project_id])
    return dict(rows)


def judged_cases(db: Database, project_id: str) -> list[JudgedCase]:
    """Return every judgement that was not taken back, the oldest first."""
    return db.records(JudgedCase, _JUDGED, [project_id])


def rated_counts(db: Database, project_id: str) -> RatedCounts:
    """Return how often raters said what of the project's cases, counted in the database."""
    with db.aside():
        db.execute(_CREATE_RATED, [project_id])
        everything = _said(db, is_all=True)
        met = [(str(a), str(b), str(c), str(d), int(str(n))) for a, b, c, d, n in db.query(_MET)]
        own = _said(db, is_all=False)
        db.execute_script("DROP TABLE rated")
    return RatedCounts(counts_of_said(_CATEGORIES, everything, met), own)


def _said(db: Database, is_all: bool) -> tuple[Said, ...]:
    rows: list[tuple[Any, ...]] = db.query(_SAID, {"is_all": is_all})
    return tuple(
        Said(rater, _CATEGORIES.index(category), tuple(counts), times)
        for rater, category, counts, times in rows
    )


def newest(db: Database, project_id: str) -> Newest:
    """Return what changes with every event of a project."""
    found = db.one(Newest, _NEWEST, {"project": project_id})
    return found or Newest(None, 0, None)
