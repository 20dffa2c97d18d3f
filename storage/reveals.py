"""What raters were shown of the machine's orders, beside their own: a log that only grows."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass

from gem_backend.expert_orders import Said, places_of
from storage.database import Database
from storage.errors import NotFoundError
from storage.identity import new_id, utc_now

_GROUP = """
SELECT group_id FROM candidates WHERE prompt_id = ? AND candidate_id = ? ORDER BY seq DESC LIMIT 1
"""

_SAID = """
SELECT answer_a, answer_b, verdict
FROM pairs
JOIN standing USING (pair_id)
JOIN label_events ON label_events.seq = label_seq
WHERE prompt_id = $prompt AND standing.rater = $rater AND NOT standing.is_final
    AND list_contains($answers, answer_a) AND list_contains($answers, answer_b)
ORDER BY label_seq
"""

_ADD = """
INSERT INTO reveals (
    reveal_id, project_id, prompt_id, group_id, rater, is_calibrated, candidate_ids, answers, ranks,
    gem_scores, own_places, tau, num_answers, created_at
) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING
"""

_REVEALS = """
SELECT
    project_id, prompt_id, rater, is_calibrated, candidate_ids, answers, ranks, gem_scores,
    own_places, tau, num_answers, group_id, created_at
FROM reveals WHERE project_id = ? ORDER BY seq
"""

_SHOWN = """
SELECT count(*) FROM reveals
WHERE prompt_id = ? AND rater = ? AND list_has_any(candidate_ids, CAST(? AS VARCHAR[]))
"""

# What the raters say now of the questions of which they were shown an order.
_SAID_NOW = """
SELECT shown.prompt_id, shown.rater, answer_a, answer_b, verdict
FROM (SELECT DISTINCT prompt_id, rater FROM reveals WHERE project_id = ?) AS shown
JOIN pairs USING (prompt_id)
JOIN standing USING (pair_id, rater)
JOIN label_events ON label_events.seq = label_seq
WHERE NOT standing.is_final
ORDER BY label_seq
"""


@dataclass(frozen=True, slots=True)
class Reveal:
    """The first time that a rater was shown the machine's order of a group.

    The lists run in parallel, an entry a candidate in the order shown: its text, its rank (1 for
    the best, equal ranks are ties), its entropy score, and the place that the rater had given its
    text, None without one. ``tau`` is Kendall's tau-b of both over the ``num_answers`` that have a
    place, None where it does not exist. ``is_calibrated``: the machine had learned from labels.
    ``group_id`` and ``created_at``, ISO 8601 in UTC, are filled in when it is stored.
    """

    project_id: str
    prompt_id: str
    rater: str
    is_calibrated: bool
    candidate_ids: tuple[str, ...]
    answers: tuple[str, ...]
    ranks: tuple[int, ...]
    gem_scores: tuple[float, ...]
    own_places: tuple[int | None, ...]
    tau: float | None
    num_answers: int
    group_id: str = ""
    created_at: str = ""


def said_between(db: Database, prompt_id: str, rater: str, answers: Collection[str]) -> list[Said]:
    """Return a rater's labels that hold on pairs of some answers to a question."""
    where = {"prompt": prompt_id, "rater": rater, "answers": list(answers)}
    return [(str(a), str(b), str(verdict)) for a, b, verdict in db.query(_SAID, where)]


def places_said(said: Iterable[Said]) -> dict[str, int]:
    """Return the order that labels make, by answer, 1 for the best; equal places are ties.

    It goes by how many answers each was preferred to, less those preferred to it. Where all pairs
    were judged in one order that is the order. Two bad answers are alike; answers of which nothing
    can be judged have no place.
    """
    places = places_of(one for one in said if one[2] != "cannot_judge")
    return {answer: number for number, place in enumerate(places, start=1) for answer in place}


def add_reveal(db: Database, reveal: Reveal) -> bool:
    """Add a reveal to the log, unless its rater was shown that group before; whether it was added.

    Raises:
        NotFoundError: the candidates are no longer there.
    """
    with db.transaction():
        rows = db.query(_GROUP, [reveal.prompt_id, reveal.candidate_ids[0]])
        if not rows:
            raise NotFoundError("These candidates are no longer there; sample them again.")
        added = db.execute(
            _ADD,
            [
                *(new_id(), reveal.project_id, reveal.prompt_id, str(rows[0][0]), reveal.rater),
                *(reveal.is_calibrated, list(reveal.candidate_ids), list(reveal.answers)),
                *(list(reveal.ranks), list(reveal.gem_scores), list(reveal.own_places)),
                *(reveal.tau, reveal.num_answers, utc_now()),
            ],
        )
        return bool(added)


def was_shown(db: Database, prompt_id: str, rater: str, candidate_ids: Collection[str]) -> bool:
    """Whether a rater was shown the machine's order of any of some candidates of a question."""
    return bool(db.count(_SHOWN, [prompt_id, rater, list(candidate_ids)]))


def list_reveals(db: Database, project_id: str) -> list[Reveal]:
    """Return what was shown of a project to whom, the oldest first."""
    return db.records(Reveal, _REVEALS, [project_id])


def said_now(db: Database, project_id: str) -> dict[tuple[str, str], list[Said]]:
    """Return the labels that hold of who was shown an order, by its question's id and the rater.

    They are about all answers to the question, others than those of the order among them.
    """
    rows = [tuple(map(str, row)) for row in db.query(_SAID_NOW, [project_id])]
    said: dict[tuple[str, str], list[Said]] = {}
    for prompt_id, rater, a, b, verdict in rows:
        said.setdefault((prompt_id, rater), []).append((a, b, verdict))
    return said
