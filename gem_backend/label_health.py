"""Checks of a project's labels before anything is trained on them.

Each is a share, or a time, with its 95 % interval and one sentence for the clinician. They describe
and do not judge: a longer answer may well be the better one. Of twenty raters one is expected to
leave a 95 % interval by chance.
"""

import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

from gem_backend.consistency import (
    ContradictedCase,
    CycleCheck,
    contradicted_cases,
    contradictions,
    preference_cycles,
)
from gem_backend.judged import JudgedCase, ShareCheck, share
from gem_backend.statistics import CONFIDENCE
from gem_backend.types import Estimate

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
MOST_CONTRADICTED = 10  # ours: what a person reads one by one


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
    """All checks of one set of judgements; ``contradicted`` has the first of these cases."""

    cycles: CycleCheck
    contradictions: ShareCheck
    contradicted: tuple[ContradictedCase, ...]
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
    raters = {rater: project_health(by_rater[rater]) for rater in sorted(by_rater)}
    return HealthReport(project_health(cases), raters)


def project_health(cases: Sequence[JudgedCase]) -> LabelHealth:
    """Check judgements together, whoever's they are."""
    return LabelHealth(
        cycles=preference_cycles(cases),
        contradictions=contradictions(cases),
        contradicted=contradicted_cases(cases, MOST_CONTRADICTED),
        side=side_preference(cases),
        length=length_preference(cases),
        style_only=style_only_rationales(cases),
        time=case_time(cases),
    )


# --- what else may have decided ---------------------------------------------------------------


def side_preference(cases: Iterable[JudgedCase]) -> ShareCheck:
    """Return how often the left answer was the better one, of the preferences with a known side."""
    found = [
        (case.pair_id, case.preferred == case.left)
        for case in cases
        if case.preferred and case.left
    ]
    check = share(
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
    check = share(
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
    return share(
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
