"""What surrounds every page: where you are, the notices, the list of keys."""

from html import escape

from app import text
from app.records import Header


def facts_html(header: Header) -> str:
    """Return model, adapter, rater and activity as a list of facts."""
    facts = (
        (text.MODEL, header.model),
        (text.ADAPTER, header.adapter or text.NO_ADAPTER),
        (text.RATER, header.rater),
        (text.ACTIVITY, header.activity or text.NO_ACTIVITY),
    )
    rows = "".join(f"<div><dt>{name}</dt><dd>{escape(fact)}</dd></div>" for name, fact in facts)
    busy = ' data-busy="true"' if header.activity else ""
    return f'<dl class="gs-facts" data-rater="{escape(header.rater)}"{busy}>{rows}</dl>'


def notice_html(header: Header) -> str:
    """Return the notice that stands over the demonstration, empty for any other model."""
    if "demo" not in header.model.lower():
        return ""
    return f'<p class="gs-notice" role="note">{text.DEMO_NOTICE}</p>'


def connection_html() -> str:
    """Return the line that a script shows while the studio does not answer."""
    return f'<p role="alert" hidden>{text.CONNECTION_LOST}</p>'


def brand_html() -> str:
    """Return the name of the studio with its mark."""
    return (
        '<div class="gs-brand"><svg viewBox="0 0 24 24" aria-hidden="true">'
        '<path d="M12 2 21 9 12 22 3 9Z"/><path d="M3 9h18M8.5 9 12 22 15.5 9 12 2Z"/></svg>'
        f"<h1>{text.NAME}</h1></div>"
    )


def footer_html() -> str:
    """Return the line under every page and the dialog that lists the keys."""
    keys = "".join(f"<dt>{_kbd(keys)}</dt><dd>{escape(does)}</dd>" for keys, does in text.KEY_LIST)
    return (
        f'<p class="gs-foot">{text.RESEARCH_NOTICE}'
        f'<button type="button" id="keys-open" aria-haspopup="dialog">'
        f'{text.KEYS} <kbd aria-hidden="true">?</kbd></button></p>'
        f'<dialog id="keys-dialog" aria-labelledby="keys-title"><h2 id="keys-title">'
        f"{text.KEYS_TITLE}</h2><dl>{keys}</dl><p>{text.KEYS_NOTE}</p>"
        f'<button type="button" id="keys-close">{text.CLOSE}</button></dialog>'
    )


def _kbd(keys: str) -> str:
    return "".join(f"<kbd>{escape(key)}</kbd>" for key in keys.split())
