"""Every sentence about going another way from a token, and about comparing two answers."""

from collections.abc import Sequence
from typing import Final

from gem_backend.types import Split

# What the heatmap's script says where one can branch.
HEATMAP_WORDS: Final = {
    "compare": "Compare",
    "pair": "Make a pair of these two",
    "on": "Go on from here",
    "on_hint": "Draws this word and all that follows anew.",
    "take": "Most likely here: press one to go on with it instead",
    "other": "go on with this one instead",
    "share": "Share",
    "link": "Copy link",
    "copied": "Link copied",
    "svg": "Save as SVG",
    "png": "Save as PNG",
    "picture": "gem-answer",
}
HEATMAP_KEYS: Final = (
    ("← →", "in a candidate: one token back or on"),
    ("n  p", "in a candidate: next or previous fork"),
    ("b", "in a candidate: go on from the chosen word"),
    ("Enter", "in a candidate: to what is offered at the chosen word, Esc back"),
)
_LONGEST_TOKEN: Final = 24
_UNSEEN: Final = {" ": "space", "\n": "line break", "\t": "tab", "": "its end"}
STOP: Final = "Stop"
SAME_SEED: Final = "These answers are there already: the same seed draws the same. Change the seed."
NOTHING_CHOSEN: Final = "That word is no longer on screen; choose it once more."


def token_words(token: str) -> str:
    """Return a token as it can stand in a sentence: on one line, not too long."""
    line = " ".join(token.split())
    if not line:
        return _UNSEEN.get(token, "white space")
    shown = line if len(line) <= _LONGEST_TOKEN else line[: _LONGEST_TOKEN - 1] + "…"
    return f"“{shown}”"


def leaves_words(rank: int | None, token: str) -> str:
    """Return which answer a candidate left and where; None where that one is not shown."""
    if rank is None:
        return "Leaves an answer that is not shown"
    return f"Leaves rank {rank} at {token_words(token)}"


def paired_words(split: Split, is_judged: bool) -> str:
    """Return what becomes of a pair that was just made."""
    if is_judged:
        return "You have judged this pair already: that label stands."
    if split == "held_out":
        return (
            "The pair waits first on Label. Its question is held out, so it will only measure and "
            "never train."
        )
    return "The pair waits first on Label."


def meter_words(number: int, tokens: int, most: int) -> str:
    """Return how long one of the answers is that are being drawn."""
    return f"Answer {number}: {tokens} of at most {most} tokens"


# --- a run, traced back -----------------------------------------------------------------------
DECISIONS_TITLE: Final = "Which decision was right"
DECISIONS_HEAD: Final[Sequence[str]] = (
    "Question",
    "Text before",
    "Went on, preferred",
    "Went on, rejected",
    "The word they parted at",
)
LEFT_AT_END: Final = "the end"
SHOW_ON_EXPLORE: Final = "Show on Explore"


def parted_at(number: int, words: str, entropy: float | None) -> str:
    """Return at which token of an answer another one left it; ``entropy`` is in nats."""
    if entropy is None:
        return f"token {number}: {LEFT_AT_END}"
    said = f"“{words.strip()}”"
    return f"token {number}, {said}, entropy {entropy:.2f} nats"


NOTHING_BEFORE: Final = "(nothing)"


def decisions_hint(num_shown: int, num_all: int) -> str:
    """Return what the table lists, and how much of it."""
    pairs = "1 training pair" if num_all == 1 else f"{num_all} training pairs"
    shown = f" The first {num_shown} are listed." if num_shown < num_all else ""
    return (
        f"In {pairs} of this run an answer left another at a word. What stands before it is common "
        f"to both; the label says which way on was better.{shown}"
    )
