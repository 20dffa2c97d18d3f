"""Who is at the page, and what they may do: by their login, never by a name somebody typed.

Without accounts the studio belongs to the one person who sits at it. Whether there are any is
looked up once, at the start: nobody is locked out of a page in mid-work.
"""

import functools
from collections.abc import Callable
from typing import Protocol, TypeVar, cast
from weakref import WeakKeyDictionary

from app.text import raters as text_raters
from gem_backend.types import Rater
from storage import raters
from storage.database import Database
from storage.errors import StorageError

ALONE = Rater("expert", "admin")

_Method = TypeVar("_Method", bound=Callable[..., object])


class AccessError(StorageError):
    """Somebody asked for what their account may not do."""

    title = "Not yours to do"


class Access:
    """Answers who is there.

    Args:
        db: the open database.

    ``log_out`` ends all sessions of an account; who serves the page says how.
    """

    def __init__(self, db: Database) -> None:
        self._db = db
        self._found: WeakKeyDictionary[object, Rater] = WeakKeyDictionary()
        self.log_out: Callable[[str], None] = _nobody_is_logged_in
        self.asks_for_login = bool(raters.list_raters(db))

    def current(self) -> Rater:
        """Return the account behind the event that is being handled; looked up once an event.

        Raises:
            AccessError: nobody is logged in, the account was removed, or its one-time password was
                not replaced by another one.
        """
        rater = self.account()
        if rater.is_invited:
            raise AccessError(self.what_to_do(rater))
        return rater

    def account(self) -> Rater:
        """Return the same, also for who may do nothing yet but choose a password.

        Raises:
            AccessError: nobody is logged in, or the account was removed.
        """
        if not self.asks_for_login:
            return ALONE
        # the command line uses the studio's parts without a page
        from gradio.context import LocalContext  # noqa: PLC0415

        request = LocalContext.request.get(None)
        if request is None or not request.username:
            raise AccessError(text_raters.LOG_IN_FIRST)
        if request not in self._found:
            found = raters.find_rater(self._db, request.username)
            if found is None or not found.is_active:
                raise AccessError(text_raters.LOG_IN_FIRST)
            self._found[request] = found
        return self._found[request]

    def what_to_do(self, rater: Rater) -> str:
        """Say what somebody has to do who comes with a one-time password."""
        expired = raters.has_expired(self._db, rater.rater)
        return raters.EXPIRED if expired else text_raters.CHOOSE_PASSWORD

    @property
    def is_admin(self) -> bool:
        """Whether who is there may do everything."""
        return self.current().role == "admin"

    def admits(self, name: str, password: str) -> bool:
        """Whether name and password open the page."""
        return raters.log_in(self._db, name.strip(), password) is not None


def _nobody_is_logged_in(name: str) -> None:
    """There is no page yet."""


class HasAccess(Protocol):
    """What ``for_admins`` guards the methods of."""

    access: Access


def for_admins(method: _Method) -> _Method:
    """Guard a use case that only an admin may ask for."""

    @functools.wraps(method)
    def guarded(self: HasAccess, *args: object, **kwargs: object) -> object:
        if not self.access.is_admin:
            raise AccessError(text_raters.ADMINS_ONLY)
        return method(self, *args, **kwargs)

    return cast(_Method, guarded)
