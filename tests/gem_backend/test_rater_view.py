"""Raters at work, by numbers counted by hand."""

import time
from collections import Counter

import pytest

from gem_backend.agreement_counts import Rating
from gem_backend.judged import JudgedCase
from gem_backend.rater_view import majority, rater_rows
from gem_backend.statistics import wilson


def ratings(**words):
    """One case for each place of a word, one letter a verdict, "." for none: ``ann="ab.t"``."""
    names = {"a": "first", "b": "second", "t": "tie", "x": "both_bad", "c": "cannot_judge"}
    return [
        Rating(f"case {place}", rater, names[letter])
        for rater, word in words.items()
        for place, letter in enumerate(word)
        if letter != "."
    ]


def by_name(*given):
    return {row.rater: row for row in rater_rows(*given)}


def test_two_raters_are_compared_with_each_other():
    """They share four cases and agree on three; the fifth is ann's alone."""
    rows = by_name(ratings(ann="aabta", bob="aabx."), [], {})
    assert rows["ann"].with_others == rows["bob"].with_others == wilson(3, 4)
    assert (rows["ann"].num_judged, rows["bob"].num_judged) == (5, 4)


def test_three_raters_are_compared_with_what_the_other_two_share():
    """The verdicts of ann, bob and cid: aab, abb, aaa, ab and no third, tab.

    ann meets a word of others in the second (bb: no), third (aa: yes) and fourth (b: no); in the
    first and the fifth the other two differ. bob agrees in the third, not in the fourth (a); cid
    agrees in the third, not in the first (aa).
    """
    rows = by_name(ratings(ann="aaaat", bob="ababa", cid="bba.b"), [], {})
    assert rows["ann"].with_others == wilson(1, 3)
    assert rows["ann"].num_split == 2
    assert rows["bob"].with_others == wilson(1, 2)
    assert rows["bob"].num_split == 3
    assert rows["cid"].with_others == wilson(1, 2)
    assert rows["cid"].num_split == 2


def test_more_than_half_is_a_majority_and_no_less():
    assert majority(Counter(first=2, second=1)) == "first"
    assert majority(Counter(first=2, second=2)) is None
    assert majority(Counter(first=2, second=1, tie=1)) is None
    assert majority(Counter(tie=1)) == "tie"


def test_rater_without_a_common_case_has_no_share():
    rows = by_name(ratings(ann="ab..", bob="..ab"), [], {})
    assert rows["ann"].with_others is None
    assert rows["ann"].num_split == 0


def test_shares_of_the_verdicts_that_train_nothing_have_n_and_interval():
    [row] = rater_rows(ratings(ann="aacxxtbabb"), [], {})
    assert (row.cannot_judge, row.both_bad) == (wilson(1, 10), wilson(2, 10))


def test_time_is_the_raters_own_and_last_active_as_given():
    """Of 2, 4 and 9 s the median is 4 s; three cases allow no narrower interval than all of it."""
    cases = [
        JudgedCase(str(seconds), "Q", "yes", "no", rater, "a", elapsed_s=seconds)
        for rater, times in (("ann", (2.0, 9.0, 4.0)), ("bob", (None, 60.0)))
        for seconds in times
    ]
    last = {"ann": "2026-11-20T10:00:00+00:00", "gone": "2026-11-01T10:00:00+00:00"}
    rows = by_name(ratings(ann="aaa", bob="aa", cid="a"), cases, last)
    found = rows["ann"].time.median_s
    assert (found.value, found.low, found.high, found.n) == (4.0, 2.0, 9.0, 3)
    assert rows["bob"].time.n == 1
    assert rows["cid"].time.median_s is None
    assert [rows[name].last_active for name in ("ann", "bob", "cid")] == [last["ann"], "", ""]
    assert "gone" not in rows


def test_nobody_has_no_row():
    assert rater_rows([], [], {}) == ()


def test_many_ratings_take_a_moment_only():
    given = [Rating(str(n // 3), "abc"[n % 3], "first") for n in range(90_000)]
    start = time.process_time()
    assert len(rater_rows(given, [], {})) == 3
    assert time.process_time() - start < 3.0


@pytest.mark.parametrize("order", [1, -1])
def test_order_of_the_ratings_does_not_matter(order):
    given = ratings(ann="aabta", bob="aabx.", cid="b.bbb")
    assert rater_rows(given[::order], [], {}) == rater_rows(given, [], {})
