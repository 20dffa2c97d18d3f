"""Who looks at which case: others' cases are known, and nobody holds one for ever."""

import threading
import time

from app import handed_out
from app.handed_out import HandedOut
from gem_backend.types import Case, Comparison, LabelProgress
from storage.turns import Turn


def case(pair_id, project_id="p"):
    return Case(Comparison(pair_id, project_id, "q", "Q", "yes", "no"), "a")


def turn(pair_id, project_id="p"):
    return Turn(pair_id and case(pair_id, project_id), LabelProgress(0, 0, 0))


def others(held, project_id, rater):
    """What is said to be on other screens; nothing is handed out."""
    seen = []
    held.hand_out(project_id, rater, lambda shown: seen.extend(shown.values()) or turn(None))
    return [case.comparison.pair_id for case in seen]


def test_a_rater_holds_the_last_case_of_each_project_for_others_only():
    held = HandedOut()
    for project_id, rater, pair_id in (
        ("p", "ann", "one"),
        ("p", "ann", "two"),
        ("p", "bob", "two"),
        ("q", "bob", "three"),
    ):
        given = turn(pair_id, project_id)
        assert held.hand_out(project_id, rater, lambda _, given=given: given) is given
    assert others(held, "p", "cleo") == ["two", "two"]
    assert others(held, "p", "ann") == ["two"]
    assert others(held, "q", "bob") == []


def test_a_case_is_free_again_when_its_rater_left(monkeypatch):
    monkeypatch.setattr(handed_out, "HOLD_S", -1.0)
    held = HandedOut()
    held.hand_out("p", "ann", lambda _: turn("one"))
    assert others(held, "p", "bob") == []


def test_raters_who_ask_at_the_same_moment_are_handed_different_cases_without_asking_twice():
    held, chosen, ready = HandedOut(), [], threading.Barrier(8)

    def choose(taken):
        chosen.append(len(taken))
        time.sleep(0.01)  # a look at the queue: another rater's must not find the same case
        return turn(str(len(taken)))

    def ask(rater):
        ready.wait(20)
        held.hand_out("p", rater, choose)

    raters = [threading.Thread(target=ask, args=(f"rater {n}",)) for n in range(8)]
    for rater in raters:
        rater.start()
    for rater in raters:
        rater.join()
    assert sorted(others(held, "p", "ann")) == [str(n) for n in range(8)]
    assert chosen == list(range(8))


def test_who_is_handed_a_case_that_another_went_back_to_meanwhile_is_handed_the_next():
    held = HandedOut()

    def choose(taken):
        if not taken:
            held.hold("bob", case("one"))  # bob goes back to it while ann's is looked for
        return turn("two" if taken else "one")

    assert held.hand_out("p", "ann", choose).case == case("two")


def test_a_case_that_a_rater_went_back_to_is_theirs():
    held = HandedOut()
    held.hand_out("p", "ann", lambda _: turn("two"))
    held.hold("ann", case("one"))
    assert others(held, "p", "bob") == ["one"]
