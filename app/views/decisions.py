"""The tokens at which the answers of a run's training pairs parted, and which way was better."""

from html import escape
from urllib.parse import urlencode

from app.records import Decision, Decisions
from app.text import branches as say
from app.text import shortened
from app.views.tables import table

_LONGEST = 160  # characters of each text; the decision is where the two ways begin


def decisions_panel(decisions: Decisions) -> str:
    """Return the decisions as a table; empty where the run has none."""
    if not decisions.shown:
        return ""
    hint = escape(say.decisions_hint(len(decisions.shown), decisions.num_all))
    rows = [_row(one, decisions.project_id) for one in decisions.shown]
    return (
        f'<h3 class="gem-title">{say.DECISIONS_TITLE}</h3><p class="gem-quiet">{hint}</p>'
        f"{table('gem-decisions', say.DECISIONS_HEAD, rows, say.DECISIONS_TITLE)}"
    )


def _row(one: Decision, project_id: str) -> str:
    texts = (
        shortened(one.question),
        _end(one.before) or say.NOTHING_BEFORE,
        _start(one.preferred),
        _start(one.rejected),
    )
    cells = "".join(f'<td dir="auto">{escape(text)}</td>' for text in texts)
    where = {"project": project_id, "tab": "explore", "candidate": one.parent_id}
    place = escape(say.parted_at(one.token, one.token_text, one.entropy))
    link = f'<a href="?{escape(urlencode(where))}">{say.SHOW_ON_EXPLORE}</a>'
    return f"<tr>{cells}<td>{place} {link}</td></tr>"


def _start(words: str) -> str:
    return words if len(words) <= _LONGEST else words[: _LONGEST - 1] + "…"


def _end(words: str) -> str:
    return words if len(words) <= _LONGEST else "…" + words[1 - _LONGEST :]
