"""Whether judgements fit together: circles of preferences, and cases judged anew otherwise."""

import itertools
from collections import defaultdict, deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from gem_backend.judged import JudgedCase, ShareCheck, share
from gem_backend.types import Verdict

Preference: TypeAlias = tuple[str, str]  # the better answer, the worse answer


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
class ContradictedCase:
    """A pair that its rater judged more than once, not always alike: one verdict for each time."""

    pair_id: str
    prompt: str
    answer_a: str
    answer_b: str
    rater: str
    verdicts: tuple[Verdict, ...]


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
    found_share = share(
        [(prompt, bool(answers)) for prompt, answers in found.items()],
        "The preferences go round in a circle in {share} prompts where they could.",
        "No prompt has three answers or more compared all round, so no circle could show.",
    )
    return CycleCheck(found_share, cycles[0] if cycles else None)


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
    repeated = _judged_again(cases)
    num_opposite = sum({"a", "b"} <= set(one.verdicts) for one in repeated)
    return share(
        [(one.pair_id, len(set(one.verdicts)) > 1) for one in repeated],
        "The verdict changed for {share} pairs that the same rater judged again; "
        f"for {num_opposite:,} of them it turned round.",
        "No rater judged a pair twice, so nothing is known of contradictions.",
    )


def contradicted_cases(cases: Iterable[JudgedCase], most: int) -> tuple[ContradictedCase, ...]:
    """Return the first of those pairs whose verdicts differ, at most so many."""
    found = (one for one in _judged_again(cases) if len(set(one.verdicts)) > 1)
    return tuple(itertools.islice(found, most))


def _judged_again(cases: Iterable[JudgedCase]) -> list[ContradictedCase]:
    """What a rater with a name judged more than once, whether or not alike."""
    given: dict[tuple[str, str], list[JudgedCase]] = defaultdict(list)
    for case in cases:
        if case.rater and case.verdict != "cannot_judge":
            given[case.rater, case.pair_id].append(case)
    return [
        ContradictedCase(
            pair_id=pair_id,
            prompt=said[0].prompt,
            answer_a=said[0].answer_a,
            answer_b=said[0].answer_b,
            rater=rater,
            verdicts=tuple(one.verdict for one in said),
        )
        for (rater, pair_id), said in given.items()
        if len(said) > 1
    ]
