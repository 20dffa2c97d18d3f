"""Putting several answers in order: the board, its draft, and what is stored of it."""

import json
import math

import gradio as gr
import pytest

from app import text
from app.actions.label import Drafts, LabelActions
from app.actions.label_records import Draft, Kept, Words
from app.actions.order import OrderActions
from app.boards import Boards, read_places
from app.components.order import Order, order_board, order_value
from app.pages.label import build_label_page
from app.pages.label_screen import frame_values, refreshed_values, screen_values
from app.text import order as text_order
from gem_backend.errors import DataError
from gem_backend.types import Rater
from tests.app.fakes import GOOD, POOR, make_case
from tests.app.test_heatmap import HOSTILE
from tests.app.test_label_page import chose

WAIT, REFER = "Wait.", "Refer."
OFFERED = (WAIT, POOR, REFER, GOOD)
SAID = ((GOOD,), (WAIT, REFER), (POOR,))


@pytest.fixture
def labels(studio):
    studio.offers = OFFERED
    return LabelActions(studio, Drafts())


@pytest.fixture
def actions(studio, labels):
    return OrderActions(studio, labels)


@pytest.fixture
def case(studio):
    return studio.next_turn("demo").case


@pytest.fixture
def board(actions, case):
    return actions.open("demo", case, chose(case, None), Words()).board


def sent(case, board, places=SAID, **more):
    """What the browser sends: the ids of cards, where the test names their texts."""
    ids = {words: one for one, words in board.cards.items()}
    order = [[ids[answer] for answer in place] for place in places]
    return Order(case=case.comparison.pair_id, cards=[], order=order, **more)


def texts(board):
    return tuple(tuple(board.cards[one] for one in place) for place in board.places)


def save(actions, case, order, words=Words(), **more):  # noqa: B008 - it is frozen
    return actions.save("demo", case, chose(case, None, **more), words, order)


# --- the board --------------------------------------------------------------------------------
def test_page_says_how_many_could_be_ranked_and_shows_the_pair(labels, case):
    screen = labels.show("demo", case)
    assert (screen.board, screen.num_to_order) == (None, 4)
    button = frame_values(screen_values(screen)[-1])[-1]
    assert (button.value, button.visible) == ("Rank all 4 answers at once", True)


def test_two_answers_offer_no_board(labels, studio, case):
    studio.offers = ()
    assert frame_values(screen_values(labels.show("demo", case))[-1])[-1].visible is False


def test_board_opens_in_the_order_that_is_offered(board):
    assert texts(board) == tuple((answer,) for answer in OFFERED)
    assert list(board.cards) == sorted(board.cards)  # the order of the cards says nothing either
    assert not any(words in one for one, words in board.cards.items())


def test_what_was_said_of_the_pair_is_kept_under_the_board(actions, case):
    screen = actions.open("demo", case, chose(case, "left", 2), Words("dose"))
    assert screen.draft == Draft(case.left, 2, words=Words("dose"))


def test_board_without_answers_says_so_and_shows_the_pair(actions, studio, case):
    studio.offers = ()
    screen = actions.open("demo", case, chose(case, None), Words())
    assert (screen.board, screen.receipt) == (None, text_order.ORDER_CHANGED)


def test_no_case_no_board(actions, studio):
    assert actions.open("demo", None, {}, Words()).board is None
    assert actions.save("demo", None, {}, Words(), Order()).board is None
    assert studio.saved == []


# --- the draft --------------------------------------------------------------------------------
def test_order_survives_a_new_page(actions, labels, case, board):
    actions.keep(case, sent(case, board, sent_ms=5.0))
    assert texts(labels.show("demo", None).board) == SAID


def test_older_order_that_arrives_late_changes_nothing(actions, labels, case, board):
    actions.keep(case, sent(case, board, sent_ms=5.0))
    actions.keep(case, sent(case, board, places=((WAIT,), *SAID[:1], (POOR, REFER)), sent_ms=4.0))
    assert texts(labels.show("demo", case).board) == SAID


def test_back_to_the_pair_and_to_the_board_again_loses_nothing(actions, case, board):
    pair = actions.close("demo", case, chose(case, "tie"), Words("w"), sent(case, board))
    assert (pair.board, pair.case, pair.num_to_order) == (None, case, 4)
    assert pair.draft == Draft("tie", words=Words("w"))
    again = actions.open("demo", case, chose(case, "tie"), Words("w"))
    assert texts(again.board) == SAID


def test_answer_that_came_since_stands_last_when_the_board_is_opened(
    actions, labels, studio, case, board
):
    actions.keep(case, sent(case, board))
    studio.offers = ("New.", *OFFERED)
    assert texts(labels.show("demo", case).board) == SAID
    assert texts(actions.open("demo", case, chose(case, None), Words()).board) == (*SAID, ("New.",))


def test_each_rater_has_a_board_of_their_own(actions, labels, studio, case, board, monkeypatch):
    monkeypatch.setattr(type(studio.access), "current", lambda _: Rater("bob"))
    assert labels.show("demo", case).board is None


@pytest.mark.parametrize(
    "order",
    [
        None,
        "abc",
        [],
        [["x"]],
        [None],
        [["1", "2"], "3"],
        [["1"], ["2"], [3]],
        [["1"], ["2"], ["3"], ["2"]],
        [["1"], ["2"], ["3"], ["4"]],
        [[["1"]], ["2"], ["3"]],
    ],
)
def test_what_is_no_order_of_the_cards_is_not_read(order):
    assert read_places(order, {"1": "a", "2": "b", "3": "c"}) is None


def test_empty_places_do_not_count():
    assert read_places([[], ["2"], [], ["1"]], {"1": "a", "2": "b"}) == (("b",), ("a",))


def test_board_is_gone_when_its_answers_are():
    boards, case = Boards(), make_case("1")
    boards.open("ann", case, OFFERED)
    assert boards.board("ann", case, OFFERED[:1]) is None
    assert boards.board("ann", case, OFFERED) is not None


# --- saving -----------------------------------------------------------------------------------
def test_save_stores_the_order_and_goes_on(actions, studio, case, board):
    screen = save(
        actions, case, sent(case, board), Words(" doses "), reasons=["safety"], elapsed_s=12.345
    )
    [label] = studio.saved
    assert (label.case, label.order) == (case, SAID)
    assert label.judgement.rationale == "doses"
    assert (label.judgement.elapsed_s, label.judgement.reasons) == (12.35, ("safety",))
    assert screen.receipt == (
        "Saved: 4 answers ranked, 2 of them sharing a place. Reason: safety. "
        "That labels 6 pairs at once."
    )
    assert (screen.case.comparison.pair_id, screen.board) == ("case-1", None)
    assert screen.recent[0].verdict == "4 answers ranked, 2 of them sharing a place"


@pytest.mark.parametrize(
    ("places", "words"),
    [
        (((WAIT,), (POOR,), (REFER,)), "3 answers ranked"),
        (((WAIT, POOR, REFER),), "all 3 answers equally good"),
        (((WAIT, POOR), (REFER, GOOD)), "4 answers ranked, 4 of them sharing a place"),
    ],
)
def test_order_in_words(places, words):
    assert text_order.order_words(places) == words


def test_order_that_nobody_touched_is_asked_about_once(actions, studio, case, board):
    untouched = sent(case, board, places=tuple((answer,) for answer in OFFERED))
    screen = save(actions, case, untouched)
    assert (studio.saved, screen.case, screen.receipt) == ([], case, text_order.NOT_MOVED)
    assert screen.board is not None
    save(actions, case, untouched)
    assert len(studio.saved) == 1


def test_required_reason_is_asked_for_and_the_order_stays(actions, studio, case, board):
    studio.update_project("demo", reasons=["dose"], is_reason_required=True)
    screen = save(actions, case, sent(case, board))
    assert (studio.saved, screen.receipt) == ([], text.REASON_FIRST)
    assert texts(screen.board) == SAID
    save(actions, case, sent(case, board), reasons=["dose"])
    assert len(studio.saved) == 1


def test_equally_good_answers_need_no_reason(actions, studio, case, board):
    studio.update_project("demo", reasons=["dose"], is_reason_required=True)
    save(actions, case, sent(case, board, places=(OFFERED,)))
    assert len(studio.saved) == 1


def test_order_made_for_another_case_is_not_saved(actions, studio, case, board):
    screen = save(actions, case, sent(studio.cases[1], board))
    assert (studio.saved, screen.case, screen.receipt) == ([], case, text.CASE_CHANGED)


def test_order_of_answers_that_are_judged_elsewhere_is_shown_again(actions, studio, case, board):
    actions.keep(case, sent(case, board))
    studio.offers = OFFERED[1:]
    screen = save(actions, case, sent(case, board))
    assert (studio.saved, screen.case, screen.receipt) == ([], case, text_order.ORDER_CHANGED)
    assert texts(screen.board) == ((GOOD,), (REFER,), (POOR,))


def test_case_that_was_ranked_in_another_window_is_not_ranked_twice(actions, studio, case, board):
    order = sent(case, board)
    save(actions, case, order)
    screen = save(actions, case, order)
    assert (len(studio.saved), screen.receipt) == (1, text.LABELLED_ELSEWHERE)
    assert screen.case != case


def test_nothing_is_lost_when_the_order_cannot_be_stored(actions, labels, studio, case, board):
    studio.refuses = DataError("The disk is full.")
    with pytest.raises(DataError):
        save(actions, case, sent(case, board), Words("dose"))
    screen = labels.show("demo", case)
    assert (texts(screen.board), screen.draft.words.rationale) == (SAID, "dose")


def test_board_that_another_window_closed_is_saved_all_the_same(actions, studio, case, board):
    actions.close("demo", case, chose(case, None), Words(), Order())
    save(actions, case, sent(case, board))
    assert studio.saved[0].order == SAID


# --- back -------------------------------------------------------------------------------------
def test_undo_opens_the_board_with_the_order_as_it_was_said(actions, labels, studio, case, board):
    after = save(actions, case, sent(case, board), Words("doses"), reasons=["clarity"])
    screen = labels.undo("demo", after.case, {}, Words())
    assert (screen.case, studio.saved) == (case, [])
    assert texts(screen.board) == SAID
    assert screen.draft == Draft(reasons=("clarity",), words=Words("doses"))
    save(actions, case, sent(case, screen.board))
    assert studio.saved[0].order == SAID


def test_reopened_order_may_be_saved_as_it_stands(actions, labels, studio, case, board):
    places = tuple((answer,) for answer in OFFERED)
    save(actions, case, sent(case, board, places=places))
    save(actions, case, sent(case, board, places=places))
    screen = labels.undo("demo", None, {}, Words())
    save(actions, case, sent(case, screen.board, places=places))
    assert len(studio.saved) == 1


def test_pair_that_is_reopened_shows_the_pair(actions, labels, studio, case, board):
    labels.save("demo", case, chose(case, "left"), Words())
    screen = labels.undo("demo", None, {}, Words())
    assert (screen.board, screen.draft.verdict) == (None, case.left)


# --- the page ---------------------------------------------------------------------------------
def test_refresh_leaves_a_board_that_is_being_ordered_alone(actions, labels, case, board):
    drawn = screen_values(labels.show("demo", case))[-2]
    moved = {**drawn, "order": drawn["order"][::-1]}
    held = chose(case, None)
    assert refreshed_values(labels.show("demo", case), held, moved)[-2] == gr.skip()
    other = {**moved, "cards": moved["cards"][:2]}
    assert refreshed_values(labels.show("demo", case), held, other)[-2] == drawn


def test_refresh_takes_what_the_browser_holds(studio, case):
    with gr.Blocks():
        page = build_label_page(studio, gr.State("demo"))
    values = page.refresh("demo", case, chose(case, None), order_value("", {}, ()))
    assert len(values) == len(page.outputs)


@pytest.mark.parametrize("hostile", HOSTILE)
def test_answers_are_in_no_template(hostile):
    with gr.Blocks():
        board = order_board("some-order")
    value = order_value("1", {"a": hostile}, (("a",),))
    assert hostile not in board.html_template
    assert value["cards"] == [{"id": "a", "text": hostile}]
    assert json.loads(json.dumps(value)) == value


def test_elapsed_time_that_cannot_be_is_left_out(actions, studio, case, board):
    save(actions, case, sent(case, board), elapsed_s=math.inf)
    assert studio.saved[0].judgement.elapsed_s is None


def test_an_order_that_was_being_made_comes_back_after_an_outage(labels, case, board):
    """As a restart does it: the studio knows of no board, the tab has kept the cards' places."""
    order = sent(case, board)["order"]
    labels.boards.drop("expert", case)
    kept = Kept(rater="expert", was_lost=True, choice=chose(case, None), order=order)
    screen = labels.restore("demo", case, kept)
    assert (texts(screen.board), screen.receipt) == (SAID, text.RESTORED)
    labels.boards.drop("expert", case)
    kept["order"] = [["no such card"]]
    assert labels.restore("demo", case, kept).board is None
