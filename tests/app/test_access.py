"""Accounts: without one the studio is one person's; with them, who logged in decides."""

import inspect

import httpx
import pytest

from app import text_raters
from app.access import ALONE, AccessError
from app.studio import DATABASE_FILE, Studio
from gem_backend.types import Rater
from storage.database import Database
from storage.raters import deactivate, invite
from tests.app.serving import call, serving

# What a rater may ask for; all else is an admin's.
FOR_ALL = {
    "access", "active_run", "adapters", "calibration", "calibration_state", "case", "close",
    "enter_pair", "header", "is_judged", "label_progress", "model", "next_case", "pace_s", "plan",
    "preset", "project", "projects", "prompts", "recent_labels", "run_traits", "runs",
    "sampled_case_state", "sampling_state", "save_label", "set_password", "skip_case",
    "start_sampled_case", "undo", "warm_up",
}  # fmt: skip


@pytest.fixture(scope="module")
def passwords(tmp_path_factory):
    """A data folder with three accounts, one of them closed: its path and the passwords."""
    folder = tmp_path_factory.mktemp("studio")
    with Database(folder / DATABASE_FILE) as db:
        found = {"anna": invite(db, "anna", "admin")[1]}
        found |= {name: invite(db, name)[1] for name in ("bob", "gone")}
        deactivate(db, "gone")
    return folder, found


@pytest.fixture(scope="module")
def app(passwords):
    with Studio(passwords[0], device="cpu") as studio, serving(studio) as app:
        yield app


@pytest.fixture
def client(app):
    with httpx.Client(base_url=app.local_url, trust_env=False, timeout=20) as client:
        yield client


def log_in(client, name, password):
    return client.post("/login", data={"username": name, "password": password}).status_code


def test_without_accounts_one_person_may_do_everything(tmp_path):
    with Studio(tmp_path, device="cpu") as studio:
        assert not studio.access.asks_for_login
        assert studio.access.current() == ALONE
        _, password = studio.invite_rater("anna", "admin")
        assert studio.access.current() == ALONE  # nobody is locked out in mid-work
    with Studio(tmp_path, device="cpu") as studio:
        assert studio.access.asks_for_login
        assert studio.access.admits("anna", password)


def test_nobody_gets_in_without_a_password(client, passwords):
    assert client.get("/config").status_code == 401
    assert "auth_required" in client.get("/").text
    joined = client.post("/gradio_api/queue/join", json={"fn_index": 0, "data": []})
    assert joined.status_code == 401
    for name, password in (("bob", "wrong"), ("eve", "x"), ("gone", passwords[1]["gone"])):
        assert log_in(client, name, password) == 400


@pytest.mark.parametrize(("name", "role"), [("anna", "admin"), ("bob", "rater")])
def test_the_page_knows_who_logged_in(client, app, passwords, name, role):
    assert log_in(client, name, passwords[1][name]) == 200
    row, line = call(client, app, "values", [])["output"]["data"]
    assert row["visible"]
    assert text_raters.CHOOSE_PASSWORD in line
    assert f'data-role="{role}"' in line
    assert client.get("/config").status_code == 200
    client.get("/logout")
    assert client.get("/config").status_code == 401


def test_a_rater_may_not_do_what_is_an_admins(monkeypatch, tmp_path):
    with Studio(tmp_path, device="cpu") as studio:
        monkeypatch.setattr(studio.access, "current", lambda: Rater("bob"))
        methods = {
            name: method
            for name, method in inspect.getmembers(Studio, inspect.isfunction)
            if not name.startswith("_") and name not in FOR_ALL
        }
        assert {"import_file", "export_file", "start_run", "invite_rater", "run"} <= methods.keys()
        for method in methods.values():
            given = [None] * (len(inspect.signature(method).parameters) - 1)
            with pytest.raises(AccessError, match="admin"):
                method(studio, *given)


def test_an_account_that_was_closed_is_refused_at_the_next_press(tmp_path):
    with Database(tmp_path / DATABASE_FILE) as db:
        invite(db, "anna", "admin")
        _, password = invite(db, "bob")
    with Studio(tmp_path, device="cpu") as studio:
        with pytest.raises(AccessError, match="Log in"):
            studio.access.current()  # no event, so nobody
        with (
            serving(studio) as app,
            httpx.Client(base_url=app.local_url, trust_env=False) as client,
        ):
            assert log_in(client, "bob", password) == 200
            assert call(client, app, "values", [])["success"]
            deactivate(studio._db, "bob")
            assert not call(client, app, "values", [])["success"]
