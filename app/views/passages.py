"""Steps and sentences of an answer: where they end, and how unsure the model was over each.

A step is a line; a sentence ends at a full stop, question or exclamation mark before white space,
and at the end of a line. That is a rule, not grammar: "Dr. Lee" ends one too.
"""

import math
import re
from collections.abc import Sequence
from typing import TypedDict

from gem_backend.types import Span

HIGH_NATS = math.log(2)  # as unsure as between two equally likely tokens

STEP = re.compile(r"\s*\n\s*")
SENTENCE = re.compile(r"(?<=[.!?…])[\"'\u201d\u2019)\]]*\s+|\s*\n\s*")


class Passages(TypedDict):
    """The passages of one kind; ``of`` has each unit's passage, the others a figure of each.

    ``mean`` and ``most`` are the mean and the highest token entropy in nats, ``share`` the share of
    tokens over ``HIGH_NATS``, 0 to 1, ``count`` the number of tokens.
    """

    of: list[int]
    mean: list[float]
    most: list[float]
    share: list[float]
    count: list[int]


def passages(
    texts: Sequence[str],
    spans: Sequence[Span],
    token_entropy: Sequence[float],
    end: re.Pattern[str],
) -> Passages:
    """Return the passages of an answer.

    Args:
        texts: what is drawn of each unit, in order.
        spans: each unit's tokens.
        token_entropy: of all tokens, nats.
        end: matches what ends a passage: ``STEP`` or ``SENTENCE``.
    """
    of = _passage_of_each(texts, end)
    tokens: list[list[float]] = [[] for _ in range(of[-1] + 1 if of else 0)]
    for place, span in zip(of, spans, strict=True):
        tokens[place] += token_entropy[slice(*span)]
    return Passages(
        of=of,
        mean=[sum(own) / len(own) for own in tokens],
        most=[max(own) for own in tokens],
        share=[sum(value > HIGH_NATS for value in own) / len(own) for own in tokens],
        count=[len(own) for own in tokens],
    )


def _passage_of_each(texts: Sequence[str], end: re.Pattern[str]) -> list[int]:
    """Number the passages from 0; a unit belongs to the one in which it first says something."""
    whole = "".join(texts)
    starts = [match.end() for match in end.finditer(whole) if 0 < match.end() < len(whole)]
    of: list[int] = []
    place = passage = 0
    for text in texts:
        word = place + (len(text) - len(text.lstrip()) if text.strip() else 0)
        while passage < len(starts) and starts[passage] <= word:
            passage += 1
        of.append(passage)
        place += len(text)
    # a passage that no unit begins in has no number
    numbers = {old: new for new, old in enumerate(dict.fromkeys(of))}
    return [numbers[one] for one in of]
