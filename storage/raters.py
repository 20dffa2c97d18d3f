"""Accounts: who may log in, as what, and with which password; only the password's hash is kept."""

import re
import secrets
from datetime import UTC, datetime, timedelta

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from gem_backend.types import Rater, Role
from storage.database import Database
from storage.errors import EntryError, NotFoundError
from storage.identity import utc_now

ONE_TIME_DAYS = 7  # ours: how long a password that was handed over may be used
MIN_PASSWORD = 10  # characters
MAX_PASSWORD = 200  # hashing a whole book would keep the machine busy
MAX_NAME = 60
_NAME = re.compile(r"[^\s\x00-\x1f\x7f](?:[^\x00-\x1f\x7f]*[^\s\x00-\x1f\x7f])?")
_HASHER = PasswordHasher()
_NOBODY = _HASHER.hash("nobody's password")  # so that an unknown name takes as long to refuse
EXPIRED = (
    f"Your one-time password has expired after {ONE_TIME_DAYS} days; ask an admin for a new one."
)
_RATER = "SELECT rater, role, is_invited, is_active, created_at FROM raters"


def invite(db: Database, name: str, role: Role = "rater") -> tuple[Rater, str]:
    """Make an account, or give an account a new one-time password.

    Args:
        db: the open database.
        name: under which the person logs in and labels; spaces around it are dropped.
        role: the first account must be an admin's.

    Returns:
        The account and its one-time password, which is shown once and never stored. It opens
        nothing but the choice of another one, for ``ONE_TIME_DAYS``.

    Raises:
        EntryError: the name is empty, too long or not printable, or there would be no admin.
    """
    name = name.strip()
    if not _NAME.fullmatch(name) or len(name) > MAX_NAME:
        raise EntryError(f"Give the rater a name of 1 to {MAX_NAME} characters, on one line.")
    password = secrets.token_urlsafe(12)
    with db.transaction():
        _keep_an_admin(db, name, role, is_active=True)
        db.execute(
            "INSERT INTO raters (rater, role, password_hash, is_invited, is_active, created_at,"
            " invited_at) VALUES ($1, $2, $3, true, true, $4, $4) ON CONFLICT (rater) DO UPDATE SET"
            " role = excluded.role, password_hash = excluded.password_hash, is_invited = true,"
            " is_active = true, invited_at = excluded.invited_at",
            [name, role, _HASHER.hash(password), utc_now()],
        )
        return get_rater(db, name), password


def set_password(db: Database, name: str, old: str, new: str) -> Rater:
    """Replace an account's password.

    Raises:
        EntryError: the old password is wrong or has expired, or the new one is the same, too short
            or too long.
    """
    if not MIN_PASSWORD <= len(new) <= MAX_PASSWORD:
        raise EntryError(f"Choose a password of {MIN_PASSWORD} to {MAX_PASSWORD} characters.")
    with db.transaction():
        if log_in(db, name, old) is None:
            raise EntryError("The old password is not right; type it again.")
        if has_expired(db, name):
            raise EntryError(EXPIRED, "Password expired")
        if new == old:
            raise EntryError("Choose another password than the one until now.")
        db.execute(
            "UPDATE raters SET password_hash = ?, is_invited = false WHERE rater = ?",
            [_HASHER.hash(new), name],
        )
        return get_rater(db, name)


def deactivate(db: Database, name: str) -> Rater:
    """Keep a person out from now on; what they said stays. A new invitation lets them in again.

    Raises:
        EntryError: nobody would be left who is an admin.
        NotFoundError: there is no such account.
    """
    with db.transaction():
        rater = get_rater(db, name)
        _keep_an_admin(db, name, rater.role, is_active=False)
        db.execute("UPDATE raters SET is_active = false WHERE rater = ?", [name])
        return get_rater(db, name)


def log_in(db: Database, name: str, password: str) -> Rater | None:
    """Return the account if name and password are right and it is active, else None."""
    rows = db.query("SELECT password_hash FROM raters WHERE rater = ? AND is_active", [name])
    try:
        _HASHER.verify(str(rows[0][0]) if rows else _NOBODY, password[:MAX_PASSWORD])
    except (VerificationError, InvalidHashError):
        return None
    return get_rater(db, name) if rows else None


def has_expired(db: Database, name: str) -> bool:
    """Whether an account has a one-time password that was handed over too long ago."""
    oldest = datetime.now(UTC) - timedelta(days=ONE_TIME_DAYS)
    late = "SELECT count(*) FROM raters WHERE rater = ? AND is_invited AND invited_at < ?"
    return bool(db.count(late, [name, oldest.isoformat(timespec="microseconds")]))


def num_labels(db: Database, name: str) -> int:
    """Return on how many cases somebody's own label holds, in all projects."""
    held = "SELECT count(*) FROM standing WHERE rater = ? AND is_own AND label_seq IS NOT NULL"
    return db.count(held, [name])


def list_raters(db: Database) -> list[Rater]:
    """Return all accounts, the oldest first."""
    return db.records(Rater, _RATER + " ORDER BY seq")


def find_rater(db: Database, name: str) -> Rater | None:
    """Return an account, None if there is none of that name."""
    return db.one(Rater, _RATER + " WHERE rater = ?", [name])


def get_rater(db: Database, name: str) -> Rater:
    """Return an account.

    Raises:
        NotFoundError: there is none of that name.
    """
    rater = find_rater(db, name)
    if rater is None:
        raise NotFoundError(f"There is no rater called '{name}'.")
    return rater


def _keep_an_admin(db: Database, name: str, role: Role, *, is_active: bool) -> None:
    """Refuse what would leave accounts without an admin among them."""
    others = "SELECT count(*) FROM raters WHERE role = 'admin' AND is_active AND rater <> ?"
    if db.count(others, [name]) or (role == "admin" and is_active):
        return
    raise EntryError("Somebody must be an admin: make an admin's account first.", "No admin")
