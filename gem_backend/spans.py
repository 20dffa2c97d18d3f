"""Where a candidate reasons and where it answers, in tokens (METHOD section 3).

Positions are found in the text and carried over to tokens, so a marker that is split over several
tokens, or shares one with the answer, is found all the same.
"""

import math
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from itertools import accumulate, pairwise
from typing import TYPE_CHECKING, NamedTuple

from tokenizers import Tokenizer
from tokenizers.decoders import DecodeStream

from gem_backend.errors import ModelLoadError
from gem_backend.types import Span, SpanName, Spans

if TYPE_CHECKING:  # transformers brings torch with it
    from transformers import PreTrainedTokenizerBase

THINK_OPEN = "<think>"
THINK_CLOSE = "</think>"
FALLBACK_FRACTION = 0.2  # ours: without a marker the last fifth stands for the answer


class _Regions(NamedTuple):
    """Positions in a committed text: where the reasoning is, and where the answer starts."""

    cot_start: int
    cot_end: int
    final_start: int


def token_texts(tokenizer: "PreTrainedTokenizerBase", ids: Sequence[int]) -> tuple[str, ...]:
    """Return the text that each token adds; joined, they are the decoded text exactly.

    A token that ends in the middle of a character adds "", and the one that completes the character
    adds it. Special tokens (the end token among them) add "". Bytes that never become a character
    are added as the decoder shows them, by the last ordinary token at the latest.

    Args:
        tokenizer: a tokenizer of the fast kind.
        ids: token ids of one completion.

    Raises:
        ModelLoadError: the tokenizer is not of the fast kind.
    """
    backend = getattr(tokenizer, "backend_tokenizer", None)
    if backend is None:
        raise ModelLoadError("This model's tokenizer has no fast form, which the studio needs.")
    decoded: str = backend.decode(list(ids), skip_special_tokens=True)
    texts = _streamed(backend, ids)
    if texts is None or not decoded.startswith("".join(texts)):
        return _by_prefixes(backend, ids, decoded)
    residue = decoded[sum(map(len, texts)) :]
    if residue:
        special = set(tokenizer.all_special_ids)
        last = max(t for t, token in enumerate(ids) if token not in special)
        texts[last] += residue
    return tuple(texts)


def _streamed(backend: Tokenizer, ids: Sequence[int]) -> list[str] | None:
    """Decode in one pass; None for bytes that unmake a text which was already given out."""
    stream = DecodeStream(skip_special_tokens=True)
    try:
        return [stream.step(backend, token) or "" for token in ids]
    except Exception:  # noqa: BLE001 - the library raises nothing narrower
        return None


def _by_prefixes(backend: Tokenizer, ids: Sequence[int], decoded: str) -> tuple[str, ...]:
    """Decode every prefix; slow (square of the length), and right for any decoder."""
    prefixes = (
        backend.decode(list(ids[: t + 1]), skip_special_tokens=True) for t in range(len(ids))
    )
    agreed = (_length_agreed(prefix, decoded) for prefix in prefixes)
    ends = [0, *accumulate(agreed, max)]
    return tuple(decoded[start:end] for start, end in pairwise(ends))


def _length_agreed(first: str, second: str) -> int:
    """Return how many leading characters two texts share."""
    pairs = enumerate(zip(first, second, strict=False))
    return next((i for i, (a, b) in pairs if a != b), min(len(first), len(second)))


def locate_spans(token_texts: Sequence[str], answer_marker: str) -> Spans:
    """Find the reasoning and the answer of one completion.

    - The **last** marker counts, and after ``</think>`` only. ``cot_span`` holds the tokens that
      begin before it (inside the think tags where they hold any reasoning); ``final_span`` the
      tokens with characters after it, up to, not including, the end token. A token that holds the
      marker and the start of the answer belongs to the answer.
    - Think tags without a marker: what is inside is the reasoning, all that follows is the answer.
    - Neither, or a think tag that is never closed, or nothing but white space where the answer
      should be (after the last marker): not committed. The answer is taken to be the last fifth of
      the tokens, at least one, and the reasoning all before it.
      A completion of nothing but the end token has that token as its answer.

    Args:
        token_texts: from ``token_texts``; joined, they are the completion's text.
        answer_marker: not empty, case-sensitive.

    Returns:
        Token ranges, end-exclusive; ``final_span`` is empty only if there is no token at all.
    """
    regions = _find_regions("".join(token_texts), answer_marker)
    ends = list(accumulate(map(len, token_texts)))
    num_content = bisect_left(ends, ends[-1]) + 1 if ends and ends[-1] else len(ends[:1])
    if regions is None:
        split = num_content - math.ceil(FALLBACK_FRACTION * num_content)
        return Spans(Span(0, split), Span(split, num_content), False)
    starts = [end - len(text) for end, text in zip(ends, token_texts, strict=True)]
    # two rules, because the leading bytes of a split character have no text of their own
    final_start = min(
        bisect_right(ends, regions.final_start), bisect_left(starts, regions.final_start)
    )
    cot_end = min(bisect_left(starts, regions.cot_end), final_start)
    cot_start = min(bisect_left(starts, regions.cot_start), cot_end)
    return Spans(Span(cot_start, cot_end), Span(final_start, num_content), True)


def answer_text(text: str, answer_marker: str) -> str:
    """Return the committed answer in a completion's text without outer white space, "" for none.

    Args:
        text: the whole decoded completion.
        answer_marker: not empty, case-sensitive.
    """
    regions = _find_regions(text, answer_marker)
    return text[regions.final_start :].strip() if regions else ""


def span_names(spans: Spans, num_tokens: int) -> tuple[SpanName, ...]:
    """Name each token's part; "marker" is what is neither, the end token included."""
    names: list[SpanName] = ["marker"] * num_tokens
    names[slice(*spans.cot_span)] = ["cot"] * (spans.cot_span.end - spans.cot_span.start)
    names[slice(*spans.final_span)] = ["final"] * (spans.final_span.end - spans.final_span.start)
    return tuple(names)


def _find_regions(text: str, answer_marker: str) -> _Regions | None:
    """Find the committed answer in the text, None where there is none."""
    close = text.rfind(THINK_CLOSE)
    if close < 0 and THINK_OPEN in text:
        return None  # cut off while still reasoning
    after = close + len(THINK_CLOSE) if close >= 0 else 0
    thought = _thought(text, close)
    marker = text.rfind(answer_marker, after)
    if marker >= 0:
        final_start = marker + len(answer_marker)
        cot_start, cot_end = thought or (after, marker)
    elif thought:
        final_start = after
        cot_start, cot_end = thought
    else:
        return None
    return _Regions(cot_start, cot_end, final_start) if text[final_start:].strip() else None


def _thought(text: str, close: int) -> tuple[int, int] | None:
    """Return the range inside the think tags; some templates put the opening tag in the prompt."""
    if close < 0:
        return None
    opening = text.find(THINK_OPEN, 0, close)
    start = opening + len(THINK_OPEN) if opening >= 0 else 0
    return (start, close) if text[start:close].strip() else None
