"""A candidate as a heatmap: what to draw for each token, and the one colour scale for all of them.

The scale is fixed, so that the same colour means the same entropy on every card, before and after.
Its steps are numbers of equally likely continuations: ln 2 nats is a choice of two, ln 4 of four.
"""

import math
from collections.abc import Iterator, Sequence
from html import escape
from typing import NamedTuple, TypedDict

from app import text
from app.text import difference as say_difference
from app.text import modes
from app.views.passages import SENTENCE, STEP, Passages, passages
from gem_backend.types import Candidate, Span

SCALE_MAX_NATS = math.log(8)
THRESHOLD_NATS = 0.1  # below this nothing is tinted
LEVELS = 16
WINDOW_TOKENS = 8  # ARES: the mean over 4 to 8 tokens
DIFFERENCE_MAX_NATS = math.log(4)
DIFFERENCE_LEVELS = 8  # up and down
TOP = 5  # alternatives of each token, as Candidate stores them

Rgb = tuple[int, int, int]
# From pale yellow to dark blue, as cividis runs, and the other way round on a dark page: more
# entropy always stands out more from the page. Lightness falls (rises) steadily along it.
RAMP_LIGHT: tuple[Rgb, ...] = (
    (253, 246, 216),
    (242, 224, 150),
    (201, 184, 108),
    (118, 121, 122),
    (32, 56, 104),
)
RAMP_DARK: tuple[Rgb, ...] = (
    (27, 44, 78),
    (52, 72, 112),
    (114, 117, 121),
    (188, 173, 108),
    (254, 232, 92),
)
# Less sure than before, and surer: Brewer's PuOr, told apart by the colour-blind.
RISE_LIGHT: tuple[Rgb, ...] = ((254, 224, 182), (241, 163, 64), (127, 59, 8))
FALL_LIGHT: tuple[Rgb, ...] = ((216, 218, 235), (153, 142, 195), (45, 0, 75))
RISE_DARK: tuple[Rgb, ...] = ((70, 45, 20), (179, 88, 6), (253, 184, 99))
FALL_DARK: tuple[Rgb, ...] = ((45, 38, 70), (110, 95, 160), (200, 190, 240))


class Unit(NamedTuple):
    """What is drawn as one: a token, or byte pieces and the one that completes the character."""

    start: int
    end: int
    text: str


class Heat(TypedDict):
    """One card's tokens as parallel arrays; one entry per unit, ``tops`` five per unit.

    ``tops`` points into ``words``; ``parts`` is one letter per unit: c reasoning, m marker,
    f answer, e the end token, x cut off in the middle of a character. ``levels`` has a step of the
    ramp per unit for each thing that the colour can show; ``phases`` the mean entropy of the parts
    c and f, ``passages`` the steps and the sentences. ``other`` is the entropy under another model,
    empty without one; the levels of the difference go below 0 where that is surer.
    """

    id: str
    texts: list[str]
    parts: str
    pieces: list[int]
    entropy: list[float]
    other: list[float]
    window: list[float]
    phases: dict[str, float]
    passages: dict[str, Passages]
    levels: dict[str, list[int]]
    probability: list[float]
    words: list[str]
    tops: list[int]
    top_probs: list[float]
    is_committed: bool


def level(entropy: float) -> int:
    """Return the step of the ramp, 0 (not tinted) to ``LEVELS``, for an entropy in nats."""
    if not entropy >= THRESHOLD_NATS:
        return 0
    return max(1, min(LEVELS, math.ceil(LEVELS * entropy / SCALE_MAX_NATS)))


def difference_level(nats: float) -> int:
    """Return the step for a difference of entropies: 0 not tinted, below 0 where it falls."""
    if not abs(nats) >= THRESHOLD_NATS:
        return 0
    step = math.ceil(DIFFERENCE_LEVELS * abs(nats) / DIFFERENCE_MAX_NATS)
    return int(math.copysign(min(DIFFERENCE_LEVELS, step), nats))


def mean_entropy(token_entropy: Sequence[float], span: Span) -> float:
    """Return the mean entropy of a span's tokens in nats, 0 where there are none."""
    part = token_entropy[slice(*span)]
    return sum(part) / len(part) if part else 0.0


def window_entropy(token_entropy: Sequence[float], width: int = WINDOW_TOKENS) -> list[float]:
    """Return, for each token, the mean entropy of it and those after it, ``width`` of them.

    In nats; at the end of the text the windows hold fewer tokens. After ARES (METHOD section 4).
    """
    return [
        mean_entropy(token_entropy, Span(start, start + width))
        for start in range(len(token_entropy))
    ]


def units(token_texts: Sequence[str]) -> Iterator[Unit]:
    """Yield what is drawn as one; pieces of a character join the token that completes it."""
    start = 0
    for index, token in enumerate(token_texts):
        if token or index == len(token_texts) - 1:
            yield Unit(start, index + 1, token)
            start = index + 1


def _drawn(candidate: Candidate) -> list[Unit]:
    """Return the units with the end token apart from the pieces before it."""
    texts = candidate.token_texts
    if candidate.is_finished and texts and not texts[-1]:
        last = len(texts)
        return [*units(texts[:-1]), Unit(last - 1, last, "")]
    return list(units(texts))


def heat(candidate: Candidate, other: Candidate | None = None) -> Heat:
    """Return what the browser needs to draw a candidate, figures rounded to what is shown.

    A unit of several tokens shows the highest entropy among them, with that token's alternatives,
    and the probability of all of them together.

    Args:
        candidate: what to draw.
        other: the same tokens as another model reads them.
    """
    drawn = _drawn(candidate)
    peaks = [
        max(range(unit.start, unit.end), key=candidate.token_entropy.__getitem__) for unit in drawn
    ]
    entropies = [candidate.token_entropy[token] for token in peaks]
    tops = [candidate.top_tokens[TOP * token : TOP * token + TOP] for token in peaks]
    probs = [candidate.top_probs[TOP * token : TOP * token + TOP] for token in peaks]
    words = list(dict.fromkeys(word for five in tops for word in five))
    place = {word: index for index, word in enumerate(words)}
    around = window_entropy(candidate.token_entropy)
    window = [around[unit.start] for unit in drawn]
    spans = {"c": candidate.spans.cot_span, "f": candidate.spans.final_span}
    phases = {part: mean_entropy(candidate.token_entropy, span) for part, span in spans.items()}
    parts = "".join(_part(candidate, unit) for unit in drawn)
    texts = [unit.text for unit in drawn]
    places = [Span(unit.start, unit.end) for unit in drawn]
    kinds = {
        name: passages(texts, places, candidate.token_entropy, end)
        for name, end in (("step", STEP), ("sentence", SENTENCE))
    }
    logprobs = [sum(candidate.token_logprob[unit.start : unit.end]) for unit in drawn]
    shades = {
        "token": entropies,
        "window": window,
        **{name: [kind["mean"][own] for own in kind["of"]] for name, kind in kinds.items()},
        "phase": [phases.get(part, 0.0) for part in parts],
        "surprise": [-logprob for logprob in logprobs],
    }
    read = [max(other.token_entropy[unit.start : unit.end]) for unit in drawn] if other else []
    levels = {shown: [level(value) for value in values] for shown, values in shades.items()}
    if other:
        changes = (after - before for before, after in zip(entropies, read, strict=True))
        levels["difference"] = [difference_level(change) for change in changes]
    return Heat(
        id=candidate.candidate_id,
        texts=texts,
        parts=parts,
        pieces=[unit.end - unit.start for unit in drawn],
        entropy=[round(value, 3) for value in entropies],
        other=[round(value, 3) for value in read],
        window=[round(value, 3) for value in window],
        phases={letter: round(value, 3) for letter, value in phases.items()},
        passages={name: _rounded(kind) for name, kind in kinds.items()},
        levels=levels,
        probability=[round(math.exp(logprob), 4) for logprob in logprobs],
        words=words,
        tops=[place[word] for five in tops for word in five],
        top_probs=[round(value, 4) for five in probs for value in five],
        is_committed=candidate.spans.is_committed,
    )


def _rounded(kind: Passages) -> Passages:
    return Passages(
        of=kind["of"],
        mean=[round(value, 3) for value in kind["mean"]],
        most=[round(value, 3) for value in kind["most"]],
        share=[round(value, 3) for value in kind["share"]],
        count=kind["count"],
    )


def _part(candidate: Candidate, unit: Unit) -> str:
    last = unit.end - 1
    if not unit.text:
        return "e" if candidate.is_finished else "x"
    for letter, span in (("f", candidate.spans.final_span), ("c", candidate.spans.cot_span)):
        if span.start <= last < span.end:
            return letter
    return "m"


def fork_units(candidate: Candidate, fork_tokens: Sequence[int]) -> list[int]:
    """Return the places, among a candidate's units, that hold its fork tokens."""
    forks = set(fork_tokens)
    return [
        place
        for place, unit in enumerate(_drawn(candidate))
        if not forks.isdisjoint(range(unit.start, unit.end))
    ]


def unit_text(candidate: Candidate, token: int) -> str:
    """Return what is drawn of a token: its text, or the character that it is a piece of."""
    return next((unit.text for unit in _drawn(candidate) if unit.start <= token < unit.end), "")


# --- colours ----------------------------------------------------------------------------------


def ramp(stops: Sequence[Rgb], share: float) -> Rgb:
    """Return the colour at ``share`` (0 to 1) of the way along the stops."""
    position = share * (len(stops) - 1)
    index = min(int(position), len(stops) - 2)
    rest = position - index
    low, high = stops[index], stops[index + 1]
    red, green, blue = (round(a + (b - a) * rest) for a, b in zip(low, high, strict=True))
    return red, green, blue


def luminance(colour: Rgb) -> float:
    """Return the relative luminance (WCAG 2.2), 0 for black to 1 for white."""
    linear = [
        c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4
        for c in (v / 255 for v in colour)
    ]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def ink(background: Rgb) -> Rgb:
    """Return black or white, whichever reads better on the background."""
    light = luminance(background)
    return (0, 0, 0) if (light + 0.05) / 0.05 >= 1.05 / (light + 0.05) else (255, 255, 255)


def ramp_css() -> str:
    """Return the rules that tint the levels, for the light and the dark page.

    ``h`` is a level of entropy; ``g`` one of a difference over 0, ``l`` below.
    """
    ramps = (
        (".h", LEVELS, RAMP_LIGHT, RAMP_DARK),
        (".g", DIFFERENCE_LEVELS, RISE_LIGHT, RISE_DARK),
        (".l", DIFFERENCE_LEVELS, FALL_LIGHT, FALL_DARK),
    )
    return "\n".join(
        f"{scope}{name}{step}{{background-color:rgb{fill};color:rgb{ink(fill)}}}".replace(", ", ",")
        for name, steps, light, dark in ramps
        for scope, stops in (("", light), (".dark ", dark))
        for step in range(1, steps + 1)
        for fill in (ramp(stops, (step - 1) / (steps - 1)),)
    )


def legend_html() -> str:
    """Return the scales with their ticks, the same for every card.

    There is one for what the model was unsure of, one for how improbable what it wrote was, and one
    for the difference between two models; the heatmap's script says which of them is shown.
    """
    levels = [f"h{step}" for step in range(1, LEVELS + 1)]
    falls = [f"l{step}" for step in range(DIFFERENCE_LEVELS, 0, -1)]
    rises = [f"g{step}" for step in range(1, DIFFERENCE_LEVELS + 1)]
    signs = (
        f'<div class="gs-signs"><span class="{falls[0]}">{escape(say_difference.SURER)}</span>'
        f'<span class="{rises[-1]}">{escape(say_difference.LESS_SURE)}</span></div>'
    )
    sure, written = text.legend_note(THRESHOLD_NATS), modes.surprise_note(THRESHOLD_NATS)
    between = say_difference.legend_note(DIFFERENCE_MAX_NATS, THRESHOLD_NATS)
    return (
        _legend("entropy", text.LEGEND, levels, _ticks(text.LEGEND_TICKS), sure)
        + _legend("surprise", modes.SURPRISE_LEGEND, levels, _ticks(modes.SURPRISE_TICKS), written)
        + _legend(
            "difference", say_difference.LEGEND, [*falls, *rises], _signed_ticks(), between, signs
        )
    )


def _legend(
    shown: str, title: str, fills: Sequence[str], ticks: str, note: str, signs: str = ""
) -> str:
    swatches = "".join(f'<i class="{fill}"></i>' for fill in fills)
    return (
        f'<figure class="gs-legend gs-of-{shown}"><figcaption>{escape(title)}</figcaption>{signs}'
        f'<div class="gs-ramp" aria-hidden="true">{swatches}</div>'
        f'<div class="gs-ticks">{ticks}</div><p>{escape(note)}</p></figure>'
    )


def _ticks(choices: Sequence[tuple[int, str]]) -> str:
    """Ticks at numbers of equally likely continuations, with their logarithms."""
    return "".join(
        f'<span style="left:{100 * math.log(count) / SCALE_MAX_NATS:.1f}%">'
        f"{escape(words)}<small>{math.log(count):.1f}</small></span>"
        for count, words in choices
    )


def _signed_ticks() -> str:
    """Ticks from the largest fall to the largest rise."""
    shares = (-1.0, -0.5, 0.0, 0.5, 1.0)
    return "".join(
        f'<span style="left:{50 + 50 * share:.1f}%"><small>{_signed(share * DIFFERENCE_MAX_NATS)}'
        "</small></span>"
        for share in shares
    )


def _signed(nats: float) -> str:
    return f"{nats:+.1f}".replace("-", "\u2212") if nats else "0"
