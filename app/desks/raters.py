"""What the studio does about accounts."""

from app.access import ALONE, Access
from gem_backend.types import Rater, Role
from storage import raters
from storage.database import Database


class RatersDesk:
    """Accounts, as the studio's pages see them.

    Args:
        db: the open database.
        access: who is there.
    """

    def __init__(self, db: Database, access: Access) -> None:
        self._db = db
        self._access = access

    def all(self) -> list[Rater]:
        """Return all accounts, the oldest first."""
        return raters.list_raters(self._db)

    def num_left_over(self) -> int:
        """Return how many labels that hold are from before there were accounts, and nobody's."""
        active = (rater.rater for rater in self.all() if rater.is_active)
        return 0 if ALONE.rater in active else raters.num_labels(self._db, ALONE.rater)

    def invite(self, name: str, role: Role) -> tuple[Rater, str]:
        """Make or renew an account; its one-time password is returned once and stored nowhere."""
        invited = raters.invite(self._db, name, role)
        self._access.log_out(invited[0].rater)
        return invited

    def remove(self, name: str) -> Rater:
        """Close an account; what its owner said stays."""
        removed = raters.deactivate(self._db, name)
        self._access.log_out(removed.rater)
        return removed

    def set_password(self, old: str, new: str) -> Rater:
        """Change the password of who is logged in."""
        return raters.set_password(self._db, self._access.account().rater, old, new)
