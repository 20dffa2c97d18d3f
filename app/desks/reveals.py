"""What the studio does where experts rank first and see the machine's order second."""

import itertools
from collections.abc import Sequence

from app.desks.sampling import MAX_CASE_ANSWERS, distinct_answers
from app.text import blind as say
from gem_backend.automation_bias import (
    AutomationBias,
    SeenOrder,
    Tau,
    automation_bias,
    tau_between,
)
from gem_backend.expert_orders import Said
from gem_backend.types import Candidate, Comparison, RankedCandidate
from storage import branches, projects, reveals
from storage.database import Database
from storage.errors import EntryError
from storage.identity import prompt_id
from storage.reveals import Reveal, places_said


class RevealsDesk:
    """Withholds the machine's orders, and keeps what was shown to whom.

    Args:
        db: the open database.
    """

    def __init__(self, db: Database) -> None:
        self._db = db

    def is_withheld(self, project_id: str, rater: str, group: Sequence[Candidate]) -> bool:
        """Whether a rater has to put a group in order first.

        That is so where the project asks for it, until there is a label of theirs on every two of
        the answers that ``pair_answers`` makes cases of, or they were shown the group before. A
        group of which no two answers differ has no order to withhold.
        """
        if not projects.get_project(self._db, project_id).is_blind_first:
            return False
        pairs = itertools.combinations(distinct_answers(group, MAX_CASE_ANSWERS), 2)
        said = {frozenset(one[:2]) for one in self._said(project_id, rater, group)}
        if said.issuperset(map(frozenset, pairs)):
            return False
        ids = [one.candidate_id for one in group]
        prompt = prompt_id(project_id, group[0].prompt)
        return not reveals.was_shown(self._db, prompt, rater, ids)

    def pair_answers(self, group: Sequence[Candidate]) -> list[Comparison]:
        """Make a case of every two answers of a group, as many as can be read."""
        ids = {one.text: one.candidate_id for one in reversed(group)}
        chosen = [ids[text] for text in distinct_answers(group, MAX_CASE_ANSWERS)]
        if len(chosen) < 2:
            raise EntryError(say.NO_TWO)
        with self._db.transaction():
            return [
                branches.pair_candidates(self._db, first, second)
                for first, second in itertools.combinations(chosen, 2)
            ]

    def reveal(
        self, project_id: str, rater: str, ranked: Sequence[RankedCandidate], is_calibrated: bool
    ) -> Tau | None:
        """Return how far a rater's order agrees with one that they are shown.

        Where the project asks experts to rank first it is kept, the first time, that they are shown
        it. None where there is nothing to order, or they ordered nothing and nobody asked.
        """
        group = [one.candidate for one in ranked]
        own = places_said(self._said(project_id, rater, group))
        is_asked = projects.get_project(self._db, project_id).is_blind_first
        if not (is_asked or own) or len(distinct_answers(group, 2)) < 2:
            return None
        answers = tuple(one.text for one in group)
        ranks = tuple(one.rank for one in ranked)
        tau = tau_between(own, machine_places(answers, ranks))
        if not is_asked:
            return tau
        reveal = Reveal(
            project_id=project_id,
            prompt_id=prompt_id(project_id, group[0].prompt),
            rater=rater,
            is_calibrated=is_calibrated,
            candidate_ids=tuple(one.candidate_id for one in group),
            answers=answers,
            ranks=ranks,
            gem_scores=tuple(one.score.value for one in ranked),
            own_places=tuple(own.get(answer) for answer in answers),
            tau=tau.value,
            num_answers=tau.n,
        )
        reveals.add_reveal(self._db, reveal)
        return tau

    def automation_bias(self, project_id: str) -> tuple[AutomationBias, ...]:
        """Return what raters did to their orders once they had seen the machine's."""
        said = reveals.said_now(self._db, project_id)
        shown = reveals.list_reveals(self._db, project_id)
        return automation_bias([_seen(one, said) for one in shown])

    def _said(self, project_id: str, rater: str, group: Sequence[Candidate]) -> list[Said]:
        if not group:
            return []
        prompt = prompt_id(project_id, group[0].prompt)
        return reveals.said_between(self._db, prompt, rater, {one.text for one in group})


def machine_places(answers: Sequence[str], ranks: Sequence[int]) -> dict[str, int]:
    """Return a rank for each answer; one that was sampled several times has its best."""
    places: dict[str, int] = {}
    for answer, rank in zip(answers, ranks, strict=True):
        places[answer] = min(rank, places.get(answer, rank))
    return places


def _seen(reveal: Reveal, said: dict[tuple[str, str], list[Said]]) -> SeenOrder:
    both = zip(reveal.answers, reveal.own_places, strict=True)
    about = [
        one
        for one in said.get((reveal.prompt_id, reveal.rater), [])
        if {one[0], one[1]} <= set(reveal.answers)
    ]
    return SeenOrder(
        reveal.rater,
        machine_places(reveal.answers, reveal.ranks),
        {answer: place for answer, place in both if place is not None},
        places_said(about),
    )
