"""Drafts outlast a restart, are written soon after they are typed, and go when they are saved."""

import time

from app.actions.label import Drafts, LabelActions
from app.actions.label_records import Draft, Words
from app.actions.order import OrderActions
from app.desks import drafts as desks
from app.desks.drafts import DraftsDesk
from app.drafts import DraftStore
from app.studio import Studio
from storage.drafts import DraftKey
from storage.errors import DiskFullError
from tests.app.fakes import make_case
from tests.app.test_label_page import chose

SAID = Draft("a", 3, False, ("safety",), Words("because", "a better one"))


def stored(db):
    return DraftsDesk(db).load("label")


def test_what_was_said_of_a_case_is_there_after_a_restart(tmp_path):
    with Studio(tmp_path) as studio:
        actions = LabelActions(studio, Drafts(studio.drafts))
        case = actions.show("demo", None).case
        actions.keep_draft(case, chose(case, "left", 2), Words("half a sent"))
    with Studio(tmp_path) as studio:
        actions = LabelActions(studio, Drafts(studio.drafts))
        screen = actions.show("demo", None)
        assert screen.case == case
        assert screen.draft == Draft(case.left, 2, words=Words("half a sent"))
        actions.save("demo", case, chose(case, "left"), Words())
        studio.drafts.write()
        assert studio.drafts.load("label") == {}


def test_a_board_that_was_being_ordered_is_there_after_a_restart(tmp_path):
    with Studio(tmp_path) as studio:
        project_id = studio.create_project("Order").project_id
        for pair in (("one", "two"), ("two", "three")):
            studio.enter_pair(project_id, "Q", *pair)
        labels = LabelActions(studio, Drafts(studio.drafts))
        case = studio.next_turn(project_id).case
        board = OrderActions(studio, labels).open(project_id, case, {}, Words()).board
    with Studio(tmp_path) as studio:
        screen = LabelActions(studio, Drafts(studio.drafts)).show(project_id, case)
        assert screen.board == board is not None


def test_drafts_are_written_soon_after_and_once(db, monkeypatch):
    monkeypatch.setattr(desks, "DELAY_S", 0.02)
    desk = DraftsDesk(db)
    drafts = DraftStore(Draft(), "label", desk)
    for words in ("h", "ha", "half"):
        drafts.put("ann", make_case("1"), Draft(words=Words(words)))
    end = time.monotonic() + 20
    while not stored(db) and time.monotonic() < end:
        time.sleep(0.01)
    [content] = stored(db).values()
    assert "half" in content
    drafts.put("ann", make_case("1"), Draft())  # the words were deleted again
    desk.close()
    assert stored(db) == {}


def test_each_persons_draft_is_their_own_and_comes_back_whole(db):
    desk = DraftsDesk(db)
    drafts = DraftStore(Draft(), "label", desk)
    drafts.put("ann", make_case("1"), SAID)
    desk.close()
    again = DraftStore(Draft(), "label", DraftsDesk(db))
    assert again.get("ann", make_case("1")) == SAID
    assert again.get("bob", make_case("1")) == Draft()
    assert DraftStore(Draft(), "order", DraftsDesk(db)).get("ann", make_case("1")) == Draft()


def test_oldest_drafts_leave_the_database_too(db):
    desk = DraftsDesk(db)
    drafts = DraftStore(Draft(), "label", desk)
    for number in range(502):
        drafts.put("ann", str(number), SAID)
    desk.close()
    assert len(stored(db)) == 500
    assert DraftKey("label", "ann", "0") not in stored(db)


def test_what_an_older_studio_wrote_in_other_words_is_left_out(db):
    desk = DraftsDesk(db)
    desk.note(DraftKey("label", "ann", "1"), '{"verdict": "left"}')
    desk.close()
    assert DraftStore(Draft(), "label", DraftsDesk(db)).get("ann", "1") == Draft()


def test_a_full_disk_loses_no_draft(db, monkeypatch):
    desk = DraftsDesk(db)
    key = DraftKey("label", "ann", "1")

    def refuse(*_):
        raise DiskFullError("The disk is full.")

    with monkeypatch.context() as full:
        full.setattr(desks, "write_drafts", refuse)
        desk.note(key, "older")
        desk.write()
    desk.close()
    assert stored(db) == {key: "older"}


def test_what_a_save_has_overtaken_is_no_draft_any_more():
    """It was sent before the save; what is said of the case later is kept again."""
    drafts, case = DraftStore(Draft()), make_case("1")
    drafts.hear("ann", case, SAID, sent_ms=10.0)
    drafts.put("ann", case, SAID, sent_ms=20.0)
    drafts.drop("ann", case)
    drafts.hear("ann", case, Draft("b"), sent_ms=15.0)
    assert drafts.get("ann", case) == Draft()
    drafts.hear("ann", case, Draft("b"), sent_ms=30.0)
    assert drafts.get("ann", case) == Draft("b")


def test_without_a_time_it_is_known_by_what_it_says():
    drafts, case = DraftStore(Draft()), make_case("1")
    drafts.put("ann", case, SAID)
    drafts.drop("ann", case)
    drafts.hear("ann", case, SAID)
    assert drafts.get("ann", case) == Draft()
    drafts.put("ann", case, SAID)  # reopened, by the studio itself
    drafts.hear("ann", case, SAID)
    assert drafts.get("ann", case) == SAID
