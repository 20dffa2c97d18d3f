import pytest

from gem_backend.agreement import fleiss_kappa
from gem_backend.agreement_counts import Rating, rating_table
from storage.adjudication import settle
from storage.exchange import import_file
from storage.judgements import judged_cases, last_active, newest, own_ratings, ratings
from storage.orders import AnswerOrder, save_order
from storage.pairs import Judgement, add_comparison, save_label, show_case, skip
from storage.projects import create_project
from storage.recent import undo


def test_ratings_are_the_last_word_of_each_rater(db, project_id):
    comparison = add_comparison(db, project_id, "Q", "yes", "no")
    for rater, verdict in (("ann", "a"), ("bob", "b"), ("ann", "tie")):
        save_label(db, show_case(comparison, rater), rater, Judgement(verdict))
    skip(db, show_case(comparison, "cid"), "cid")
    key = comparison.pair_id
    assert ratings(db, project_id) == [Rating(key, "bob", "first"), Rating(key, "ann", "tie")]
    assert ratings(db, "another") == []


@pytest.mark.slow
def test_ratings_do_not_depend_on_which_answer_was_stored_in_front(db, project_id):
    """Whoever comes first in an import puts what they prefer in front."""
    pairs = [(f"answer {number}", f"other {number}") for number in range(40)]
    for number, (one, other) in enumerate(pairs):
        better, worse = (one, other) if number % 2 else (other, one)
        comparison = add_comparison(db, project_id, f"Q{number}", better, worse)
        save_label(db, show_case(comparison, "ann"), "ann", Judgement("a"))
    categories = [rating.category for rating in ratings(db, project_id)]
    assert 5 < categories.count("first") < 35
    turned = create_project(db, "turned").project_id
    for number, (one, other) in enumerate(pairs):
        comparison = add_comparison(db, turned, f"Q{number}", one, other)
        verdict = "a" if number % 2 else "b"
        save_label(db, show_case(comparison, "ann"), "ann", Judgement(verdict))
    assert [rating.category for rating in ratings(db, turned)] == categories


def test_judged_again_stands_twice_and_taken_back_not_at_all(db, project_id):
    comparison = add_comparison(db, project_id, "Q", "yes", "no")
    case = show_case(comparison, "ann")
    first = Judgement("a", 2, rationale="safer", elapsed_s=4.0, reasons=("safety",))
    save_label(db, case, "ann", first)
    save_label(db, case, "ann", Judgement("b"))
    save_label(db, case, "ann", Judgement("tie"))
    undo(db, project_id, "ann")
    skip(db, case, "ann")
    found = judged_cases(db, project_id)
    assert [one.verdict for one in found] == ["a", "b"]
    one = found[0]
    assert (one.strength, one.rationale, one.elapsed_s, one.reasons) == (
        2,
        "safer",
        4.0,
        ("safety",),
    )
    assert (one.prompt, one.answer_a, one.answer_b, one.left) == ("Q", "yes", "no", case.left)


def test_own_ratings_leave_out_what_follows_from_a_written_answer(db, project_id):
    case = show_case(add_comparison(db, project_id, "Q", "yes", "no"), "ann")
    save_label(db, case, "ann", Judgement("both_bad", written="perhaps"))
    assert len(ratings(db, project_id)) == 3
    assert own_ratings(db, project_id) == [Rating(case.comparison.pair_id, "ann", "both_bad")]


def test_last_active_is_the_newest_word_here_and_no_import(db, project_id, tmp_path):
    file = tmp_path / "rows.jsonl"
    file.write_text('{"prompt": "Q0", "chosen": "yes", "rejected": "no", "rater": "cid"}\n')
    import_file(db, project_id, file)
    assert last_active(db, project_id) == {}
    case = show_case(add_comparison(db, project_id, "Q", "yes", "no"), "ann")
    save_label(db, case, "ann", Judgement("a"))
    skip(db, case, "bob")
    settle(db, case, "eva", Judgement("a"))
    newest = "SELECT max(created_at) FROM label_events WHERE rater = ?"
    expected = {name: db.query(newest, [name])[0][0] for name in ("ann", "bob")}
    assert last_active(db, project_id) == expected
    undo(db, project_id, "ann")
    assert last_active(db, project_id)["ann"] >= expected["ann"]


def test_each_event_is_news(db, project_id):
    assert newest(db, project_id).num_labels == 0
    comparison = add_comparison(db, project_id, "Q", "yes", "no")
    seen = [newest(db, project_id)]
    for rater in ("ann", "bob"):
        save_label(db, show_case(comparison, rater), rater, Judgement("a"))
        seen.append(newest(db, project_id))
    undo(db, project_id, "bob")
    seen.append(newest(db, project_id))
    assert [one.num_labels for one in seen] == [0, 1, 2, 1]
    assert len(set(seen)) == 4


@pytest.mark.parametrize(
    ("name", "num_cases", "expected"),
    [
        # PandaLM's test set: 837 distinct good cases of 999 rows
        ("pandalm/testset-v1.json", 837, 0.86),
        # K-QA: claims that three physicians checked against a model's answer
        ("kqa/NLI_medical_annotator.csv", 399, 0.72),
    ],
)
def test_agreement_of_published_annotators_is_reproduced(
    db, project_id, real_data, name, num_cases, expected
):
    import_file(db, project_id, real_data / name)
    kappa = fleiss_kappa(rating_table(ratings(db, project_id)))
    assert (kappa.num_raters, kappa.n) == (3, num_cases)
    assert kappa.estimate.value == pytest.approx(expected, abs=0.005)


def test_an_order_compared_its_pairs_and_a_written_answer_was_not_compared(db, project_id):
    """Three answers in order are three comparisons; two bad ones and a better one are one."""
    for pair in (("one", "two"), ("one", "three")):
        add_comparison(db, project_id, "Q", *pair)
    case = show_case(add_comparison(db, project_id, "Q", "two", "three"), "ann")
    save_order(db, case, "ann", AnswerOrder((("one",), ("two",), ("three",))))
    bad = show_case(add_comparison(db, project_id, "R", "yes", "no"), "ann")
    save_label(db, bad, "ann", Judgement("both_bad", written="perhaps"))
    assert len(ratings(db, project_id)) == 6
    assert len(own_ratings(db, project_id)) == len(judged_cases(db, project_id)) == 4
