import itertools
from statistics import median

import numpy as np
import pytest

from gem_backend.consistency import contradicted_cases, contradictions, preference_cycles
from gem_backend.judged import JudgedCase
from gem_backend.label_health import (
    case_time,
    label_health,
    length_preference,
    side_preference,
    style_only_rationales,
)
from gem_backend.statistics import wilson

PAIR_IDS = (f"pair {place}" for place in itertools.count())


def judged(verdict="a", **fields):
    """A judgement, of a pair of its own unless a field says which."""
    given = {
        "pair_id": next(PAIR_IDS),
        "prompt": "Fever?",
        "answer_a": "Rest.",
        "answer_b": "Aspirin.",
    }
    return JudgedCase(**(given | {"rater": "Dr. Ada", "verdict": verdict} | fields))


def better(first, second, prompt="Fever?", **fields):
    return judged(answer_a=first, answer_b=second, prompt=prompt, **fields)


# --- cycles -----------------------------------------------------------------------------------


def test_a_circle_of_three_is_found_and_shown():
    cases = [better("A", "B"), better("B", "C"), judged("b", answer_a="A", answer_b="C")]
    check = preference_cycles(cases)
    assert (check.share.count, check.share.n) == (1, 1)
    assert check.example.prompt == "Fever?"
    assert check.example.answers in {("A", "B", "C"), ("B", "C", "A"), ("C", "A", "B")}
    assert check.share.note == (
        "The preferences go round in a circle in 1 of 1 prompts where they could."
    )


def test_a_consistent_order_of_three_could_have_been_a_circle():
    check = preference_cycles([better("A", "B"), better("B", "C"), better("A", "C")])
    assert check.share.estimate == wilson(0, 1)
    assert check.example is None


def test_a_chain_is_no_place_for_a_circle():
    check = preference_cycles([better("A", "B"), better("B", "C")])
    assert check.share.estimate is None
    assert check.share.n == 0
    assert check.share.note.startswith("No prompt has three answers or more")


def test_the_same_answers_under_different_prompts_make_no_circle():
    cases = [better("A", "B", "1"), better("B", "C", "2"), better("C", "A", "3")]
    assert preference_cycles(cases).share.n == 0


def test_ties_and_even_votes_say_nothing():
    tied = [better("A", "B"), better("B", "C"), judged("tie", answer_a="C", answer_b="A")]
    even = [better("A", "B"), better("B", "C"), better("C", "A"), better("A", "C")]
    assert preference_cycles(tied).share.n == preference_cycles(even).share.n == 0


def test_the_example_is_a_shortest_circle():
    """A > B > C > D > A has the short cut B > D, so that A > B > D > A is round too."""
    around = [better(*pair) for pair in ("AB", "BC", "CD", "DA", "BD")]
    example = preference_cycles(around).example
    assert sorted(example.answers) == ["A", "B", "D"]


def test_cycles_match_a_search_through_all_orders_of_the_answers():
    """Preferences are free of circles just when some order of the answers respects them all."""
    generator = np.random.default_rng(3)
    found = set()
    for _ in range(60):
        pairs = [pair for pair in itertools.combinations("ABCDE", 2) if generator.random() < 0.6]
        pairs = [pair if generator.random() < 0.8 else pair[::-1] for pair in pairs]
        has_order = any(
            all(order.index(first) < order.index(second) for first, second in pairs)
            for order in itertools.permutations("ABCDE")
        )
        check = preference_cycles([better(*pair) for pair in pairs])
        found.add(has_order)
        assert (check.share.count == 0) == has_order
        if check.example:
            answers = check.example.answers
            assert set(zip(answers, answers[1:] + answers[:1], strict=True)) <= set(pairs)
    assert found == {True, False}


# --- contradictions ---------------------------------------------------------------------------


def test_contradictions_by_hand():
    """Judged again: p1 (turned round), p2 (same), p3 (preference, then tie); so 2 of 3."""
    given = {"p1": "ab", "p2": "bb", "p4": "a"}
    cases = [judged(verdict, pair_id=pair) for pair, said in given.items() for verdict in said]
    cases += [judged("a", pair_id="p3"), judged("tie", pair_id="p3")]
    check = contradictions(cases)
    assert check.estimate == wilson(2, 3)
    assert check.note == (
        "The verdict changed for 2 of 3 pairs that the same rater judged again; "
        "for 1 of them it turned round."
    )


def test_contradicted_cases_are_named_the_first_ones_first():
    """p1 is judged alike; ann turns p2 round, and bo changes to a tie on p3."""
    said = [("p1", "ann", "aa"), ("p2", "ann", "aba"), ("p3", "bo", "b"), ("p2", "bo", "a")]
    cases = [
        judged(one, pair_id=pair, rater=who, prompt=pair)
        for pair, who, all_ in said
        for one in all_
    ]
    cases.append(judged("tie", pair_id="p3", rater="bo", prompt="p3"))
    first, second = contradicted_cases(cases, 10)
    assert (first.prompt, first.rater, first.verdicts) == ("p2", "ann", ("a", "b", "a"))
    assert (first.answer_a, first.answer_b) == ("Rest.", "Aspirin.")
    assert (second.prompt, second.rater, second.verdicts) == ("p3", "bo", ("b", "tie"))
    assert contradicted_cases(cases, 1) == (first,)
    assert label_health(cases).project.contradicted == (first, second)
    assert label_health(cases).raters["ann"].contradicted == (first,)


def test_raters_may_contradict_each_other_and_the_nameless_anyone():
    said = [("a", "Dr. Ada"), ("b", "Dr. Bo"), ("a", ""), ("b", "")]
    cases = [judged(verdict, pair_id="p1", rater=rater) for verdict, rater in said]
    assert contradictions(cases).estimate is None


def test_cannot_judge_contradicts_nothing():
    assert contradictions([judged(said, pair_id="p1") for said in ("a", "cannot_judge")]).n == 0


# --- side and length --------------------------------------------------------------------------


def test_side_preference_by_hand():
    """Preferred and left: 3 of the 4 preferences whose sides are known."""
    cases = [judged("a", left="a"), judged("b", left="b"), judged("a", left="a")]
    cases += [judged("a", left="b"), judged("tie", left="a"), judged("b")]
    check = side_preference(cases)
    assert (check.count, check.n, check.estimate) == (3, 4, wilson(3, 4))
    assert not check.excludes_half
    assert check.note.endswith("in 3 of 4 judgements, which chance alone could explain.")


@pytest.mark.parametrize(("left", "words"), [("a", "more often"), ("b", "less often")])
def test_a_rater_who_always_takes_one_side_is_noticed(left, words):
    check = side_preference([judged("a", left=left) for _ in range(20)])
    assert check.excludes_half
    assert f", {words} than chance explains." in check.note


def test_length_preference_by_hand():
    """Longer and preferred: "Aspirin." over "Rest." once of twice; equal lengths do not count."""
    cases = [judged("a"), judged("b"), judged("both_bad"), judged("a", answer_b=" Salt. ")]
    check = length_preference(cases)
    assert check.estimate == wilson(1, 2)
    assert check.note.startswith("The longer answer was preferred in 1 of 2 judgements")


def test_raters_who_copy_each_other_count_once():
    """Three identical judgements of each of 20 pairs are worth 20, not 60."""
    pairs = [judged("a" if place < 15 else "b", pair_id=f"p{place}") for place in range(20)]
    once, thrice = length_preference(pairs), length_preference(pairs * 3)
    assert thrice.n == 60
    assert thrice.estimate[:3] == once.estimate[:3] == wilson(5, 20)[:3]


def test_one_pair_however_often_is_one_pair():
    check = length_preference([judged("b", pair_id="p1") for _ in range(50)])
    assert check.estimate == (1.0, *wilson(1, 1)[1:3], 50)
    assert not check.excludes_half


def test_the_interval_covers_the_truth_although_raters_follow_the_same_pairs():
    """Each pair pulls its three raters to one side with probability 0.8; over pairs, half each."""
    generator = np.random.default_rng(2)
    covered = 0
    for _ in range(200):
        pull = generator.random(40) < 0.5
        follows = generator.random((40, 3)) < 0.8
        cases = [
            judged("b" if is_pulled == does else "a", pair_id=f"p{place}")
            for place, is_pulled in enumerate(pull)
            for does in follows[place]
        ]
        covered += not length_preference(cases).excludes_half
    assert 0.91 <= covered / 200 <= 0.99


def test_shares_without_a_case_explain_themselves():
    for check in (side_preference, length_preference, style_only_rationales, contradictions):
        found = check([judged("tie")])
        assert found.estimate is None
        assert not found.excludes_half
        assert found.note.startswith("No ")


# --- reasons ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("reasons", "rationale", "is_style_only"),
    [
        (("clarity",), "", True),
        (("Clarity", "style"), "B has the wrong dose", True),
        (("clarity", "safety"), "", False),
        (("accuracy",), "clearer", False),
        ((), "Clearer and more concise.", True),
        ((), "A is easier to read", True),
        ((), "Clearer, but the dose is wrong", False),
        ((), "A is better", False),
        ((), "Klarer und kürzer", False),
        ((), "...", False),
    ],
)
def test_style_alone_decides(reasons, rationale, is_style_only):
    check = style_only_rationales([judged(reasons=reasons, rationale=rationale)])
    assert (check.count, check.n) == (int(is_style_only), 1)


def test_only_preferences_with_a_reason_count_towards_style():
    cases = [judged(), judged(rationale=" "), judged("tie", reasons=("clarity",))]
    assert style_only_rationales(cases).n == 0


def test_a_project_names_its_own_style_reasons():
    cases = [judged(reasons=("Klarheit",)), judged(reasons=("clarity",))]
    assert style_only_rationales(cases, frozenset({"klarheit"})).estimate == wilson(1, 2)


# --- time -------------------------------------------------------------------------------------


def test_time_per_case_by_hand():
    """Of 1, 2, ..., 20 s: quartiles 5.75, 10.5, 15.25; 6th and 15th time enclose the median.

    Conover's table has these ranks: 2 P(Bin(20, 1/2) <= 5) = 0.041 lies outside them.
    """
    check = case_time([judged(elapsed_s=float(s)) for s in range(20, 0, -1)] + [judged()])
    assert check.median_s == (10.5, 6.0, 15.0, 20)
    assert (check.lower_quartile_s, check.upper_quartile_s, check.n) == (5.75, 15.25, 20)


def test_the_median_of_few_times_has_their_range():
    assert case_time([judged(elapsed_s=s) for s in (9.0, 3.0, 4.0)]).median_s == (4, 3, 9, 3)
    assert case_time([judged(elapsed_s=5.0)]).median_s == (5.0, 5.0, 5.0, 1)


def test_no_times_explain_themselves():
    check = case_time([judged()])
    assert (check.median_s, check.lower_quartile_s, check.n) == (None, None, 0)
    assert check.note == "No judgement says how long it took."


def test_the_median_is_inside_its_interval_as_often_as_said():
    generator = np.random.default_rng(5)
    covered = 0
    for _ in range(400):
        times = generator.exponential(30, 15)
        found = case_time([judged(elapsed_s=float(s)) for s in times]).median_s
        assert found.value == pytest.approx(median(times))
        covered += found.low <= 30 * np.log(2) <= found.high
    assert covered >= 0.95 * 400 - 13  # three standard errors


# --- together ---------------------------------------------------------------------------------


def test_every_rater_has_checks_of_their_own():
    """Each of two raters is consistent; only their majorities go round."""
    cases = [better("A", "B"), better("B", "C", elapsed_s=4.0)]
    cases += [better("C", "A", rater="Dr. Bo", left="a"), judged("tie", rater="")]
    report = label_health(cases)
    assert list(report.raters) == ["Dr. Ada", "Dr. Bo"]
    assert report.project.cycles.share.count == 1
    assert all(health.cycles.share.count == 0 for health in report.raters.values())
    assert report.raters["Dr. Ada"].time.n == 1
    assert report.raters["Dr. Bo"].side.n == report.project.side.n == 1


def test_the_order_of_the_cases_does_not_matter():
    generator = np.random.default_rng(1)
    cases = [
        better(*pair, rater=rater, pair_id="".join(pair), left="a", elapsed_s=float(place))
        for rater in ("Dr. Ada", "Dr. Bo")
        for place, pair in enumerate(itertools.permutations("ABC", 2))
    ] * 2
    report = label_health(cases)
    shuffled = label_health([cases[place] for place in generator.permutation(len(cases))])
    assert shuffled == report


def test_a_project_without_labels_has_a_report():
    report = label_health([])
    assert report.raters == {}
    assert report.project.side.estimate is None
