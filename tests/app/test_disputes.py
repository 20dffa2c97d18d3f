"""Disagreements from the desk to the card: what is shown, settled, taken back, and who may."""

import gradio as gr
import pytest

from app import text
from app.access import Access
from app.desks.disputes import DisputesDesk
from app.pages.disputes import DisputesCard
from app.records import DisputedCase, OneVerdict
from app.views.disputes import dispute_html
from gem_backend.errors import DataError
from gem_backend.types import DEFAULT_REASONS, Case, Comparison
from storage.pairs import Judgement, add_comparison, save_label, show_case, training_pairs
from storage.projects import create_project, update_project
from tests.app.fakes import FakeStudio

HOSTILE = "<img src=x onerror=alert(1)> ${alert(1)}"


@pytest.fixture
def project_id(db):
    project_id = create_project(db, "Study").project_id
    for number in range(2):
        comparison = add_comparison(db, project_id, f"Q{number}", "yes", "no")
        for rater, verdict in (("ann", "a"), ("bob", "b")):
            save_label(db, show_case(comparison, rater), rater, Judgement(verdict, 2, False))
    return project_id


def test_desk_tells_verdicts_by_the_sides_of_who_settles(db, project_id):
    desk = DisputesDesk(db, Access(db))
    first, second = desk.cases(project_id)
    sides = {"a": "left", "b": "right"} if first.case.left == "a" else {"a": "right", "b": "left"}
    assert [(one.rater, one.verdict) for one in first.said] == [
        ("ann", f"{sides['a']} is better, clearly, not acceptable to use"),
        ("bob", f"{sides['b']} is better, clearly, not acceptable to use"),
    ]
    desk.settle(first.case, sides["b"], 3, (True, ["safety", "forged"], " The label says so. "))
    assert [one.case for one in desk.cases(project_id)] == [second.case, first.case]
    final = desk.cases(project_id)[1].final
    assert (final.rater, final.rationale) == ("expert", "The label says so.")
    assert final.reasons == ("safety",)  # of the project's own
    trained = training_pairs(db, project_id)[0]
    assert (trained.chosen, trained.strength, trained.is_acceptable) == ("no", 3, True)
    desk.reopen(first.case)
    assert all(one.final is None for one in desk.cases(project_id))


def test_desk_refuses_to_settle_without_a_choice(db, project_id):
    desk = DisputesDesk(db, Access(db))
    with pytest.raises(DataError, match="Choose one of the five"):
        desk.settle(desk.cases(project_id)[0].case, "", 1, (True, (), ""))
    assert desk.cases(project_id)[0].final is None


def test_desk_asks_for_a_reason_where_the_project_does(db, project_id):
    update_project(
        db, project_id, guidelines="", reasons=["dose"], is_reason_required=True, raters_per_case=1
    )
    desk = DisputesDesk(db, Access(db))
    case = desk.cases(project_id)[0].case
    with pytest.raises(DataError, match="asks for a reason"):
        desk.settle(case, "left", 1, (True, ["safety"], ""))
    desk.settle(case, "tie", 1, (True, (), ""))
    desk.settle(case, "left", 1, (True, ["dose"], ""))
    assert desk.cases(project_id)[1].final.reasons == ("dose",)


@pytest.fixture
def studio():
    cases = [Case(Comparison(f"c{n}", "demo", "q", f"Q{n}", "yes", HOSTILE), "a") for n in range(2)]
    said = (OneVerdict("ann", "tie", ("dose",), HOSTILE), OneVerdict(HOSTILE, "both bad", (), ""))
    return FakeStudio(disputed=[DisputedCase(case, said) for case in cases])


@pytest.fixture
def card(studio):
    with gr.Blocks():
        yield DisputesCard(studio, gr.State("demo"))


def test_card_goes_on_to_the_next_open_case(card, studio):
    line, panel, case, chooser, *_ = card.values("demo")
    assert "0 of 2 settled" in line
    assert panel.visible
    assert (case, chooser.value) == (studio.disputed[0].case, "c0")
    reasons = card.values("demo")[8]
    assert [value for value, _ in reasons.choices] == list(DEFAULT_REASONS)
    assert reasons.value == []
    line, *_, receipt = card.settle("demo", case, "c0", "left", 1, True, ["safety"], "why")
    assert studio.disputed[0].final.reasons == ("safety",)
    assert "1 of 2 settled" in line
    assert receipt["text"] == "Settled. It trains as you decided."
    line, _, shown, *_ = card.withdraw("demo", case)
    assert "0 of 2 settled" in line
    assert shown == case
    assert card.choose("demo", "c1")[2] == studio.disputed[1].case


def test_card_keeps_what_is_said_of_a_case_until_it_is_settled(card, studio):
    second = studio.disputed[1].case
    reason = studio.project("demo").reasons[0]
    half = ("left", 3, False, [reason], "half a sent")
    card.keep(second, "c0", "left", 1, True, [], "of the case before")
    card.keep(second, "c1", *half)
    with gr.Blocks():
        again = DisputesCard(studio, gr.State("demo"))  # the studio after a restart

    def fields(shown):
        choice, strength, usable, reasons, why = shown[5:10]
        return choice, strength, usable, reasons.value, why

    assert fields(again.choose("demo", "c1")) == half
    assert fields(again.choose("demo", "c0")) == (None, 1, True, [], "")
    shown = again.refreshed("demo", second, *half)
    assert shown[2] == second  # Data reopens at the case that was at hand
    assert shown[5:10] == (gr.skip(),) * 5
    again.settle("demo", second, "c1", "left", 3, False, [reason], "half a sentence")
    assert fields(again.choose("demo", "c1")) == (None, 1, True, [], "")
    # what was typed last comes after the press that settled it
    again.keep(second, "c1", "left", 3, False, [reason], "half a sentence")
    assert fields(again.choose("demo", "c1")) == (None, 1, True, [], "")
    assert studio.drafts.rows == {}


def test_what_was_filled_in_for_one_case_is_not_there_for_the_next(card, studio):
    first, second = (one.case for one in studio.disputed)
    after = (
        card.settle("demo", first, "c0", "left", 3, False, [], "why"),
        card.choose("demo", "c0"),
        card.withdraw("demo", first),
        card.settle("demo", second, "c1", "tie", 3, False, [], "why"),
    )
    fields = card.outputs.index(card._choice)
    for values in after:
        assert values[fields : fields + 3] == (None, 1, True)
        assert (values[fields + 3].value, values[fields + 4]) == ([], "")


def test_second_press_before_the_answer_settles_no_unseen_case(card, studio):
    first, second = (one.case for one in studio.disputed)
    card.settle("demo", first, "c0", "left", 1, True, [], "")
    _, _, case, *_, receipt = card.settle("demo", second, "c0", "left", 1, True, [], "")
    assert (case, receipt["text"]) == (second, text.CASE_CHANGED)
    assert [one.final is None for one in studio.disputed] == [False, True]


def test_card_without_disagreements_says_what_is_needed(studio, card):
    studio.disputed = []
    line, panel, case, *_ = card.values("demo")
    assert "Two raters on the same cases" in line
    assert not panel.visible
    assert card.settle("demo", case, None, "left", 1, True, [], "")[-1]["text"] == ""
    assert card.withdraw("demo", None)[2] is None


def test_what_people_wrote_is_shown_as_text(studio):
    shown = dispute_html(studio.disputed[0])
    assert "<img" not in shown
    assert "<kbd" not in shown  # no key works here
    assert shown.count("&lt;img src=x onerror=alert(1)&gt;") == 3
