"""The use cases about raters: how far they agree, what is disputed, accounts; see ``Studio``."""

from app.access import for_admins
from app.desks import audit
from app.desks.agreement import AgreementView
from app.desks.disputes import Said
from app.records import DisputedCase, LogAsked, LogPart
from app.studio_base import StudioBase
from gem_backend.automation_bias import AutomationBias
from gem_backend.types import Case, Rater, Role


class RaterUseCases(StudioBase):
    """What Data asks for about those who label."""

    @for_admins
    def agreement(self, project_id: str) -> AgreementView | None:
        """Return what the raters agree on, and what the labels give away.

        Of many labels it is worked out in the background: meanwhile what is known, None at first.
        """
        return self._agreement.view(project_id)

    @for_admins
    def known_agreement(self, project_id: str) -> AgreementView | None:
        """Return the figures that were worked out last."""
        return self._agreement.known(project_id)

    @for_admins
    def is_agreement_busy(self, project_id: str) -> bool:
        """Whether they are being worked out now."""
        return self._agreement.is_busy(project_id)

    @for_admins
    def automation_bias(self, project_id: str) -> tuple[AutomationBias, ...]:
        """Return what raters did to their orders once they had seen the machine's."""
        return self._reveals.automation_bias(project_id)

    @for_admins
    def disputes(self, project_id: str) -> list[DisputedCase]:
        """Return some cases on which raters differ, those that nobody settled first."""
        return self._disputes.cases(project_id)

    @for_admins
    def count_disputes(self, project_id: str) -> tuple[int, int]:
        """Return how many of all such cases are settled, and how many there are."""
        return self._disputes.counts(project_id)

    @for_admins
    def settle(self, case: Case, choice: str, strength: int, said: Said) -> None:
        """Store a final label: a side or word, how much, and what else was said."""
        self._disputes.settle(case, choice, strength, said)

    @for_admins
    def reopen_dispute(self, case: Case) -> bool:
        """Withdraw the final label of whoever is there; return whether there was one."""
        return self._disputes.reopen(case)

    @for_admins
    def read_log(self, project_id: str, asked: LogAsked, place: int = 0) -> LogPart:
        """Return a page of the label log, 0 for the newest. Raises DataError on a wrong day."""
        return audit.read_log(self._db, project_id, asked, place)

    @for_admins
    def raters(self) -> list[Rater]:
        """Return all accounts, the oldest first."""
        return self._raters.all()

    @for_admins
    def num_left_over_labels(self) -> int:
        """Return how many labels of the studio's one person nobody's account can reopen."""
        return self._raters.num_left_over()

    @for_admins
    def invite_rater(self, name: str, role: Role) -> tuple[Rater, str]:
        """Make or renew an account; its one-time password is returned once."""
        return self._raters.invite(name, role)

    @for_admins
    def remove_rater(self, name: str) -> Rater:
        """Close an account; what its owner said stays."""
        return self._raters.remove(name)

    def set_password(self, old: str, new: str) -> Rater:
        """Change the password of who is logged in."""
        return self._raters.set_password(old, new)
