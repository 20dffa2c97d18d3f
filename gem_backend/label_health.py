"""Checks of a project's labels before anything is trained on them.

Each is a share, or a time, with its 95 % interval and one sentence for the clinician. They describe
and do not judge: a longer answer may well be the better one. Several judgements of one pair are
not independent: where they resemble each other, the interval is that of as many fewer judgements
(Kish's design effect). Of twenty raters one is expected to leave a 95 % interval by chance.

Source: Kish, Survey Sampling (1965), section 5.4, for the effective number of judgements.
"""

import re
from collections import defaultdict, deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from scipy import stats

from gem_backend.statistics import CONFIDENCE, wilson
from gem_backend.types import Answer, Estimate, Verdict

STYLE_REASONS = frozenset({"clarity", "style"})  # ours: "clarity" is of DEFAULT_REASONS
STYLE_WORD = re.compile(  # ours
    r"brief(er|ly)?|brevity|clar(ity|ify)|clear(er|est|ly)?|concise(ly|ness)?|eas(y|ier|iest)|"
    r"eloquent|flow(s|ing)?|fluen(t|cy)|format(s|ted|ting)?|grammar|layout|length(y|ier)?|"
    r"long(er|est)?|polite(r|ness)?|read(s|able|ability|ing)?|short(er|est)?|simpl(e|er|est|y)|"
    r"spelling|structured?|style|tid(y|ier)|tone|typos?|understand(able|ing)?|verbos(e|ity)|"
    r"word(ed|ing|y|ier)|writ(ten|ing)"
)
FILLER_WORD = re.compile(  # ours: adds no reason of its own
    r"a|about|all|also|an|and|answers?|are|as|at|b|because|best|better|but|for|good|had|has|have|"
    r"i|in|is|it|its|just|less|like|more|most|much|nicer?|not|of|one|only|other|overall|"
    r"prefer(red)?|quite|rather|reply|responses?|so|than|that|the|them|they|this|to|too|very|was|"
    r"well|were|which|with|worse"
)
WORD = re.compile(r"[^\W_]+")

Preference: TypeAlias = tuple[str, str]  # the better answer, the worse answer


@dataclass(frozen=True, slots=True)
class JudgedCase:
    """One judgement that stands, with what the rater saw; ``left`` is the answer shown on the left.

    A pair that its rater judged more than once is there once for each time; undone labels are not
    there. ``strength`` is from 1 (slightly) to 3, ``rater`` empty where nobody knows who it was.
    """

    pair_id: str
    prompt: str
    answer_a: str
    answer_b: str
    rater: str
    verdict: Verdict
    left: Answer | None = None
    strength: int = 1
    reasons: tuple[str, ...] = ()
    rationale: str = ""
    elapsed_s: float | None = None

    @property
    def preferred(self) -> Answer | None:
        """The better answer, None unless there is one."""
        return self.verdict if self.verdict in ("a", "b") else None


@dataclass(frozen=True, slots=True)
class ShareCheck:
    """``count`` of ``n`` with a 95 % interval, 0 to 1; ``estimate`` is None where ``n`` is 0.

    The interval is Wilson's, at the effective number of judgements.
    """

    count: int
    n: int
    estimate: Estimate | None
    note: str

    @property
    def excludes_half(self) -> bool:
        """Whether the interval leaves out 1/2, that is, whether chance is an unlikely cause."""
        return self.estimate is not None and not self.estimate.low <= 0.5 <= self.estimate.high


@dataclass(frozen=True, slots=True)
class PreferenceCycle:
    """Answers to a prompt each of which is preferred to the next, and the last to the first."""

    prompt: str
    answers: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class CycleCheck:
    """The share of prompts that hold a cycle, and a shortest cycle of the first of them."""

    share: ShareCheck
    example: PreferenceCycle | None


@dataclass(frozen=True, slots=True)
class TimeCheck:
    """Seconds per case: the median with its interval, and the quartiles; None where ``n`` is 0."""

    median_s: Estimate | None
    lower_quartile_s: float | None
    upper_quartile_s: float | None
    n: int
    note: str


@dataclass(frozen=True, slots=True)
class LabelHealth:
    """All checks of one set of judgements."""

    cycles: CycleCheck
    contradictions: ShareCheck
    side: ShareCheck
    length: ShareCheck
    style_only: ShareCheck
    time: TimeCheck


@dataclass(frozen=True, slots=True)
class HealthReport:
    """The checks of the whole project, and those of each rater with a name, in order of name."""

    project: LabelHealth
    raters: dict[str, LabelHealth]


def label_health(cases: Sequence[JudgedCase]) -> HealthReport:
    """Check the judgements of a project, together and for each rater.

    Args:
        cases: the judgements that stand, in any order; none is allowed.
    """
    by_rater = defaultdict(list)
    for case in cases:
        if case.rater:
            by_rater[case.rater].append(case)
    raters = {rater: _health(by_rater[rater]) for rater in sorted(by_rater)}
    return HealthReport(_health(cases), raters)


def _health(cases: Sequence[JudgedCase]) -> LabelHealth:
    return LabelHealth(
        cycles=preference_cycles(cases),
        contradictions=contradictions(cases),
        side=side_preference(cases),
        length=length_preference(cases),
        style_only=style_only_rationales(cases),
        time=case_time(cases),
    )


# --- consistency ------------------------------------------------------------------------------


def preference_cycles(cases: Iterable[JudgedCase]) -> CycleCheck:
    """Return the share of prompts whose preferences go round in a circle: A > B > C > A.

    Counted are the prompts where they could: those whose compared answers close a loop. Where two
    answers were compared more than once, the majority speaks; ties and even votes say nothing.
    Over several raters a cycle may be one of their majorities, with every rater consistent.

    Source: for triads, Kendall, Babington Smith, Biometrika 31 (1940) 324-345.
    """
    looped = {prompt: pairs for prompt, pairs in _majorities(cases).items() if _has_loop(pairs)}
    found = {prompt: _shortest_cycle(pairs) for prompt, pairs in looped.items()}
    cycles = [PreferenceCycle(prompt, answers) for prompt, answers in found.items() if answers]
    share = _share(
        [(prompt, bool(answers)) for prompt, answers in found.items()],
        "The preferences go round in a circle in {share} prompts where they could.",
        "No prompt has three answers or more compared all round, so no circle could show.",
    )
    return CycleCheck(share, cycles[0] if cycles else None)


def _majorities(cases: Iterable[JudgedCase]) -> dict[str, list[Preference]]:
    """Who beats whom among the answers to each prompt."""
    lead: dict[tuple[str, str, str], int] = defaultdict(int)
    for case in cases:
        if case.preferred and case.answer_a != case.answer_b:
            first, second = sorted((case.answer_a, case.answer_b))
            is_first = (case.preferred == "a") == (first == case.answer_a)
            lead[case.prompt, first, second] += 1 if is_first else -1
    preferences = defaultdict(list)
    for (prompt, first, second), votes in lead.items():
        if votes:
            preferences[prompt].append((first, second) if votes > 0 else (second, first))
    return preferences


def _has_loop(preferences: Sequence[Preference]) -> bool:
    """Whether the comparisons, whichever way they went, close a loop."""
    group = {answer: {answer} for pair in preferences for answer in pair}
    for better, worse in preferences:
        if group[better] is group[worse]:
            return True
        small, large = sorted((group[better], group[worse]), key=len)
        large |= small
        group.update(dict.fromkeys(small, large))
    return False


def _shortest_cycle(preferences: Sequence[Preference]) -> tuple[str, ...]:
    """A shortest cycle, each answer preferred to the next; empty where there is none."""
    worse_than = defaultdict(list)
    for better, worse in preferences:
        worse_than[better].append(worse)
    cycles = [cycle for start in list(worse_than) if (cycle := _way_back(start, worse_than))]
    return min(cycles, key=len, default=())


def _way_back(start: str, worse_than: dict[str, list[str]]) -> tuple[str, ...]:
    """The shortest way from an answer down to itself, by breadth-first search."""
    came_from, queue = {start: start}, deque([start])
    while queue:
        answer = queue.popleft()
        for worse in worse_than.get(answer, ()):
            if worse == start:
                return _path(answer, came_from)
            if worse not in came_from:
                came_from[worse] = answer
                queue.append(worse)
    return ()


def _path(answer: str, came_from: dict[str, str]) -> tuple[str, ...]:
    path = [answer]
    while came_from[path[-1]] != path[-1]:
        path.append(came_from[path[-1]])
    return tuple(reversed(path))


def contradictions(cases: Iterable[JudgedCase]) -> ShareCheck:
    """Return the share of pairs, judged again by the same rater, whose verdicts differ.

    A verdict "cannot_judge" contradicts nothing; nameless raters are left out.
    """
    verdicts = defaultdict(list)
    for case in cases:
        if case.rater and case.verdict != "cannot_judge":
            verdicts[case.rater, case.pair_id].append(case.verdict)
    repeated = [(pair, set(given)) for (_, pair), given in verdicts.items() if len(given) > 1]
    num_opposite = sum({"a", "b"} <= given for _, given in repeated)
    return _share(
        [(pair, len(given) > 1) for pair, given in repeated],
        "The verdict changed for {share} pairs that the same rater judged again; "
        f"for {num_opposite:,} of them it turned round.",
        "No rater judged a pair twice, so nothing is known of contradictions.",
    )


# --- what else may have decided ---------------------------------------------------------------


def side_preference(cases: Iterable[JudgedCase]) -> ShareCheck:
    """Return how often the left answer was the better one, of the preferences with a known side."""
    found = [
        (case.pair_id, case.preferred == case.left)
        for case in cases
        if case.preferred and case.left
    ]
    check = _share(
        found,
        "The answer on the left was preferred in {share} judgements",
        "No preference says which answer stood on the left.",
    )
    return _against_half(check)


def length_preference(cases: Iterable[JudgedCase]) -> ShareCheck:
    """Return how often the longer answer was the better one, of answers that differ in length.

    Length is in characters, without white space around the answer.
    """
    found = []
    for case in cases:
        difference = len(case.answer_a.strip()) - len(case.answer_b.strip())
        if case.preferred and difference:
            found.append((case.pair_id, (case.preferred == "a") == (difference > 0)))
    check = _share(
        found,
        "The longer answer was preferred in {share} judgements",
        "No preference is between answers of different length.",
    )
    return _against_half(check)


def style_only_rationales(
    cases: Iterable[JudgedCase], style_reasons: frozenset[str] = STYLE_REASONS
) -> ShareCheck:
    """Return how often style alone decided, of the preferences with a reason.

    Reasons that were chosen speak before the free text, which is read only without them: it is
    about style where all its words are, fillers aside. So a doubtful or a foreign text counts as
    substance, and the share is rather too low than too high.

    Args:
        cases: judgements, with or without reasons.
        style_reasons: the project's reasons that are about style, in lower case.
    """
    found = [
        (case.pair_id, _is_style_only(case, style_reasons))
        for case in cases
        if case.preferred and (case.reasons or case.rationale.strip())
    ]
    return _share(
        found,
        "Style alone decided {share} preferences that give a reason.",
        "No preference gives a reason.",
    )


def _is_style_only(case: JudgedCase, style_reasons: frozenset[str]) -> bool:
    if case.reasons:
        return all(reason.strip().lower() in style_reasons for reason in case.reasons)
    words = WORD.findall(case.rationale.lower())
    reasons = [word for word in words if not FILLER_WORD.fullmatch(word)]
    return bool(reasons) and all(STYLE_WORD.fullmatch(word) for word in reasons)


def _share(found: Sequence[tuple[str, bool]], sentence: str, undefined: str) -> ShareCheck:
    """How often it holds, of (pair, whether it holds); the sentence says it at ``{share}``."""
    if not found:
        return ShareCheck(0, 0, None, undefined)
    count, n = sum(holds for _, holds in found), len(found)
    effective_n = _effective_number(found)
    interval = wilson(round(count / n * effective_n), effective_n)
    estimate = Estimate(count / n, min(count / n, interval.low), max(count / n, interval.high), n)
    return ShareCheck(count, n, estimate, sentence.format(share=f"{count:,} of {n:,}"))


def _effective_number(found: Sequence[tuple[str, bool]]) -> int:
    """How many independent judgements are worth as much as these; all alike, one for each pair."""
    mean = sum(holds for _, holds in found) / len(found)
    excess: dict[str, float] = defaultdict(float)
    for pair, holds in found:
        excess[pair] += holds - mean
    if len(excess) == 1 or mean in (0.0, 1.0):
        return len(excess)
    design_effect = sum(e**2 for e in excess.values()) / (len(found) * mean * (1 - mean))
    return max(1, round(len(found) / max(1.0, design_effect)))


def _against_half(check: ShareCheck) -> ShareCheck:
    """The check with its sentence finished: what chance has to do with it."""
    if check.estimate is None:
        return check
    ending = "which chance alone could explain"
    if check.excludes_half:
        more_or_less = "more" if check.estimate.value > 0.5 else "less"
        ending = f"{more_or_less} often than chance explains"
    return ShareCheck(check.count, check.n, check.estimate, f"{check.note}, {ending}.")


# --- time -------------------------------------------------------------------------------------


def case_time(cases: Iterable[JudgedCase]) -> TimeCheck:
    """Return the time per case: median and quartiles of the known times, in seconds.

    The median's interval is between order statistics, at least 95 % whatever the distribution;
    under six cases allow no such interval, and theirs is the whole range.

    Source: Conover, Practical Nonparametric Statistics (3rd ed. 1999), section 3.2.
    """
    return time_check([case.elapsed_s for case in cases if case.elapsed_s is not None])


def time_check(times_s: Sequence[float]) -> TimeCheck:
    """Return the same for known times, in seconds."""
    times = np.sort(times_s)
    n = len(times)
    if not n:
        return TimeCheck(None, None, None, 0, "No judgement says how long it took.")
    lower, median, upper = (float(quartile) for quartile in np.quantile(times, [0.25, 0.5, 0.75]))
    rank = max(0, int(stats.binom.ppf((1 - CONFIDENCE) / 2, n, 0.5)) - 1)
    estimate = Estimate(median, float(times[rank]), float(times[n - 1 - rank]), n)
    note = f"Half of the {n:,} timed cases took {median:,.0f} s or less"
    return TimeCheck(
        estimate, lower, upper, n, f"{note}; the middle half {lower:,.0f} to {upper:,.0f} s."
    )
