"""A prompt with its candidates as one file that opens in a browser, without the studio."""

import base64
import hashlib
from collections.abc import Sequence
from html import escape

from app.components.heatmap import SCRIPTS, heatmap_value, ranking_value
from app.look import asset, style
from app.ordering import Weighing
from app.text import offline as say
from app.text import shortened
from app.views.heatmap import legend_html
from app.views.rankings import agreement_html, ranking
from gem_backend.types import Candidate


def offline_page(candidates: Sequence[Candidate], weighing: Weighing) -> str:
    """Return a whole HTML page that shows a group as Explore does and fetches nothing.

    The texts travel as JSON and are written by the heatmap's own script, which its hash names: the
    page runs no other one, whatever a model wrote.

    Args:
        candidates: at least one, of one prompt.
        weighing: how they are ordered.
    """
    # A function of its own: the names of the script are nobody else's.
    script = "\n".join(["(() => {", *map(asset, ("offline.js", *SCRIPTS)), "})();"])
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    policy = f"default-src 'none'; style-src 'unsafe-inline'; script-src 'sha256-{digest}'"
    prompt = candidates[0].prompt
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{escape(shortened(prompt))}</title>
<style>{style()}
{asset("offline.css")}</style>
</head>
<body>
<main class="gs-offline">
<h1>{escape(say.HEADING)}</h1>
<p class="gs-asked" dir="auto">{escape(prompt)}</p>
<p class="gem-quiet">{escape(say.made_by(candidates))}</p>
{agreement_html(candidates)}
{legend_html()}
<div class="gs-heatmap" id="heatmap"><div class="gs-cards" data-name="offline"></div></div>
</main>
{_data("cards", heatmap_value(*candidates)["packed"])}
{_data("ranking", ranking_value(ranking(candidates, weighing))["packed"])}
<script>{script}</script>
</body>
</html>
"""


def _data(name: str, packed: str) -> str:
    """JSON in which nothing can end the element that holds it."""
    inert = packed.replace("<", "\\u003c")
    return f'<script type="application/json" id="{name}">{inert}</script>'
