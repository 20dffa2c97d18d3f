"""Sampled candidates with their scores and the orders that people and the machine gave them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pyarrow as pa

from gem_backend.candidate_table import SCHEMA, from_table, to_table
from gem_backend.config import ScoringConfig
from gem_backend.types import Candidate, GemScore, RankedCandidate, Stage
from storage.database import Database
from storage.errors import EntryError, NotFoundError
from storage.identity import content_id, monotonic_s, new_id, utc_now
from storage.projects import get_prompt

_COLUMNS = ", ".join(SCHEMA.names)
_OF_GROUP = f"SELECT {_COLUMNS} FROM candidates WHERE group_id = ? ORDER BY seq"  # noqa: S608 - ours
_OF_RUN = (
    f"SELECT {_COLUMNS} FROM candidates"  # noqa: S608 - our own column names
    " WHERE run_id = ? AND stage = ? AND round = ? ORDER BY seq"
)
_NEWEST = "SELECT group_id FROM candidates WHERE prompt_id = ? ORDER BY seq DESC LIMIT 1"
_GROUPS = """
SELECT
    group_id, max(created_at) AS drawn_at, count(*) AS num_candidates,
    arg_min(model, seq) AS model, arg_min(adapter, seq) AS adapter, arg_min(seed, seq) AS seed,
    arg_min(temperature, seq) AS temperature, arg_min(top_p, seq) AS top_p
FROM candidates WHERE prompt_id = ?
GROUP BY group_id ORDER BY max(seq) DESC
"""
_SCORES = """
SELECT candidate_id, gem_score, final_entropy, fork_entropy, fork_tokens, rank FROM scores
WHERE group_id = ? AND lambda_fork = ? AND top_m = ?
"""


@dataclass(frozen=True, slots=True)
class CandidateGroup:
    """Candidates that were sampled together, in the order they came."""

    group_id: str
    candidates: tuple[Candidate, ...]


@dataclass(frozen=True, slots=True)
class GroupSummary:
    """A group in a few facts: how many, when the newest was drawn, and how the first one was."""

    group_id: str
    drawn_at: str
    num_candidates: int
    model: str
    adapter: str | None
    seed: int
    temperature: float
    top_p: float


@dataclass(frozen=True, slots=True)
class Ranking:
    """An order of a group: ``ranks`` by candidate id, 1 for the best, equal ranks are ties."""

    ranking_id: str
    group_id: str
    rater: str | None
    ranks: Mapping[str, int]
    created_at: str


def save_group(db: Database, prompt_id: str, candidates: Sequence[Candidate]) -> str:
    """Store candidates that were sampled together in Explore and return the id of their group.

    Raises:
        EntryError: there are no candidates.
        NotFoundError: there is no such prompt.
    """
    if not candidates:
        raise EntryError("There are no candidates to store.")
    group_id = new_id()
    with db.transaction():
        get_prompt(db, prompt_id)
        db.insert("candidates", candidate_rows(candidates, group_id, prompt_id))
    return group_id


def candidate_rows(candidates: Sequence[Candidate], group_id: str, prompt_id: str) -> pa.Table:
    """Return candidates of Explore as rows of the table."""
    count = len(candidates)
    return to_table(
        candidates,
        group_id=[group_id] * count,
        prompt_id=[prompt_id] * count,
        stage=["explore"] * count,
        round=[0] * count,
        created_at=[utc_now()] * count,
    )


def latest_group(db: Database, prompt_id: str) -> CandidateGroup | None:
    """Return the newest group of a prompt, None if none was sampled."""
    rows = db.query(_NEWEST, [prompt_id])
    return get_group(db, str(rows[0][0])) if rows else None


def list_groups(db: Database, prompt_id: str) -> list[GroupSummary]:
    """Return the groups of a prompt, the one first that was sampled or added to last."""
    return db.records(GroupSummary, _GROUPS, [prompt_id])


def get_group(db: Database, group_id: str) -> CandidateGroup:
    """Return a group.

    Raises:
        NotFoundError: there is none with that id.
    """
    candidates = from_table(db.arrow(_OF_GROUP, [group_id]))
    if not candidates:
        raise NotFoundError("These candidates are no longer there; sample them again.")
    return CandidateGroup(group_id, tuple(candidates))


def save_scores(
    db: Database, group_id: str, ranked: Sequence[RankedCandidate], config: ScoringConfig
) -> None:
    """Store a group's scores under these settings, in place of earlier ones under the same."""
    with db.transaction():
        db.execute(
            "DELETE FROM scores WHERE group_id = ? AND lambda_fork = ? AND top_m = ?",
            [group_id, config.lambda_fork, config.top_m],
        )
        rows = [_score_row(group_id, one, config) for one in ranked]
        if rows:
            db.insert("scores", pa.Table.from_pylist(rows))


def ranked_group(db: Database, group_id: str, config: ScoringConfig) -> list[RankedCandidate]:
    """Return a group's scored candidates, the best first; empty if these settings were not stored.

    Raises:
        NotFoundError: there is no such group.
    """
    candidates = {one.candidate_id: one for one in get_group(db, group_id).candidates}

    def ranked(
        candidate_id: str,
        gem_score: float,
        final_entropy: float,
        fork_entropy: float,
        fork_tokens: list[int],
        rank: int,
    ) -> RankedCandidate:
        score = GemScore(gem_score, final_entropy, fork_entropy, tuple(fork_tokens))
        return RankedCandidate(candidates[candidate_id], score, rank)

    rows = db.records(ranked, _SCORES, [group_id, config.lambda_fork, config.top_m])
    return sorted(rows, key=lambda one: one.rank)


def save_ranking(
    db: Database, group_id: str, ranks: Mapping[str, int], rater: str | None = None
) -> Ranking:
    """Add an order of a group to its log.

    Args:
        db: the open database.
        group_id: the group.
        ranks: the place of each candidate by its id, 1 for the best; equal places are ties.
        rater: who ordered them, None for the machine.

    Raises:
        EntryError: a candidate is missing or unknown.
        NotFoundError: there is no such group.
    """
    known = {one.candidate_id for one in get_group(db, group_id).candidates}
    if known != set(ranks):
        raise EntryError("Give every candidate of the group a place, and no other one.")
    ranking = Ranking(new_id(), group_id, rater, dict(ranks), utc_now())
    db.execute(
        "INSERT INTO rankings (ranking_id, group_id, rater, candidate_ids, ranks, created_at,"
        " monotonic_s) VALUES (?, ?, ?, ?, ?, ?, ?)",
        [
            ranking.ranking_id,
            group_id,
            rater,
            list(ranks),
            list(ranks.values()),
            ranking.created_at,
            monotonic_s(),
        ],
    )
    return ranking


def latest_ranking(db: Database, group_id: str, rater: str | None = None) -> Ranking | None:
    """Return the newest order of a group by a rater (None: the machine), None if there is none."""

    def ranking(candidate_ids: list[str], ranks: list[int], **rest: str) -> Ranking:
        return Ranking(ranks=dict(zip(candidate_ids, ranks, strict=True)), **rest)

    return db.one(
        ranking,
        "SELECT ranking_id, group_id, rater, candidate_ids, ranks, created_at FROM rankings"
        " WHERE group_id = ? AND rater IS NOT DISTINCT FROM ? ORDER BY seq DESC LIMIT 1",
        [group_id, rater],
    )


def run_candidates(db: Database, run_id: str, stage: Stage, round: int = 0) -> list[Candidate]:
    """Return what a run sampled at a stage (and round), in its order."""
    return from_table(db.arrow(_OF_RUN, [run_id, stage, round]))


def replace_run_candidates(db: Database, run_id: str, table: pa.Table) -> int:
    """Store a candidate file of a run in place of what an earlier version of it held.

    Args:
        db: the open database.
        run_id: the run.
        table: columns as ``candidate_table.read_table`` gives them; each stage and round in whole.

    Returns:
        the number of candidates.
    """
    moments = {(row["stage"], row["round"]) for row in table.select(["stage", "round"]).to_pylist()}
    with db.transaction():
        for stage, round in moments:
            db.execute(
                "DELETE FROM candidates WHERE run_id = ? AND stage = ? AND round = ?",
                [run_id, stage, round],
            )
        groups = [
            _run_group(run_id, row)
            for row in table.select(["stage", "round", "prompt"]).to_pylist()
        ]
        count = table.num_rows
        for name, values in {
            "group_id": groups,
            "run_id": [run_id] * count,
            "created_at": [utc_now()] * count,
        }.items():
            table = table.append_column(name, pa.array(values, pa.string()))
        return db.insert("candidates", table)


def replace_run_scores(db: Database, run_id: str, scores: pa.Table, config: ScoringConfig) -> int:
    """Store the scores of a candidate file of a run in place of what an earlier version held.

    Args:
        db: the open database.
        run_id: the run.
        scores: columns as ``candidate_table.read_scores`` gives them.
        config: the run's own scoring settings.

    Returns:
        the number of scores.
    """
    rows = [
        {
            **{name: value for name, value in row.items() if name not in _NOT_STORED},
            "group_id": _run_group(run_id, row),
            "lambda_fork": config.lambda_fork,
            "top_m": config.top_m,
            "created_at": utc_now(),
        }
        for row in scores.to_pylist()
    ]
    if not rows:
        return 0
    groups = sorted({str(row["group_id"]) for row in rows})
    with db.transaction():
        db.execute("DELETE FROM scores WHERE list_contains(?, group_id)", [groups])
        return db.insert("scores", pa.Table.from_pylist(rows))


_NOT_STORED = ("prompt", "stage", "round")


def _run_group(run_id: str, row: Mapping[str, object]) -> str:
    """The group of a run's candidate: those of one prompt at one moment belong together."""
    return content_id("run", run_id, str(row["stage"]), str(row["round"]), str(row["prompt"]))


def _score_row(group_id: str, ranked: RankedCandidate, config: ScoringConfig) -> dict[str, object]:
    return {
        "group_id": group_id,
        "candidate_id": ranked.candidate.candidate_id,
        "gem_score": ranked.score.value,
        "final_entropy": ranked.score.final_entropy,
        "fork_entropy": ranked.score.fork_entropy,
        "fork_tokens": list(ranked.score.fork_tokens),
        "lambda_fork": config.lambda_fork,
        "top_m": config.top_m,
        "rank": ranked.rank,
        "created_at": utc_now(),
    }
