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


def left_over_html(raters: Sequence[Rater], count: int) -> str:
    """Return whose the labels from before there were accounts are, nothing where there are none."""
    if not count:
        return ""
    return f'<p class="gem-quiet">{escape(say.left_over(count, is_first=not raters))}</p>'


def invitation_html(rater: Rater, password: str) -> str:
    """Return the one-time password with what to do with it."""
    sentence, secret = say.invited(rater, password)
    return f'<p role="status">{escape(sentence)} <code>{escape(secret)}</code></p>'


def removal_html(rater: Rater) -> str:
    """Return what became of an account that was closed."""
    return f'<p role="status">{escape(say.removed(rater))}</p>'


def account_html(me: Rater, said: str = "") -> str:
    """Return what there is to say about who is logged in, and the way out.

    The role is in the page for the style sheet, which hides the tabs that are an admin's, and all
    of them from who has no password of their own yet.
    """
    role = "new" if me.is_invited else me.role
    return (
        f'<p class="gs-account" data-role="{role}"><span role="status">{said}</span>'
        f'<a href="./logout" id="log-out">{say.LOG_OUT}</a></p>'
    )
