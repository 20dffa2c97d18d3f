"""Chains of thought for a vignette: right, outdated, or with one plausible slip.

A chain names the score, goes through its criteria one by one, adds the points and ends in one last
line, `Final Answer: <total>, <action>`.
"""

import random
from dataclasses import dataclass
from typing import Literal

from gem_backend.demo.scores import (
    Protocol,
    ScoredCriterion,
    action_for,
    score_criteria,
)
from gem_backend.demo.vignettes import Vignette

ANSWER_MARKER = "Final Answer:"

SlipKind = Literal["missed", "distractor", "arithmetic"]
SLIP_KINDS: tuple[SlipKind, ...] = ("missed", "distractor", "arithmetic")


@dataclass(frozen=True)
class SlippedChain:
    """A chain with one slip, and the expert's short reason for rejecting it."""

    text: str
    rationale: str


def write_chain(vignette: Vignette, protocol: Protocol) -> str:
    """Write the faultless chain for a vignette under one protocol."""
    scored = score_criteria(protocol, vignette.findings)
    return _render(protocol, scored, sum(item.points for item in scored))


def answer_of(chain: str) -> str:
    """Give the text after the last answer marker, or `""` where there is no marker."""
    _, marker, answer = chain.rpartition(ANSWER_MARKER)
    return answer.strip() if marker else ""


def write_slipped_chain(
    vignette: Vignette, protocol: Protocol, rng: random.Random
) -> SlippedChain | None:
    """Write a chain with one slip of a random kind; None where the vignette allows none."""
    kinds = list(SLIP_KINDS)
    rng.shuffle(kinds)
    for kind in kinds:
        slipped = _slip(kind, vignette, protocol, rng)
        if slipped is not None:
            return slipped
    return None


def _slip(
    kind: SlipKind, vignette: Vignette, protocol: Protocol, rng: random.Random
) -> SlippedChain | None:
    """Make one slip of the given kind, where the vignette allows it."""
    scored = score_criteria(protocol, vignette.findings)
    if kind == "missed":
        return _miss_a_finding(protocol, scored, rng)
    if kind == "distractor":
        return _count_a_distractor(vignette, protocol, scored, rng)
    return _add_up_wrongly(protocol, scored, rng)


def _miss_a_finding(
    protocol: Protocol, scored: list[ScoredCriterion], rng: random.Random
) -> SlippedChain | None:
    """Give no points for one criterion that is met."""
    met = [i for i, item in enumerate(scored) if item.points > 0]
    if not met:
        return None
    i = rng.choice(met)
    criterion, missed = protocol.criteria[i], scored[i].text
    text = missed if criterion.is_measured else criterion.absent
    slipped = [*scored[:i], ScoredCriterion(text, 0), *scored[i + 1 :]]
    total = sum(item.points for item in slipped)
    return SlippedChain(_render(protocol, slipped, total), f"gives no points for {missed}")


def _count_a_distractor(
    vignette: Vignette, protocol: Protocol, scored: list[ScoredCriterion], rng: random.Random
) -> SlippedChain | None:
    """Give a point for something that is no criterion."""
    if not vignette.distractors:
        return None
    label = rng.choice(vignette.distractors)
    at = rng.randint(1, len(scored))
    slipped = [*scored[:at], ScoredCriterion(label, 1), *scored[at:]]
    total = sum(item.points for item in slipped)
    return SlippedChain(_render(protocol, slipped, total), f"counts {label}, which scores nothing")


def _add_up_wrongly(
    protocol: Protocol, scored: list[ScoredCriterion], rng: random.Random
) -> SlippedChain | None:
    """Miss the total by one where there are at least two numbers to add."""
    if sum(item.points != 0 for item in scored) < 2:
        return None
    total = sum(item.points for item in scored) + rng.choice((-1, 1))
    return SlippedChain(_render(protocol, scored, total), "adds up the points wrongly")


def _render(protocol: Protocol, scored: list[ScoredCriterion], total: int) -> str:
    """Write the criteria, the sum and the final line."""
    quoted = [_quote(protocol, item) for item in scored]
    terms = [item.points for item in scored if item.points]
    working = f"{_sum_text(terms)} = {total}" if len(terms) > 1 else str(total)
    action = action_for(protocol, total)
    return (
        f"Using {protocol.name}: {', '.join(quoted)}. Total {working}.\n"
        f"{ANSWER_MARKER} {total}, {action}"
    )


def _quote(protocol: Protocol, item: ScoredCriterion) -> str:
    """Quote one criterion with its points; a sign that is absent needs none."""
    absent = {criterion.absent for criterion in protocol.criteria if not criterion.is_measured}
    return item.text if item.points == 0 and item.text in absent else f"{item.text} ({item.points})"


def _sum_text(terms: list[int]) -> str:
    """Write `1 + 2 - 2`."""
    head, *rest = terms
    return str(head) + "".join(f" {'+' if term > 0 else '-'} {abs(term)}" for term in rest)
