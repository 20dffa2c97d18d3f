"""The coefficients against published examples, hand-made tables and their naive formulas."""

import csv
import json
from pathlib import Path

import krippendorff
import numpy as np
import pytest
from sklearn.metrics import cohen_kappa_score
from statsmodels.stats import inter_rater

from gem_backend.agreement import (
    cohen_kappa,
    fleiss_kappa,
    krippendorff_alpha,
    landis_koch_word,
    pairwise_agreement,
)
from gem_backend.agreement_counts import rating_table
from gem_backend.errors import DataError
from gem_backend.statistics import wilson

REAL_DATA = Path(__file__).parents[3] / "shared" / "data"
DIAGNOSES = """
00060 03003 01401 00006 03030 20400 00402 20310 20040 00006 10050 11040 03300 10050 02031
00501 30012 51000 02040 10203 00006 01050 02013 20040 10041 05010 40002 02040 10500 00006
"""  # Fleiss 1971, table 1: ratings of each patient in each of five categories
COEFFICIENTS = {
    "cohen": lambda table: cohen_kappa(table, *table.raters[:2]),
    "fleiss": fleiss_kappa,
    "alpha": krippendorff_alpha,
}


def ratings_of(rows):
    """Ratings from a row of categories for each case; None and "." are missing."""
    return [
        (f"case {case}", f"rater {rater}", category)
        for case, row in enumerate(rows)
        for rater, category in enumerate(row)
        if category not in (None, ".")
    ]


def table_of(rows):
    return rating_table(ratings_of(rows))


def table_of_raters(*lines):
    """From one line of categories for each rater, as Krippendorff prints them."""
    return table_of(zip(*(line.split() for line in lines), strict=True))


def crossed(**cells):
    """Two raters' ratings from a cross table, such as ``aa=20, ab=5``."""
    return [tuple(cell) for cell, times in cells.items() for _ in range(times)]


def simulated(generator, num_cases, num_raters, keenness=0.8, shares=(0.45, 0.45, 0.1)):
    """A rater sees the truth with probability ``keenness`` and otherwise guesses by the shares.

    Two raters then agree as by chance unless both see the truth, so every coefficient's true value
    is keenness^2.
    """
    truth_N = generator.choice(len(shares), num_cases, p=shares)
    guess_NR = generator.choice(len(shares), (num_cases, num_raters), p=shares)
    sees_NR = generator.random((num_cases, num_raters)) < keenness
    return np.where(sees_NR, truth_N[:, None], guess_NR).astype(str).tolist()


# --- published and hand-made examples ---------------------------------------------------------


def test_cohen_by_hand():
    """20 of both "a", 15 of both "b", 5 and 10 apart: p_o = 35/50, and with the margins 25, 25 and
    30, 20 p_e = (25 * 30 + 25 * 20) / 50^2 = 1/2, so kappa = (0.7 - 0.5) / 0.5 = 0.4.
    """
    found = cohen_kappa(table_of(crossed(aa=20, ab=5, ba=10, bb=15)), "rater 0", "rater 1")
    assert found.estimate.value == pytest.approx(0.4)
    assert (found.n, found.num_raters, found.num_left_out) == (50, 2, 0)
    assert found.note == (
        "Landis and Koch's convention calls this agreement 'fair'; "
        "the interval reaches from 'slight' to 'substantial'."
    )


def test_cohens_interval_is_near_the_standard_error_of_fleiss_cohen_everitt():
    """se^2 = (sum of p_ii (1 - (p_i. + p_.i)(1 - k))^2 + (1 - k)^2 * sum over i != j of
    p_ij (p_.i + p_j.)^2 - (k - p_e (1 - k))^2) / (n (1 - p_e)^2); Psychol. Bull. 72 (1969) 323-327.
    """
    p = np.array([[200, 50], [100, 150]]) / 500
    row, column, kappa = p.sum(axis=1), p.sum(axis=0), 0.4
    own = sum(p[i, i] * (1 - (row[i] + column[i]) * (1 - kappa)) ** 2 for i in range(2))
    apart = p[0, 1] * (column[0] + row[1]) ** 2 + p[1, 0] * (column[1] + row[0]) ** 2
    variance = own + (1 - kappa) ** 2 * apart - (kappa - 0.5 * (1 - kappa)) ** 2
    half = 1.96 * (variance / (500 * 0.5**2)) ** 0.5
    rows = crossed(aa=200, ab=50, ba=100, bb=150)
    found = cohen_kappa(table_of(rows), "rater 0", "rater 1").estimate
    assert (found.low, found.high) == pytest.approx((0.4 - half, 0.4 + half), abs=0.01)


def test_fleiss_matches_the_psychiatric_diagnoses():
    """30 patients, 6 psychiatrists, 5 diagnoses: 0.430 (Fleiss 1971, table 1)."""
    rows = [
        "".join(c * int(n) for c, n in zip("DPSNO", count, strict=True))
        for count in DIAGNOSES.split()
    ]
    found = fleiss_kappa(table_of(rows))
    assert found.estimate.value == pytest.approx(0.430, abs=5e-4)
    assert (found.n, found.num_raters, found.num_left_out) == (30, 6, 0)


def test_alpha_matches_krippendorffs_two_observers():
    """12 articles: 0.692 (Krippendorff 2011, section B)."""
    found = krippendorff_alpha(
        table_of_raters("a a b b d c c c e d d a", "b a b b b c c c e d d d")
    )
    assert found.estimate.value == pytest.approx(0.692, abs=5e-4)


def test_alpha_matches_krippendorffs_four_observers_with_missing_data():
    """12 units, the last of one rating alone: 0.743 (Krippendorff 2011, section C)."""
    found = krippendorff_alpha(
        table_of_raters(
            "1 2 3 3 2 1 4 1 2 . . .",
            "1 2 3 3 2 2 4 1 2 5 . 3",
            ". 3 3 3 2 3 4 2 2 5 1 .",
            "1 2 3 3 2 4 4 1 2 5 1 .",
        )
    )
    assert found.estimate.value == pytest.approx(0.743, abs=5e-4)
    assert (found.n, found.num_raters, found.num_left_out) == (11, 4, 1)


def test_alpha_matches_the_three_coder_example():
    """15 units, 26 pairable values: 0.691 (Krippendorff's data as Wikipedia works them out)."""
    found = krippendorff_alpha(
        table_of_raters(
            ". . . . . 3 4 1 2 1 1 3 3 . 3",
            "1 . 2 1 3 3 4 3 . . . . . . .",
            ". . 2 1 3 4 4 . 2 1 1 3 3 . 4",
        )
    )
    assert found.estimate.value == pytest.approx(0.691, abs=5e-4)


# --- other people's programs ------------------------------------------------------------------


def codes_of(rows):
    """Categories as numbers, shape (N, R); NaN is missing."""
    return np.array([[np.nan if c == "." else float(c) for c in row] for row in rows])


def fleiss_of_statsmodels(rows):
    counts, _ = inter_rater.aggregate_raters([list(row) for row in rows])
    return inter_rater.fleiss_kappa(counts, method="fleiss")


def cases_of_three(generator, rows):
    """Three ratings of each case, by different ones of the raters; "." for the others."""
    for row in rows:
        asked = set(generator.choice(len(row), 3, replace=False))
        yield [category if place in asked else "." for place, category in enumerate(row)]


@pytest.mark.parametrize("seed", range(20))
def test_coefficients_match_scikit_learn_statsmodels_and_krippendorff(seed):
    generator = np.random.default_rng(seed)
    shares = generator.dirichlet(np.ones(2 + seed % 4))
    rows = simulated(generator, 60, 4 + seed % 3, generator.random(), shares)
    thinned = [[c if generator.random() < 0.6 else "." for c in row] for row in rows]

    table = table_of(thinned)
    common = [row[:2] for row in thinned if "." not in row[:2]]
    found = cohen_kappa(table, "rater 0", "rater 1")
    firsts, seconds = zip(*common, strict=True)
    assert found.n == len(common)
    assert found.estimate.value == pytest.approx(cohen_kappa_score(firsts, seconds), abs=1e-12)

    expected = krippendorff.alpha(codes_of(thinned).T, level_of_measurement="nominal")
    assert krippendorff_alpha(table).estimate.value == pytest.approx(expected, abs=1e-12)

    of_three = [*cases_of_three(generator, rows)]
    ratings = [[category for category in row if category != "."] for row in of_three]
    expected = fleiss_of_statsmodels(ratings)
    found = fleiss_kappa(table_of(of_three))
    assert found.n == len(rows)
    assert found.estimate.value == pytest.approx(expected, abs=1e-12)


# --- properties -------------------------------------------------------------------------------


@pytest.mark.parametrize("name", COEFFICIENTS)
def test_names_and_orders_of_raters_cases_and_categories_do_not_matter(name):
    generator = np.random.default_rng(7)
    rows = simulated(generator, 40, 3)
    renamed = [[{"0": "tie", "1": "b", "2": "a"}[c] for c in row] for row in rows]
    rearranged = [renamed[place] for place in generator.permutation(len(rows))]
    if name == "cohen":
        turned = [[second, first, third] for first, second, third in rearranged]
    else:
        turned = [generator.permutation(row).tolist() for row in rearranged]
    coefficient = COEFFICIENTS[name]
    before, after = coefficient(table_of(rows)).estimate, coefficient(table_of(turned)).estimate
    assert after.value == pytest.approx(before.value)
    assert (after.low, after.high) == pytest.approx((before.low, before.high), abs=0.02)


@pytest.mark.parametrize("name", COEFFICIENTS)
def test_the_same_seed_gives_the_same_interval_whatever_the_order_of_the_cases(name):
    rows = simulated(np.random.default_rng(8), 40, 3)
    there, back = COEFFICIENTS[name](table_of(rows)), COEFFICIENTS[name](table_of(rows[::-1]))
    assert there == back


@pytest.mark.parametrize("name", COEFFICIENTS)
def test_perfect_agreement_is_one_with_an_open_interval(name):
    """Ten cases, half "a": Wilson's lower limit of 10 in 10 is 10 / (10 + 1.96^2) = 0.722.

    Chance disagreement is 1/2 (alpha: 15/29), so the limit is 1 - 0.278 / 0.5 = 0.445 (0.463).
    """
    found = COEFFICIENTS[name](table_of(["aaa", "bbb"] * 5))
    expected = 15 / 29 if name == "alpha" else 0.5
    assert found.estimate == pytest.approx(
        (1.0, 1 - (1 - wilson(10, 10).low) / expected, 1.0, 10), abs=1e-9
    )
    assert found.note.startswith("Landis and Koch's convention calls this agreement 'almost perf")


def test_interchangeable_raters_swap_seats_without_a_change_to_fleiss():
    rows = [["a", "a", "b"], ["b", "b", "b"], ["a", "tie", "a"], ["b", "a", "b"]]
    swapped = [[None] * place + row for place, row in enumerate(rows)]
    found = fleiss_kappa(table_of(swapped))
    assert found.estimate == fleiss_kappa(table_of(rows)).estimate
    assert found.num_raters == 6


def test_alpha_is_above_fleiss_by_its_small_sample_correction():
    """1 - alpha = (1 - kappa)(1 - 1/n), n ratings, where every case has the same number."""
    table = table_of(simulated(np.random.default_rng(9), 20, 3))
    kappa, alpha = fleiss_kappa(table).estimate.value, krippendorff_alpha(table).estimate.value
    assert 1 - alpha == pytest.approx((1 - kappa) * (1 - 1 / 60))


@pytest.mark.parametrize(("name", "num_raters"), [("cohen", 2), ("fleiss", 3), ("alpha", 4)])
def test_the_interval_covers_the_truth_about_as_often_as_it_says(name, num_raters):
    generator = np.random.default_rng(11)
    covered = 0
    for _ in range(200):
        table = table_of(simulated(generator, 40, num_raters))
        estimate = COEFFICIENTS[name](table).estimate
        covered += estimate.low <= 0.8**2 <= estimate.high
    assert 0.91 <= covered / 200 <= 0.99


def test_the_interval_narrows_with_the_root_of_the_number_of_cases():
    rows = simulated(np.random.default_rng(12), 100, 3)
    few, many = fleiss_kappa(table_of(rows)), fleiss_kappa(table_of(rows * 100))
    assert many.estimate.value == pytest.approx(few.estimate.value)
    width = many.estimate.high - many.estimate.low
    assert width == pytest.approx((few.estimate.high - few.estimate.low) / 10, rel=0.1)


# --- what cannot be told ----------------------------------------------------------------------


@pytest.mark.parametrize("name", COEFFICIENTS)
def test_one_category_alone_leaves_agreement_undefined(name):
    found = COEFFICIENTS[name](table_of(["aaa"] * 4))
    assert found.estimate is None
    assert found.n == 4
    assert found.note.startswith("Every rating is the same verdict")


@pytest.mark.parametrize("name", COEFFICIENTS)
def test_a_single_case_leaves_agreement_undefined(name):
    found = COEFFICIENTS[name](table_of(["aab", "a..", ".b."]))
    assert (found.estimate, found.n, found.num_left_out) == (None, 1, 2)
    assert "fewer than two cases" in found.note.lower()


def test_cohen_says_when_one_rater_makes_it_zero():
    found = cohen_kappa(table_of(["aa", "ab", "aa"]), "rater 0", "rater 1")
    assert found.estimate == (0.0, 0.0, 0.0, 3)
    assert found.note == (
        "One rater gave every case the same verdict, which makes kappa 0 by definition."
    )


def test_cohen_refuses_a_rater_who_judged_nothing():
    with pytest.raises(DataError, match=r"Dr\. Who has judged none"):
        cohen_kappa(table_of(["ab", "ab"]), "rater 0", "Dr. Who")


def test_fleiss_leaves_two_raters_to_cohen():
    found = fleiss_kappa(table_of(["ab", "bb", "aa"]))
    assert found.estimate is None
    assert "Cohen's kappa compares two" in found.note


def test_fleiss_says_which_cases_it_leaves_out():
    """Three ratings are the commonest number; the cases with two and with one are left out."""
    rows = ["aab", "bbb", "aaa", "ab.", "a.."]
    found = fleiss_kappa(table_of(rows))
    assert found.estimate.value == pytest.approx(fleiss_of_statsmodels(rows[:3]))
    assert (found.n, found.num_left_out) == (3, 2)
    assert found.note.endswith("; 2 of 5 cases, without exactly 3 ratings, are not counted.")


def test_no_ratings_at_all_are_no_error():
    empty = rating_table([])
    assert fleiss_kappa(empty).estimate is krippendorff_alpha(empty).estimate is None
    assert pairwise_agreement(empty) == ()


def test_a_later_rating_replaces_the_raters_earlier_one():
    table = rating_table([("1", "Ada", "a"), ("1", "Ada", "b"), ("2", "Ada", "a")])
    assert table.code_NR.tolist() == [[1], [0]]
    assert table.categories == ("a", "b")


# --- pairs and words --------------------------------------------------------------------------


def test_pairs_of_raters_by_hand():
    """Raters 0 and 1 share three cases and agree on two; 2 shares none with 0, one with 1."""
    first, apart, lonely = pairwise_agreement(table_of(["aa.", "ab.", "bb.", ".aa"]))
    assert (first.first, first.second, first.n) == ("rater 0", "rater 1", 3)
    assert first.raw == wilson(2, 3)
    assert first.kappa.estimate.value == pytest.approx(cohen_kappa_score([*"aab"], [*"abb"]))
    assert (apart.n, apart.raw, apart.kappa.estimate) == (0, None, None)
    assert (lonely.n, lonely.raw) == (1, wilson(1, 1))
    assert lonely.kappa.note.startswith("rater 1 and rater 2 share fewer than two cases")


def test_the_words_of_landis_and_koch():
    limits = [-0.1, 0.0, 0.2, 0.204, 0.21, 0.4, 0.41, 0.6, 0.61, 0.8, 0.81, 1.0]
    words = [landis_koch_word(value) for value in limits]
    assert words == [
        "poor", *["slight"] * 3, *["fair"] * 2, *["moderate"] * 2, *["substantial"] * 2,
        *["almost perfect"] * 2,
    ]  # fmt: skip


# --- real data --------------------------------------------------------------------------------


def real_file(name):
    path = REAL_DATA / name
    if not path.exists():
        pytest.skip(f"the real data {name} are not on this machine")
    return path


def test_pandalms_three_annotators():
    """999 pairs of answers; the annotators' verdicts are a tie, the first or the second."""
    pairs = json.loads(real_file("pandalm/testset-v1.json").read_text(encoding="utf-8"))
    rows = [[str(pair[f"annotator{place}"]) for place in (1, 2, 3)] for pair in pairs]
    found = fleiss_kappa(table_of(rows))
    assert round(found.estimate.value, 2) == 0.86
    assert found.estimate.value == pytest.approx(fleiss_of_statsmodels(rows))
    assert found.estimate.low < 0.86 < found.estimate.high


def test_kqas_three_physicians():
    """399 claims that an answer entails, contradicts or leaves open."""
    with real_file("kqa/NLI_medical_annotator.csv").open(encoding="utf-8", newline="") as file:
        rows = [[claim[f"label_{place}"] for place in range(3)] for claim in csv.DictReader(file)]
    found = fleiss_kappa(table_of(rows))
    assert round(found.estimate.value, 2) == 0.72
    assert "'substantial'" in found.note
    assert all(pair.n == 399 for pair in pairwise_agreement(table_of(rows)))
