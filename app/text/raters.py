"""Every sentence about accounts: logging in, raters, passwords."""

from typing import Final

from gem_backend.types import Rater
from storage.raters import ONE_TIME_DAYS

LOGIN_HINT: Final = "Log in with your name and the password you were given."
LOG_IN_FIRST: Final = "Log in first: your account is not known here any more."
ADMINS_ONLY: Final = "Only an admin may do this; ask the person who invited you."

CHANGE_PASSWORD: Final = "Change password"
LOG_OUT: Final = "Log out"
OLD_PASSWORD: Final = "Password until now"
NEW_PASSWORD: Final = "New password"
SET_PASSWORD: Final = "Change it"
PASSWORD_SET: Final = "Your password is changed."
CHOOSE_PASSWORD: Final = (
    "You logged in with a one-time password: choose one of your own, then the studio opens."
)

RATERS_TITLE: Final = "Raters"
RATERS_HINT: Final = (
    "With the first account, which must be an admin's, the studio asks everybody to log in, from "
    "its next start on. Each rater judges without seeing what others said, with sides of their own."
)
RATERS_PER_CASE: Final = "Raters for each case, each blind to what others said"
REPEAT_PERCENT: Final = (
    "Percent of cases shown a second time, unannounced, with the sides changed over"
)
RATER_NAME: Final = "Name"
RATER_ROLE: Final = "Role"
ROLES: Final = (("Rater: labels only", "rater"), ("Admin: everything", "admin"))
INVITE: Final = "Invite"
REMOVE: Final = "Keep out"
NO_RATERS: Final = "No accounts: the studio is yours alone."
NO_NAME: Final = "Write the rater's name first."
RATERS_HEAD: Final = ("Name", "Role", "State")


def invited(rater: Rater, password: str) -> tuple[str, str]:
    """Return the line that hands a one-time password over, and the password."""
    return (
        f"Give {rater.rater} this one-time password; it works for {ONE_TIME_DAYS} days and is not "
        "shown again:"
    ), password


def left_over(count: int, *, is_first: bool) -> str:
    """Return whose the labels are that were given before there were accounts."""
    labels = "1 label was" if count == 1 else f"{count:,} labels were"
    start = f"{labels} given here without an account, under the name “expert”. "
    if is_first:
        return start + (
            "To go on with them, make the first account under the name “expert”, as an admin's. "
            "Under another name they stay and train as before, but nobody can reopen them."
        )
    return start + (
        "They stay and train as before, but nobody can reopen them: only their own rater can. "
        "Whoever gave them can be invited as “expert” and then goes on with them."
    )


def removed(rater: Rater) -> str:
    """Return the line after an account was closed."""
    return f"{rater.rater} cannot log in any more. What {rater.rater} said stays."


def rater_state(rater: Rater) -> str:
    """Return how an account stands, in a few words."""
    if not rater.is_active:
        return "kept out"
    return "invited, has not chosen a password yet" if rater.is_invited else "active"
