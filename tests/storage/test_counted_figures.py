"""What the database counts is what comes out of the rows themselves, on random projects."""

import random

import numpy as np
import pytest

from app.run_specs import snapshot
from gem_backend.agreement import fleiss_kappa, krippendorff_alpha, pairwise_agreement
from gem_backend.agreement_counts import counts_of_table, rating_table
from gem_backend.rater_view import rater_rows, rows_of_said
from gem_backend.training_data import split_training_data
from storage.adjudication import settle
from storage.judgements import (
    judged_cases,
    last_active,
    own_ratings,
    rated_counts,
    ratings,
    times,
)
from storage.pairs import Judgement, add_comparison, save_label, show_case, skip
from storage.projects import upsert_prompt
from storage.recent import undo
from storage.training_counts import count_training

VERDICTS = ("a", "a", "b", "tie", "both_bad", "cannot_judge")


@pytest.fixture(params=[0, *(pytest.param(n, marks=pytest.mark.slow) for n in range(1, 6))])
def filled(db, project_id, request):
    """A project in which raters did everything there is to do; every second one holds out."""
    rng = random.Random(request.param)
    raters = ["ann", "Bob", "éva", "çid"][: rng.randint(1, 4)]
    for number in range(rng.choice([0, 12, 30])):
        split = "held_out" if request.param % 2 and number % 5 == 0 else "pool"
        prompt = upsert_prompt(db, project_id, f"Question {number}", split).prompt
        if rng.random() < 0.2:
            continue
        for better in rng.sample(["yes", "no", "perhaps"], rng.randint(1, 2)):
            case = add_comparison(db, project_id, prompt, better, "never")
            for rater in rng.sample(raters, rng.randint(0, len(raters))):
                judge(db, rng, show_case(case, rater), rater)
            if rng.random() < 0.1:
                settle(db, show_case(case, "eve"), "eve", Judgement(rng.choice(VERDICTS)))
    if request.param % 3 == 0:  # what a file settles gives way to what is said here
        db.execute("UPDATE label_events SET is_imported = true WHERE is_final")
    return project_id


def judge(db, rng, case, rater):
    for _ in range(rng.choice([1, 1, 1, 2])):
        verdict = rng.choice(VERDICTS)
        written = "a better one" if verdict == "both_bad" and rng.random() < 0.5 else ""
        is_acceptable = rng.random() < 0.8 or verdict not in ("a", "b")
        elapsed_s = rng.choice([None, float(rng.randint(1, 60))])
        save_label(
            db, case, rater, Judgement(verdict, 1, is_acceptable, "", elapsed_s, written=written)
        )
    if rng.random() < 0.1:
        undo(db, case.comparison.project_id, rater)
    if rng.random() < 0.1:
        skip(db, case, rater)


def test_agreement_of_counts_is_that_of_the_table(db, filled):
    counts, table = rated_counts(db, filled).all, rating_table(ratings(db, filled))
    assert counts.raters == table.raters
    for coefficient in (fleiss_kappa, krippendorff_alpha, pairwise_agreement):
        assert coefficient(counts) == coefficient(table)


def test_counts_of_a_table_are_those_of_the_database(db, filled):
    counts, table = rated_counts(db, filled).all, rating_table(ratings(db, filled))
    counted = counts_of_table(table)
    given = [counts.categories.index(name) for name in table.categories]
    assert np.array_equal(counts.count_PC[:, given], counted.count_PC)
    assert np.array_equal(counts.times_P, counted.times_P)
    assert counts.rater_sizes == counted.rater_sizes


def test_raters_at_work_by_counts_are_those_by_rows(db, filled):
    counted = rated_counts(db, filled)
    last = last_active(db, filled)
    rows = rows_of_said(counted.categories, counted.own, times(db, filled), last)
    assert rows == rater_rows(own_ratings(db, filled), judged_cases(db, filled), last)


def test_parts_of_a_run_are_counted_as_they_are_made(db, filled):
    found = count_training(db, filled)
    data = split_training_data(*snapshot(db, filled))
    counts = found.counts
    assert counts.num_train == len(data.train)
    assert counts.num_held_out == len(data.validation) + len(data.test)
    assert counts.num_prompts == len(data.prompts)
    assert counts.left_out == data.left_out
    assert counts.obstacle == data.obstacle
    first = next(iter(data.train), None)
    assert found.example == (first and (first.prompt, first.chosen))


@pytest.mark.parametrize("most", [0, 2, 5, 6, 9])
def test_of_many_pairs_those_with_most_common_cases_are_compared(most):
    said = [(str(case), rater, "first") for rater in "abcd" for case in range(ord(rater) - 95)]
    pairs = pairwise_agreement(rating_table(said), most=most)
    assert len(pairs) == min(most, 6)
    names = [(pair.first, pair.second) for pair in pairs]
    assert names == sorted(names)
    if most == 2:
        assert names == [("b", "c"), ("b", "d")] or names == [("b", "c"), ("c", "d")]
