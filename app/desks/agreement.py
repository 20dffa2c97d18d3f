"""What the raters of a project agree on, and how healthy its labels are."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from app.tasks import Tasks
from gem_backend.agreement import (
    PairAgreement,
    RaterAgreement,
    fleiss_kappa,
    krippendorff_alpha,
    pairwise_agreement,
)
from gem_backend.agreement_counts import Rating, RatingCounts, counts_of_table, rating_table
from gem_backend.engine import OnProgress
from gem_backend.judged import JudgedCase
from gem_backend.label_health import HealthReport, label_health
from gem_backend.rater_view import RaterRow, rows_of_said
from storage import judgements
from storage.database import Database

MOST_PAIRS = 20  # ours: pairs of raters that a page compares
AT_ONCE = 2_000  # ours: labels whose figures nobody has to wait for


@dataclass(frozen=True, slots=True)
class AgreementView:
    """Figures for a page; ``num_raters`` counts those who judged anything.

    ``pairs`` are those of all ``num_pairs`` pairs of raters who have most cases in common.
    ``is_outdated``: labels have come since, and the figures are being worked out anew.
    """

    num_raters: int
    fleiss: RaterAgreement
    krippendorff: RaterAgreement
    pairs: tuple[PairAgreement, ...]
    health: HealthReport
    raters: tuple[RaterRow, ...] = ()
    is_outdated: bool = False

    @property
    def num_pairs(self) -> int:
        """How many pairs of raters there are."""
        return self.num_raters * (self.num_raters - 1) // 2


class AgreementDesk:
    """Works a project's figures out once for each state of its labels; many, in the background.

    Args:
        db: the open database.
        tasks: what runs in the background.
    """

    def __init__(self, db: Database, tasks: Tasks) -> None:
        self._db = db
        self._tasks = tasks
        self._known: dict[str, tuple[judgements.Newest, AgreementView]] = {}

    def view(self, project_id: str) -> AgreementView | None:
        """Return agreement and health of a project's labels.

        Of many labels the figures that are known, outdated ones marked, or None before there are
        any; then they are being worked out.
        """
        newest = judgements.newest(self._db, project_id)
        known = self._known.get(project_id)
        if known is not None and known[0] == newest:
            return known[1]
        if newest.num_labels <= AT_ONCE:
            return self._work_out(project_id)
        self._start(project_id)
        return replace(known[1], is_outdated=True) if known is not None else None

    def known(self, project_id: str) -> AgreementView | None:
        """Return the figures that were worked out last."""
        known = self._known.get(project_id)
        return known[1] if known is not None else None

    def is_busy(self, project_id: str) -> bool:
        """Whether a project's figures are being worked out."""
        return self._tasks.state(_task(project_id)).state == "running"

    def _start(self, project_id: str) -> None:
        def work(_: OnProgress) -> None:
            self._work_out(project_id)

        self._tasks.start(_task(project_id), work)

    def _work_out(self, project_id: str) -> AgreementView:
        newest = judgements.newest(self._db, project_id)
        view = _view(self._db, project_id)
        self._known[project_id] = (newest, view)
        return view


def _task(project_id: str) -> str:
    return f"agreement {project_id}"


def _view(db: Database, project_id: str) -> AgreementView:
    cases = judgements.judged_cases(db, project_id)
    rated = judgements.rated_counts(db, project_id)
    times_s = judgements.times(db, project_id)
    last_active = judgements.last_active(db, project_id)
    rows = rows_of_said(rated.categories, rated.own, times_s, last_active)
    return _figures(rated.all, label_health(cases), rows)


def agreement_view(
    ratings: Sequence[Rating], cases: Sequence[JudgedCase] = (), raters: Sequence[RaterRow] = ()
) -> AgreementView:
    """Work all figures out.

    Args:
        ratings: each rater's verdict on each case, as it stands.
        cases: every judgement that was not taken back.
        raters: the raters at work.
    """
    return _figures(counts_of_table(rating_table(ratings)), label_health(cases), raters)


def _figures(
    counts: RatingCounts, health: HealthReport, raters: Sequence[RaterRow]
) -> AgreementView:
    return AgreementView(
        num_raters=len(counts.raters),
        fleiss=fleiss_kappa(counts),
        krippendorff=krippendorff_alpha(counts),
        pairs=pairwise_agreement(counts, most=MOST_PAIRS),
        health=health,
        raters=tuple(raters),
    )
