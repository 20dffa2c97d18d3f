from datetime import UTC, datetime, timedelta

import pytest

from storage.errors import EntryError, NotFoundError
from storage.raters import (
    MAX_PASSWORD,
    deactivate,
    get_rater,
    has_expired,
    invite,
    list_raters,
    log_in,
    set_password,
)

OWN = "correct horse battery"


def test_invitation_lets_in_once_a_password_is_known_only_to_its_owner(db):
    anna, password = invite(db, "  anna ", "admin")
    assert (anna.rater, anna.role, anna.is_invited, anna.is_active) == ("anna", "admin", True, True)
    assert log_in(db, "anna", password) == anna
    changed = set_password(db, "anna", password, OWN)
    assert not changed.is_invited
    assert log_in(db, "anna", password) is None
    assert log_in(db, "anna", OWN) == changed


def test_no_password_is_stored(db):
    _, password = invite(db, "anna", "admin")
    stored = str(db.query("SELECT password_hash FROM raters"))
    assert password not in stored
    assert "$argon2id$" in stored


@pytest.mark.parametrize("name", ["nobody", "Anna", "anna "])
def test_name_and_password_must_both_be_right(db, name):
    _, password = invite(db, "anna", "admin")
    assert log_in(db, name, password) is None
    assert log_in(db, "anna", password + "x") is None
    assert log_in(db, "anna", "") is None


@pytest.mark.parametrize("name", ["", "   ", "a\nb", "a\x00b", "x" * 61])
def test_name_that_nobody_could_type_is_refused(db, name):
    with pytest.raises(EntryError, match="name of 1 to 60"):
        invite(db, name, "admin")
    assert list_raters(db) == []


def test_first_account_is_an_admins(db):
    with pytest.raises(EntryError, match="admin"):
        invite(db, "bob")
    invite(db, "anna", "admin")
    bob, _ = invite(db, "bob")
    assert bob.role == "rater"
    assert [rater.rater for rater in list_raters(db)] == ["anna", "bob"]


def test_last_admin_stays(db):
    invite(db, "anna", "admin")
    invite(db, "bob")
    for without_admin in (lambda: deactivate(db, "anna"), lambda: invite(db, "anna", "rater")):
        with pytest.raises(EntryError, match="admin"):
            without_admin()
    invite(db, "bob", "admin")
    assert not deactivate(db, "anna").is_active


@pytest.mark.slow
def test_deactivated_account_is_kept_out_until_it_is_invited_again(db):
    invite(db, "anna", "admin")
    _, password = invite(db, "bob")
    deactivate(db, "bob")
    assert log_in(db, "bob", password) is None
    again, newer = invite(db, "bob")
    assert again.is_active
    assert log_in(db, "bob", password) is None
    assert log_in(db, "bob", newer) == again


@pytest.mark.parametrize("new", ["short", "x" * (MAX_PASSWORD + 1)])
def test_password_has_a_length_that_guards_and_can_be_hashed(db, new):
    _, password = invite(db, "anna", "admin")
    with pytest.raises(EntryError, match="Choose a password"):
        set_password(db, "anna", password, new)
    assert log_in(db, "anna", password) is not None


def test_wrong_old_password_changes_nothing(db):
    _, password = invite(db, "anna", "admin")
    with pytest.raises(EntryError, match="old password"):
        set_password(db, "anna", "not it at all", OWN)
    assert log_in(db, "anna", password) is not None


def test_unknown_account_is_named(db):
    with pytest.raises(NotFoundError, match="zoe"):
        get_rater(db, "zoe")
    with pytest.raises(NotFoundError, match="zoe"):
        deactivate(db, "zoe")


@pytest.mark.slow
def test_a_one_time_password_expires_and_a_chosen_one_does_not(db):
    _, password = invite(db, "anna", "admin")
    _, kept = invite(db, "bob")
    set_password(db, "bob", kept, OWN)
    assert not has_expired(db, "anna")
    eight_days_ago = (datetime.now(UTC) - timedelta(days=8)).isoformat(timespec="microseconds")
    db.execute("UPDATE raters SET invited_at = ?", [eight_days_ago])
    assert has_expired(db, "anna")
    assert not has_expired(db, "bob")
    with pytest.raises(EntryError, match="expired after 7 days"):
        set_password(db, "anna", password, OWN)
    _, newer = invite(db, "anna", "admin")
    assert not has_expired(db, "anna")
    with pytest.raises(EntryError, match="another password"):
        set_password(db, "anna", newer, newer)
