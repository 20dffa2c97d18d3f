"""What the raters of a project agree on, and how healthy its labels are."""

from collections.abc import Sequence
from dataclasses import dataclass

from gem_backend.agreement import (
    PairAgreement,
    RaterAgreement,
    Rating,
    fleiss_kappa,
    krippendorff_alpha,
    pairwise_agreement,
    rating_table,
)
from gem_backend.judged import JudgedCase
from gem_backend.label_health import HealthReport, LabelHealth, label_health, project_health
from gem_backend.rater_view import RaterRow, rater_rows
from storage import judgements
from storage.database import Database


@dataclass(frozen=True, slots=True)
class AgreementView:
    """Figures for a page; ``num_raters`` counts those who judged anything."""

    num_raters: int
    fleiss: RaterAgreement
    krippendorff: RaterAgreement
    pairs: tuple[PairAgreement, ...]
    health: HealthReport
    raters: tuple[RaterRow, ...] = ()


class AgreementDesk:
    """Works a project's figures out once for each new event of its log.

    Args:
        db: the open database.
    """

    def __init__(self, db: Database) -> None:
        self._db = db
        self._known: dict[str, tuple[int, AgreementView]] = {}
        self._health: dict[str, tuple[int, LabelHealth]] = {}

    def view(self, project_id: str) -> AgreementView:
        """Return agreement and health of a project's labels."""
        last = judgements.last_event(self._db, project_id)
        known = self._known.get(project_id)
        if known is None or known[0] != last:
            known = self._known[project_id] = (last, _view(self._db, project_id))
        return known[1]

    def health(self, project_id: str) -> LabelHealth:
        """Return the health of a project's labels alone, which takes less time than the rest."""
        last = judgements.last_event(self._db, project_id)
        viewed = self._known.get(project_id)
        if viewed is not None and viewed[0] == last:
            return viewed[1].health.project
        known = self._health.get(project_id)
        if known is None or known[0] != last:
            checks = project_health(judgements.judged_cases(self._db, project_id))
            known = self._health[project_id] = (last, checks)
        return known[1]


def _view(db: Database, project_id: str) -> AgreementView:
    cases = judgements.judged_cases(db, project_id)
    rows = rater_rows(
        judgements.own_ratings(db, project_id), cases, judgements.last_active(db, project_id)
    )
    return agreement_view(judgements.ratings(db, project_id), cases, rows)


def agreement_view(
    ratings: Sequence[Rating], cases: Sequence[JudgedCase] = (), raters: Sequence[RaterRow] = ()
) -> AgreementView:
    """Work all figures out.

    Args:
        ratings: each rater's verdict on each case, as it stands.
        cases: every judgement that was not taken back.
        raters: the raters at work.
    """
    table = rating_table(ratings)
    return AgreementView(
        num_raters=len(table.raters),
        fleiss=fleiss_kappa(table),
        krippendorff=krippendorff_alpha(table),
        pairs=pairwise_agreement(table),
        health=label_health(cases),
        raters=tuple(raters),
    )
