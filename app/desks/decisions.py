"""A run traced back to the tokens at which the answers of its training pairs parted."""

from app.records import Decision, Decisions
from gem_backend.run_dir import RunSpec
from gem_backend.training_data import split_training_data
from gem_backend.types import PreferencePair
from storage.branches import branched_pairs, origins
from storage.database import Database

MOST_DECISIONS = 20  # ours: rows of a table that is still read


def decisions_of(db: Database, spec: RunSpec) -> Decisions:
    """Return the first of a run's decisions, and how many it has."""
    branched = branched_pairs(db, spec.project_id)
    if not branched:
        return Decisions()
    train = split_training_data(spec.pairs, spec.pool).train
    pairs = (pair for pair in train if pair.pair_id in branched)
    found = [one for one in (_decision(db, pair) for pair in pairs) if one is not None]
    return Decisions(tuple(found[:MOST_DECISIONS]), len(found), spec.project_id)


def _decision(db: Database, pair: PreferencePair) -> Decision | None:
    """Return where the answers of a pair parted: the last place that both have in common."""
    answers = (pair.chosen, pair.rejected)
    left = [
        (one, one.branch)
        for one in origins(db, pair.pair_id)
        if one.branch and all(answer.startswith(one.text_before) for answer in answers)
    ]
    if not left:
        return None
    origin, branch = max(left, key=lambda one: len(one[0].text_before))
    before = origin.text_before
    preferred, rejected = (answer[len(before) :] for answer in answers)
    return Decision(
        pair.prompt,
        before,
        preferred,
        rejected,
        branch.parent_id,
        branch.token + 1,
        origin.token_text,
        origin.entropy,
    )
