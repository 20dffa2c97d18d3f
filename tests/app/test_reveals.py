"""Ranking first and seeing the machine's order second: the desk, Explore, and the raters' view."""

import dataclasses
import itertools

import gradio as gr
import pytest

from app import text
from app.actions.explore import ExploreActions
from app.actions.explore_records import Asked
from app.desks.reveals import RevealsDesk, machine_places
from app.pages.agreement import AgreementCard
from app.pages.explore import ExploreHandlers
from app.records import TaskState
from app.studio import Studio
from app.text import blind as say
from app.views.blind import bias_html, tau_html
from gem_backend.automation_bias import AutomationBias, Tau
from gem_backend.config import SamplingConfig, ScoringConfig
from gem_backend.errors import ConfigError
from gem_backend.ranking import rank_candidates
from storage.candidates import save_group
from storage.errors import EntryError
from storage.orders import AnswerOrder
from storage.pairs import Judgement, add_comparison, save_label, show_case
from storage.projects import update_project, upsert_prompt
from storage.reveals import list_reveals
from tests.app.fakes import make_candidate
from tests.app.test_explore_page import unpacked

ANSWERS = tuple(
    f"The score counts {n} of the signs that the case names, one by one.\nFinal Answer: {n}"
    for n in range(4)
)
MINUS = "\N{MINUS SIGN}"
PAPER = ("", 1.0, 0.1, "paper")


@pytest.fixture
def blind(tmp_path):
    """A studio with a project that asks experts to rank first, and a group of five candidates.

    The last one says the same as the first.
    """
    with Studio(tmp_path, device="cpu") as studio:
        project_id = studio.create_project("Blind").project_id
        ask_first(studio, project_id)
        prompt = upsert_prompt(studio._db, project_id, "Q")
        group = [
            make_candidate(one, place, f"c{place}", "Q")
            for place, one in enumerate((*ANSWERS, ANSWERS[0]))
        ]
        save_group(studio._db, prompt.prompt_id, group)
        yield studio, project_id, prompt.prompt_id, group


def ask_first(studio, project_id, is_blind_first=True):
    update_project(
        studio._db,
        project_id,
        guidelines="",
        reasons=(),
        is_reason_required=False,
        is_blind_first=is_blind_first,
    )


def order_as(studio, prompt_id, *places):
    studio.save_order(studio.call_group(studio.candidates(prompt_id)), AnswerOrder(places))


def handlers_of(studio):
    return ExploreHandlers(ExploreActions(studio))


# --- what is withheld, and until when ---------------------------------------------------------


def test_a_group_is_withheld_until_every_two_answers_are_judged_by_who_looks(blind):
    studio, project_id, prompt_id, group = blind
    assert studio.is_withheld(project_id, group)
    desk = RevealsDesk(studio._db)
    for pair in itertools.combinations(ANSWERS, 2):
        assert desk.is_withheld(project_id, "ann", group)
        comparison = add_comparison(studio._db, project_id, "Q", *pair)
        save_label(studio._db, show_case(comparison, "ann"), "ann", Judgement("cannot_judge"))
    assert studio.is_withheld(project_id, group)
    assert not desk.is_withheld(project_id, "ann", group)
    other = add_comparison(studio._db, project_id, "Q", ANSWERS[1], "not of this group")
    save_label(studio._db, show_case(other, "bob"), "bob", Judgement("a"))
    assert desk.is_withheld(project_id, "bob", group)
    order_as(studio, prompt_id, ANSWERS[:1], ANSWERS[1:3], ANSWERS[3:])
    assert not studio.is_withheld(project_id, group)


def test_what_was_shown_stays_shown(blind):
    """Another way on from a token is one more answer, and a label can be taken back."""
    studio, project_id, prompt_id, group = blind
    order_as(studio, prompt_id, *((one,) for one in ANSWERS))
    new = dataclasses.replace(group[0], candidate_id="new", text="Another.\nFinal Answer: 9")
    assert studio.is_withheld(project_id, [*group, new])
    studio.reveal(project_id, rank_candidates(group), False)
    assert not studio.is_withheld(project_id, [*group, new])
    studio.undo(project_id)
    assert not studio.is_withheld(project_id, group)
    assert RevealsDesk(studio._db).is_withheld(project_id, "ann", group)


def test_what_nobody_asks_for_or_can_order_is_not_withheld(blind):
    studio, project_id, _, group = blind
    assert not studio.is_withheld(project_id, group[:1])
    assert not studio.is_withheld(project_id, [group[0], group[4]])
    assert not studio.is_withheld(project_id, [])
    assert studio.reveal(project_id, rank_candidates([group[0], group[4]]), False) is None
    ask_first(studio, project_id, is_blind_first=False)
    assert not studio.is_withheld(project_id, group)
    assert studio.reveal(project_id, rank_candidates(group), False) is None
    assert list_reveals(studio._db, project_id) == []


def test_answers_are_called_to_label_as_cases_of_all_their_pairs(blind):
    studio, project_id, prompt_id, _ = blind
    case = studio.call_group(studio.candidates(prompt_id))
    assert studio.label_progress(project_id).total == 6
    assert set(studio.answers_to_order(case)) == set(ANSWERS)
    origins = studio.origins(case.comparison.pair_id)
    assert {one.candidate_id for one in origins} == {"c0", "c1"}
    assert studio.called_case(project_id) == case
    assert (
        studio.call_group(studio.candidates(prompt_id)) == case
    )  # once more makes no more of them
    assert studio.label_progress(project_id).total == 6
    studio.save_order(case, AnswerOrder(tuple((one,) for one in ANSWERS)))
    with pytest.raises(EntryError, match="judged these answers already"):
        studio.call_group(studio.candidates(prompt_id))


def test_answers_that_say_the_same_are_not_called(blind):
    studio, project_id, *_ = blind
    prompt = upsert_prompt(studio._db, project_id, "R")
    with pytest.raises(EntryError, match="nothing to put in order"):
        studio.call_group(studio.candidates(prompt.prompt_id))
    save_group(studio._db, prompt.prompt_id, [make_candidate("same", 0, "r0", "R")] * 2)
    with pytest.raises(EntryError, match="nothing to put in order"):
        studio.call_group(studio.candidates(prompt.prompt_id))


# --- what is shown then -----------------------------------------------------------------------


def test_explore_holds_nothing_of_a_withheld_group(blind):
    studio, project_id, prompt_id, _ = blind
    screen = ExploreActions(studio).screen(project_id, prompt_id, "")
    assert (screen.group, screen.is_withheld) == ((), True)
    group, empty, order, results, agreed, cards, ranks, trace, *rest = handlers_of(studio).load(
        project_id, prompt_id, *PAPER
    )
    assert (group, agreed, trace) == ((), "", None)
    assert (unpacked(cards)["cards"], unpacked(ranks)["order"]) == ([], [])
    assert not (empty.visible or order.visible or results.visible)
    withheld, called, tau = rest[-3:]
    assert (withheld.visible, called, tau) == (True, {"text": ""}, "")
    with pytest.raises(ConfigError):
        handlers_of(studio).save_page(project_id, group, *PAPER)
    assert list_reveals(studio._db, project_id) == []


def test_first_showing_is_kept_with_tau_over_the_answers_in_order(blind):
    """The machine's order against the same, and with its last two places changed over: 2/3."""
    studio, project_id, prompt_id, group = blind
    ranked = rank_candidates(group)
    best_first = list(machine_places([one.candidate.text for one in ranked], range(1, 6)))
    order_as(studio, prompt_id, *[(one,) for one in best_first])
    *_, withheld, _, tau = handlers_of(studio).load(project_id, prompt_id, *PAPER)
    assert not withheld.visible
    assert "tau 1.00 over 4 answers" in tau
    [kept] = list_reveals(studio._db, project_id)
    assert kept.candidate_ids == tuple(one.candidate.candidate_id for one in ranked)
    assert kept.ranks == tuple(one.rank for one in ranked) == (1, 2, 3, 4, 5)
    assert kept.gem_scores == pytest.approx([one.score.value for one in ranked])
    assert (kept.rater, kept.tau, kept.num_answers) == ("expert", pytest.approx(1.0), 4)
    assert [kept.own_places[kept.answers.index(one)] for one in best_first] == [1, 2, 3, 4]

    studio.undo(project_id)
    order_as(studio, prompt_id, *[(best_first[place],) for place in (0, 1, 3, 2)])
    *_, tau = handlers_of(studio).load(project_id, prompt_id, *PAPER)
    assert "tau 0.67 over 4 answers" in tau
    assert list_reveals(studio._db, project_id) == [kept]
    [bias] = studio.automation_bias(project_id)
    assert (bias.num_reveals, bias.num_changed, bias.num_compared) == (1, 1, 1)
    assert bias.mean_change == pytest.approx(-1 / 3)


def test_where_nobody_asks_an_order_is_compared_and_nothing_is_kept(blind):
    studio, project_id, prompt_id, group = blind
    ask_first(studio, project_id, is_blind_first=False)
    ranked = rank_candidates(group)
    texts = list(machine_places([one.candidate.text for one in ranked], range(1, 6)))
    order_as(studio, prompt_id, *[(one,) for one in reversed(texts)])
    assert studio.reveal(project_id, ranked, False) == (pytest.approx(-1.0), 4)
    assert list_reveals(studio._db, project_id) == []
    assert studio.automation_bias(project_id) == ()


def test_order_taken_back_after_the_reveal_is_changed_and_has_no_tau(blind):
    studio, project_id, prompt_id, _ = blind
    order_as(studio, prompt_id, *[(one,) for one in ANSWERS])
    handlers_of(studio).load(project_id, prompt_id, *PAPER)
    [bias] = studio.automation_bias(project_id)
    assert (bias.num_reveals, bias.num_changed) == (1, 0)
    studio.undo(project_id)
    [bias] = studio.automation_bias(project_id)
    assert (bias.num_changed, bias.num_compared, bias.mean_change) == (1, 0, None)
    assert say.reading(bias) == say.NOT_COMPARED


def test_line_follows_the_sliders(blind):
    studio, project_id, prompt_id, group = blind
    sure_at_the_end = rank_candidates(group, ScoringConfig(lambda_fork=0.0))
    texts = [one.candidate.text for one in sure_at_the_end]
    order_as(studio, prompt_id, *[(one,) for one in machine_places(texts, range(1, 6))])
    compare = handlers_of(studio).compare
    assert "tau 1.00 over 4" in compare(project_id, tuple(group), "", 0.0, 0.1, "paper")
    assert "tau 1.00 over 4" not in compare(project_id, tuple(group), "", 3.0, 0.1, "paper")
    assert compare(project_id, (), *PAPER) == ""


# --- the page over made-up cases --------------------------------------------------------------


def test_button_calls_the_answers_and_says_where_they_wait(studio):
    handlers, newest = handlers_of(studio), tuple(studio.candidates("p0"))
    for group, called in (((), newest), (newest[:2], newest[:2])):  # withheld; on screen
        assert handlers.put_in_order("p0", group) == {"text": say.CALLED}
        assert studio.called.pop() == called
    with pytest.raises(ConfigError, match=text.CHOOSE_PROMPT[:10]):
        handlers.put_in_order(None, ())


def test_withheld_group_takes_no_figure_from_another_reader(studio):
    studio.is_blind = True
    actions = ExploreActions(studio)
    assert actions.screen("demo", "p0", "run-1").is_withheld
    assert actions.screen("demo", "p1", "run-1").is_withheld is False  # nothing was sampled
    studio.sampled_with, studio.task = ("p0", SamplingConfig(), None), TaskState("done", 5, 5)
    _, status, *_ = handlers_of(studio)._values("demo", actions.screen("demo", "p0", ""), Asked())
    assert status == {"text": text.candidate_count(5)}
    handlers_of(studio).load("demo", "p0", *PAPER)
    assert studio.revealed == []
    studio.is_blind = False
    handlers_of(studio).load("demo", "p0", *PAPER)
    assert [len(ids) for ids in studio.revealed] == [5]
    assert actions.reveal("", (), actions.weighing("demo", (), Asked())) is None


# --- words ------------------------------------------------------------------------------------


def test_tau_is_said_with_its_n_and_what_is_undefined_says_why():
    assert tau_html(None) == ""
    assert "You and the machine: Kendall&#x27;s tau 0.60 over 5 answers" in tau_html(Tau(0.6, 5))
    assert f"tau {MINUS}0.20 over" in say.tau_words(Tau(-0.2, 5))
    assert "tau 0.00 over" in say.tau_words(Tau(-1e-9, 5))
    assert "all of them equal" in say.tau_words(Tau(None, 3))
    assert "no two of these" in say.tau_words(Tau(None, 0))
    assert say.TAU_HINT not in tau_html(Tau(None, 3))


@pytest.mark.parametrize(
    ("bias", "words", "cell"),
    [
        (AutomationBias("ann", 4, 0, 0, None, None), say.NO_CHANGE, "\N{EN DASH}"),
        (AutomationBias("ann", 4, 1, 1, 0.5, None), say.ONE_CHANGE, "+0.50"),
        (AutomationBias("ann", 4, 2, 2, 0.5, None), say.ALIKE, "n = 2"),
        (AutomationBias("ann", 9, 3, 3, 0.5, (0.1, 0.9)), say.TOWARDS, "0.10 to 0.90, n = 3"),
        (AutomationBias("ann", 9, 3, 3, -0.5, (-0.9, -0.1)), say.AWAY, f"{MINUS}0.50"),
        (
            AutomationBias("ann", 9, 3, 3, 0.1, (-0.9, 1.1)),
            say.NO_DIRECTION,
            f"{MINUS}0.90 to 1.10",
        ),
        (AutomationBias("ann", 9, 4, 3, 0.5, (0.1, 0.9)), "1 changed order without", "n = 3"),
    ],
)
def test_each_rater_has_counts_a_figure_and_a_sentence(bias, words, cell):
    row = bias_html([bias]).split("<tbody>")[1]
    assert f"<td class=gem-num>{bias.num_reveals}</td>" in row
    assert words in row
    assert cell in row


def test_raters_view_has_it_only_where_somebody_was_shown_an_order(studio):
    with gr.Blocks():
        card = AgreementCard(studio, gr.State(""))
    assert say.BIAS_TITLE not in card.judged("demo")[1]
    studio.bias = (AutomationBias("<b>ann</b>", 4, 0, 0, None, None),)
    at_work = card.judged("demo")[1]
    assert say.BIAS_TITLE in at_work
    assert "<b>ann" not in at_work
