"""Several answers in one order: the labels of all their pairs, as one decision."""

import itertools

import pytest

from gem_backend.expert_orders import expert_orders
from gem_backend.types import LabelProgress
from storage.audit import label_log
from storage.database import Database
from storage.errors import EntryError
from storage.exchange import import_file
from storage.export import export_label_log
from storage.judgements import judged_cases
from storage.orders import MAX_ORDERED, AnswerOrder, answers_to_order, save_order
from storage.pairs import (
    Judgement,
    add_comparison,
    is_judged,
    save_label,
    show_case,
    training_pairs,
)
from storage.projects import create_project
from storage.recent import median_elapsed_s, recent_labels, undo
from storage.turns import label_progress, next_turn

FOUR = ("one", "two", "three", "<b>${four}</b>")
ONE, TWO, THREE, LAST = FOUR
TIED = AnswerOrder(((THREE,), (ONE, LAST), (TWO,)), "doses", 41.5, ("safety",))


def all_pairs(db, project_id, answers=FOUR, prompt="Q"):
    return [
        add_comparison(db, project_id, prompt, *pair) for pair in itertools.combinations(answers, 2)
    ]


@pytest.fixture
def case(db, project_id):
    """The first of the six pairs of four answers, as ann sees it."""
    return show_case(all_pairs(db, project_id)[0], "ann")


def held(db, project_id, rater="ann"):
    """What a rater's labels say: better, worse, verdict, strength."""
    return {
        (pair.chosen, pair.rejected, pair.verdict, pair.strength)
        for pair in training_pairs(db, project_id)
        if pair.rater == rater
    }


# --- what an order says -----------------------------------------------------------------------
def test_every_pair_is_labelled_with_the_places_between_as_strength(db, project_id, case):
    five = (*FOUR, "five")
    all_pairs(db, project_id, five)
    said = AnswerOrder(tuple((answer,) for answer in ("five", TWO, ONE, LAST, THREE)))
    save_order(db, case, "ann", said)
    assert held(db, project_id) == {
        ("five", TWO, "preferred", 1),
        ("five", ONE, "preferred", 2),
        ("five", LAST, "preferred", 3),
        ("five", THREE, "preferred", 3),
        (TWO, ONE, "preferred", 1),
        (TWO, LAST, "preferred", 2),
        (TWO, THREE, "preferred", 3),
        (ONE, LAST, "preferred", 1),
        (ONE, THREE, "preferred", 2),
        (LAST, THREE, "preferred", 1),
    }


def test_equal_places_are_a_tie_and_count_as_one_place(db, project_id, case):
    save_order(db, case, "ann", TIED)
    ties = {frozenset(said[:2]) for said in held(db, project_id) if said[2] == "tie"}
    assert ties == {frozenset((ONE, LAST))}
    assert {said for said in held(db, project_id) if said[2] != "tie"} == {
        (THREE, ONE, "preferred", 1),
        (THREE, LAST, "preferred", 1),
        (THREE, TWO, "preferred", 2),
        (ONE, TWO, "preferred", 1),
        (LAST, TWO, "preferred", 1),
    }


def test_all_answers_may_be_equally_good(db, project_id, case):
    save_order(db, case, "ann", AnswerOrder((FOUR,)))
    assert {pair.verdict for pair in training_pairs(db, project_id)} == {"tie"}
    assert [set(place) for place in recent_labels(db, project_id, "ann")[0].order] == [set(FOUR)]


def test_pair_that_was_no_case_is_labelled_and_stays_none(db, project_id):
    first, *_ = [add_comparison(db, project_id, "Q", ONE, other) for other in (TWO, THREE)]
    case = show_case(first, "ann")
    assert set(answers_to_order(db, case, "ann")) == {ONE, TWO, THREE}
    save_order(db, case, "ann", AnswerOrder(((TWO,), (THREE,), (ONE,))))
    assert (TWO, THREE, "preferred", 1) in held(db, project_id)
    assert label_progress(db, project_id, "ann") == LabelProgress(2, 0, 0)
    undo(db, project_id, "ann")
    assert label_progress(db, project_id, "ann") == LabelProgress(0, 0, 2)


# --- one decision -----------------------------------------------------------------------------
def test_an_order_is_one_decision_with_its_words_on_the_case_at_hand(db, project_id, case):
    save_order(db, case, "ann", TIED)
    [label] = recent_labels(db, project_id, "ann")
    assert label.case == case
    assert (label.judgement.rationale, label.judgement.reasons) == ("doses", ("safety",))
    assert label.judgement.written == ""
    assert median_elapsed_s([label]) == 41.5
    assert label_progress(db, project_id, "ann") == LabelProgress(6, 0, 0)
    assert next_turn(db, project_id, "ann").case is None


def test_reopening_shows_the_order_as_it_was_said(db, project_id, case):
    save_order(db, case, "ann", TIED)
    places = undo(db, project_id, "ann", case.comparison.pair_id).order
    assert [set(place) for place in places] == [set(place) for place in TIED.places]
    assert training_pairs(db, project_id) == []
    assert label_progress(db, project_id, "ann") == LabelProgress(0, 0, 6)
    assert undo(db, project_id, "ann") is None
    kinds = [event.kind for event in label_log(db, project_id)]
    assert kinds == ["undo"] * 6 + ["label"] * 6


@pytest.mark.parametrize("seed", range(6))
def test_any_order_comes_back_as_it_was_said(db, project_id, case, seed):
    places = [
        ((ONE,), (TWO,), (THREE,), (LAST,)),
        ((LAST, TWO), (ONE,), (THREE,)),
        ((TWO,), (THREE, LAST, ONE)),
        ((TWO, ONE), (THREE, LAST)),
        ((THREE,), (LAST,), (TWO, ONE)),
        ((LAST,), (ONE,), (TWO,), (THREE,)),
    ][seed]
    save_order(db, case, "ann", AnswerOrder(places))
    [label] = recent_labels(db, project_id, "ann")
    assert list(map(set, label.order)) == list(map(set, places))


def test_pairs_of_an_order_train_as_one_order_and_others_alone(db, project_id, case):
    save_order(db, case, "bob", AnswerOrder(((LAST,), (ONE,), (TWO,), (THREE,))))
    save_order(db, case, "ann", TIED)
    other = show_case(add_comparison(db, project_id, "R", "yes", "no"), "ann")
    save_label(db, other, "ann", Judgement("a"))
    pairs = training_pairs(db, project_id)
    assert [pair.order_id for pair in pairs if pair.prompt == "R"] == [""]
    texts = {(pair.prompt, text) for pair in pairs for text in (pair.chosen, pair.rejected)}
    named = sorted(texts)
    found = expert_orders(pairs, {key: place for place, key in enumerate(named)})
    said = {
        order.rater: [{named[number][1] for number in place} for place in order.order]
        for order, prompt in found
        if prompt == "Q"
    }
    assert len(found) == 3
    assert said == {
        "bob": [{LAST}, {ONE}, {TWO}, {THREE}],
        "ann": [set(place) for place in TIED.places],
    }


def test_a_written_answer_trains_as_pairs(db, project_id, case):
    save_label(db, case, "ann", Judgement("both_bad", written="better"))
    better = [pair for pair in training_pairs(db, project_id) if pair.verdict == "preferred"]
    place = {("Q", ONE): 0, ("Q", TWO): 1, ("Q", "better"): 2}
    assert [order.order for order, _ in expert_orders(better, place)] == [
        ((2,), (0,)),
        ((2,), (1,)),
    ]


def test_undo_goes_back_over_orders_and_single_labels_one_by_one(db, project_id, case):
    other = show_case(add_comparison(db, project_id, "R", "yes", "no"), "ann")
    save_label(db, other, "ann", Judgement("a"))
    save_order(db, case, "ann", TIED)
    assert [bool(label.order) for label in recent_labels(db, project_id, "ann")] == [True, False]
    assert undo(db, project_id, "ann").order
    assert undo(db, project_id, "ann").case == other


def test_pair_of_an_order_is_known_to_be_labelled(db, project_id, case):
    part = show_case(all_pairs(db, project_id)[-1], "ann")
    assert not is_judged(db, part, "ann")
    save_order(db, case, "ann", TIED)
    assert is_judged(db, part, "ann")
    assert not is_judged(db, part, "bob")


def test_better_answer_that_was_written_is_no_order(db, project_id, case):
    save_label(db, case, "ann", Judgement("both_bad", written="better"))
    [label] = recent_labels(db, project_id, "ann")
    assert (label.order, label.judgement.written) == ((), "better")


def test_an_order_was_not_judged_on_two_sides(db, project_id, case):
    save_order(db, case, "ann", TIED)
    assert {judged.left for judged in judged_cases(db, project_id)} == {None}


# --- what was judged before -------------------------------------------------------------------
def test_answer_of_a_judged_pair_is_left_out_and_the_label_stands(db, project_id, case):
    save_label(db, case, "ann", Judgement("both_bad", rationale="both"))  # one, two
    following = next_turn(db, project_id, "ann").case  # one, three
    assert set(answers_to_order(db, following, "ann")) == {ONE, THREE, LAST}
    with pytest.raises(EntryError, match="judged two of these"):
        save_order(db, following, "ann", TIED)
    assert len(label_log(db, project_id)) == 1
    save_order(db, following, "ann", AnswerOrder(((LAST,), (ONE,), (THREE,))))
    assert (ONE, TWO, "both_bad", 1) in held(db, project_id)
    undo(db, project_id, "ann")
    assert held(db, project_id) == {(ONE, TWO, "both_bad", 1)}


def test_what_a_rater_judged_is_the_raters_own(db, project_id, case):
    save_order(db, case, "ann", TIED)
    assert answers_to_order(db, case, "ann") == ()
    assert set(answers_to_order(db, case, "bob")) == set(FOUR)
    other = AnswerOrder(((TWO,), (ONE,), (THREE,), (LAST,)))
    save_order(db, case, "bob", other)
    assert list(recent_labels(db, project_id, "bob")[0].order) == list(other.places)
    undo(db, project_id, "bob")
    assert held(db, project_id, "bob") == set()
    assert len(held(db, project_id, "ann")) == 6


def test_written_answers_are_not_offered(db, project_id, case):
    save_label(db, case, "bob", Judgement("both_bad", written="bob's own"))
    assert set(answers_to_order(db, case, "ann")) == set(FOUR)


def test_two_answers_are_no_order(db, project_id):
    case = show_case(add_comparison(db, project_id, "R", "yes", "no"), "ann")
    add_comparison(db, project_id, "another question", "yes", "maybe")
    assert answers_to_order(db, case, "ann") == ()


@pytest.mark.slow
def test_offered_answers_are_as_many_as_can_be_saved(db, project_id, case):
    all_pairs(db, project_id, (ONE, *map(str, range(12))))
    offered = answers_to_order(db, case, "ann")
    assert len(offered) == MAX_ORDERED
    assert {ONE, TWO} <= set(offered)
    save_order(db, case, "ann", AnswerOrder(tuple((answer,) for answer in offered)))
    assert len(held(db, project_id)) == 45


def test_first_order_depends_on_the_rater_and_not_on_the_stored_one(db, project_id, case):
    offered = {rater: answers_to_order(db, case, rater) for rater in map(str, range(40))}
    assert answers_to_order(db, case, "0") == offered["0"]
    first = [order[0] for order in offered.values()]
    assert min(first.count(answer) for answer in FOUR) >= 3


# --- what cannot be stored --------------------------------------------------------------------
@pytest.mark.parametrize(
    "places",
    [
        (),
        ((ONE,), (TWO,)),
        ((ONE,), (TWO,), (ONE,)),
        ((ONE,), (THREE,), (LAST,)),
        ((ONE,), (TWO,), (" ",)),
        tuple((str(number),) for number in range(MAX_ORDERED + 1)),
    ],
)
def test_what_is_no_order_is_refused_and_nothing_is_kept(db, project_id, case, places):
    with pytest.raises(EntryError):
        save_order(db, case, "ann", AnswerOrder(places))
    assert label_log(db, project_id) == []
    assert db.count("SELECT count(*) FROM pairs") == 6


def test_nobody_puts_nothing_in_order(db, project_id, case):
    with pytest.raises(EntryError, match="who you are"):
        save_order(db, case, " ", TIED)
    assert label_log(db, project_id) == []


# --- out and in again -------------------------------------------------------------------------
def test_log_with_orders_comes_out_of_another_folder_byte_for_byte(db, project_id, case, tmp_path):
    first, second = tmp_path / "first.jsonl", tmp_path / "second.jsonl"
    add_comparison(db, project_id, "R", "1", "2")
    save_order(db, case, "ann", TIED)
    undo(db, project_id, "ann")
    save_order(db, case, "ann", AnswerOrder(((ONE,), (TWO, THREE), (LAST,))))
    save_order(db, case, "bob", TIED)
    partly = show_case(add_comparison(db, project_id, "S", "x", "y"), "ann")
    add_comparison(db, project_id, "S", "x", "z")
    save_order(db, partly, "ann", AnswerOrder((("z",), ("y",), ("x",))))
    export_label_log(db, project_id, first)
    with Database(None) as other:
        copy = create_project(other, "Copy").project_id
        report = import_file(other, copy, first)
        assert (report.imported, report.skipped) == (6 * 4 + 3, ())
        export_label_log(other, copy, second)
        assert second.read_bytes() == first.read_bytes()
        assert held(other, copy) == held(db, project_id)
        # the pair that was no case is none there either; the unlabelled case R is in no log
        assert label_progress(other, copy, "zoe").total == 6 + 2
        # what a file says in somebody's name is not theirs to take back
        assert recent_labels(other, copy, "ann") == []
        assert undo(other, copy, "ann") is None
