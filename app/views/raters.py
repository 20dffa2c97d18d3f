"""Accounts as HTML."""

from collections.abc import Sequence
from html import escape

from app.text import raters as say
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


def account_html(me: Rater, said: str = "") -> str:
    """Return what there is to say about who is logged in, and the way out.

    The role is in the page for the style sheet, which hides the tabs that are an admin's.
    """
    words = say.CHOOSE_PASSWORD if me.is_invited else said
    return (
        f'<p class="gs-account" data-role="{me.role}"><span role="status">{words}</span>'
        f'<a href="./logout" id="log-out">{say.LOG_OUT}</a></p>'
    )
