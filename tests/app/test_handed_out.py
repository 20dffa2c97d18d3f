"""Who looks at which case: others' cases are known, and nobody holds one for ever."""

from app import handed_out
from app.handed_out import HandedOut


def test_a_rater_holds_the_last_case_of_each_project_for_others_only():
    held = HandedOut()
    held.hold("p", "ann", "one")
    held.hold("p", "ann", "two")
    held.hold("p", "bob", "two")
    held.hold("q", "bob", "three")
    assert held.by_others("p", "cleo") == ["two", "two"]
    assert held.by_others("p", "ann") == ["two"]
    assert held.by_others("q", "bob") == []


def test_a_case_is_free_again_when_its_rater_left(monkeypatch):
    monkeypatch.setattr(handed_out, "HOLD_S", -1.0)
    held = HandedOut()
    held.hold("p", "ann", "one")
    assert held.by_others("p", "bob") == []
