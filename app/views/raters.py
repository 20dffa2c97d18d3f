"""Accounts as HTML."""

from collections.abc import Sequence
from html import escape

from app import text_raters as say
from app.views import tables
from gem_backend.types import Rater


def raters_table(raters: Sequence[Rater]) -> str:
    """Return all accounts with role and state."""
    if not raters:
        return tables.empty(say.NO_RATERS)
    rows = (
        f"<tr><td>{escape(one.rater)}</td><td>{one.role}</td><td>{say.rater_state(one)}</td></tr>"
        for one in raters
    )
    return tables.table("gem-raters", say.RATERS_HEAD, rows, say.RATERS_TITLE)


def invitation_html(rater: Rater, password: str) -> str:
    """Return the one-time password with what to do with it."""
    sentence, secret = say.invited(rater, password)
    return f'<p role="status">{escape(sentence)} <code>{escape(secret)}</code></p>'


def removal_html(rater: Rater) -> str:
    """Return what became of an account that was closed."""
    return f'<p role="status">{escape(say.removed(rater))}</p>'


def account_html(name: str, *, is_invited: bool) -> str:
    """Return the way out, and a reminder of a password that is not one's own; empty alone."""
    if not name:
        return ""
    reminder = f'<span role="note">{say.CHOOSE_PASSWORD}</span>' if is_invited else ""
    return f'{reminder}<a href="./logout" id="log-out">{say.LOG_OUT}</a>'
