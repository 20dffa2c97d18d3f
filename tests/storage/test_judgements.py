from gem_backend.agreement import Rating
from storage.judgements import judged_cases, last_event, ratings
from storage.pairs import Judgement, add_comparison, save_label, show_case, skip
from storage.recent import undo


def test_ratings_are_the_last_word_of_each_rater(db, project_id):
    comparison = add_comparison(db, project_id, "Q", "yes", "no")
    for rater, verdict in (("ann", "a"), ("bob", "b"), ("ann", "tie")):
        save_label(db, show_case(comparison, rater), rater, Judgement(verdict))
    skip(db, show_case(comparison, "cid"), "cid")
    key = comparison.pair_id
    assert ratings(db, project_id) == [Rating(key, "bob", "b"), Rating(key, "ann", "tie")]
    assert ratings(db, "another") == []


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


def test_each_event_is_news(db, project_id):
    assert last_event(db, project_id) == 0
    comparison = add_comparison(db, project_id, "Q", "yes", "no")
    seen = []
    for rater in ("ann", "bob"):
        save_label(db, show_case(comparison, rater), rater, Judgement("a"))
        seen.append(last_event(db, project_id))
    undo(db, project_id, "bob")
    assert 0 < seen[0] < seen[1] < last_event(db, project_id)
