"""How a published clinical score turns findings into points, a total and an action.

The demo world teaches one kind of judgement: which *form* of a score applies today. So every topic
has two published forms, an older and a current one; `published.py` holds them as data and cites
their sources. Everything here is arithmetic on that data.

For teaching the method only. Not a medical device, and not for clinical use.
"""

from collections.abc import Mapping
from dataclasses import dataclass

NO_UPPER_LIMIT = 1_000.0
"""Above every measured value that a vignette can hold."""


@dataclass(frozen=True)
class Condition:
    """One way to earn points: a finding is recorded and lies inside an inclusive range.

    A sign that is present is recorded as 1.0; a sign that is absent is not recorded at all.
    """

    finding: str
    points: int
    low: float = 1.0
    high: float = NO_UPPER_LIMIT


@dataclass(frozen=True)
class Criterion:
    """One line of a score: the first condition that holds gives its points, else it gives 0.

    `label` may hold `{finding}` fields, which makes it a measured criterion: it is quoted with its
    value whether it scores or not. `absent` is what a chain says of a sign that does not score.
    """

    label: str
    conditions: tuple[Condition, ...]
    absent: str = ""

    @property
    def is_measured(self) -> bool:
        """Whether the label quotes a number, such as an age or a blood pressure."""
        return "{" in self.label


@dataclass(frozen=True)
class CutOff:
    """The action from a total of `at_least` points up to the next cut-off."""

    at_least: int
    action: str


@dataclass(frozen=True)
class Protocol:
    """One published form of a score, complete enough to compute a total and an action.

    `cut_offs` rise; the first one also covers every total below the second one. `source` names
    author, journal and year of the weights and of the cut-offs.
    """

    name: str
    criteria: tuple[Criterion, ...]
    cut_offs: tuple[CutOff, ...]
    source: str


@dataclass(frozen=True)
class Topic:
    """A clinical question with its older and its current published score."""

    key: str
    title: str
    older: Protocol
    current: Protocol


@dataclass(frozen=True)
class ScoredCriterion:
    """One criterion applied to one patient, as a chain quotes it."""

    text: str
    points: int


def sign(label: str, points: int, *findings: str, absent: str = "") -> Criterion:
    """Build a criterion that scores when any of the named signs is present."""
    conditions = tuple(Condition(finding, points) for finding in findings)
    return Criterion(label, conditions, absent or f"no {label}")


def measured(label: str, *conditions: Condition) -> Criterion:
    """Build a criterion on measured values; `label` quotes them, as in `"age {age:g}"`."""
    return Criterion(label, conditions)


def criterion_points(criterion: Criterion, findings: Mapping[str, float]) -> int:
    """Give the points that one criterion earns for these findings."""
    for condition in criterion.conditions:
        value = findings.get(condition.finding)
        if value is not None and condition.low <= value <= condition.high:
            return condition.points
    return 0


def score_criteria(protocol: Protocol, findings: Mapping[str, float]) -> list[ScoredCriterion]:
    """Apply every criterion of a protocol, in its published order."""
    scored = []
    for criterion in protocol.criteria:
        points = criterion_points(criterion, findings)
        quotes_label = points != 0 or criterion.is_measured
        text = criterion.label.format(**findings) if quotes_label else criterion.absent
        scored.append(ScoredCriterion(text, points))
    return scored


def total_points(protocol: Protocol, findings: Mapping[str, float]) -> int:
    """Add up all criteria of a protocol for these findings."""
    return sum(criterion_points(criterion, findings) for criterion in protocol.criteria)


def action_for(protocol: Protocol, total: int) -> str:
    """Give the action that the protocol's cut-offs attach to a total."""
    action = protocol.cut_offs[0].action
    for cut_off in protocol.cut_offs:
        if total >= cut_off.at_least:
            action = cut_off.action
    return action


def final_answer(protocol: Protocol, findings: Mapping[str, float]) -> str:
    """Give the answer text that follows the marker, such as `"3, anticoagulate"`."""
    total = total_points(protocol, findings)
    return f"{total}, {action_for(protocol, total)}"
