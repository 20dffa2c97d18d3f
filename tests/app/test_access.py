"""Accounts: without one the studio is one person's; with them, who logged in decides."""

import inspect

import httpx
import pytest

from app.access import ALONE, AccessError
from app.studio import Studio
from app.studio_base import DATABASE_FILE
from app.text import raters as text_raters
from app.views.raters import left_over_html
from gem_backend.types import Rater
from storage.database import Database
from storage.pairs import Judgement, add_comparison, save_label, show_case
from storage.projects import create_project
from storage.raters import EXPIRED, deactivate, invite
from tests.app.serving import account, call, serving
from tests.app.test_past_is_fixed import plausible, upload

# What a rater may ask for; all else is an admin's.
FOR_ALL = {
    "access", "active_run", "adapters", "answers_to_order", "called_case", "case", "close",
    "enter_pair", "header", "hold", "is_judged", "label_progress", "model", "next_turn",
    "preset", "project", "projects", "recent_labels", "run_traits", "runs", "sampled_case_state",
    "sampling_state", "save_label", "save_order", "set_password", "skip_case",
    "start_sampled_case", "undo", "warm_up",
}  # fmt: skip


# Events by which a rater labels and cares for a password of their own; "start" asks the model.
OWN = {"handler", "reopen", "keep_draft", "change", "start"}
SECRET = "what anna thinks"


@pytest.fixture(scope="module")
def passwords(tmp_path_factory):
    """A data folder with three accounts, one of them closed: its path and the passwords."""
    folder = tmp_path_factory.mktemp("studio")
    (folder / "rows.jsonl").write_text('{"prompt": "Q", "chosen": "a", "rejected": "b"}\n')
    with Database(folder / DATABASE_FILE) as db:
        create_project(db, "Blind", project_id="blind")
        case = show_case(add_comparison(db, "blind", "Question", "Wait.", "Operate."), "anna")
        save_label(db, case, "anna", Judgement("a", rationale=SECRET))
        found = {"anna": account(db, "anna", "admin")}
        found |= {name: account(db, name) for name in ("bob", "gone")}
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
    row, line, _ = call(client, app, "values", [])["output"]["data"]
    assert row["visible"]
    assert text_raters.CHOOSE_PASSWORD not in line
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
        assert {"start_import", "export_file", "start_run", "invite_rater", "run"} <= methods.keys()
        for method in methods.values():
            given = [None] * (len(inspect.signature(method).parameters) - 1)
            with pytest.raises(AccessError, match="admin"):
                method(studio, *given)


@pytest.mark.slow
def test_an_account_that_was_closed_is_refused_at_the_next_press(tmp_path):
    with Database(tmp_path / DATABASE_FILE) as db:
        account(db, "anna", "admin")
        password = account(db, "bob")
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


@pytest.mark.parametrize("change", ["remove", "invite"])
@pytest.mark.slow
def test_an_account_that_was_closed_or_renewed_is_logged_out(tmp_path, change):
    with Database(tmp_path / DATABASE_FILE) as db:
        account(db, "anna", "admin")
        passwords = {name: account(db, name) for name in ("bob", "cleo")}
    with Studio(tmp_path, device="cpu") as studio, serving(studio) as app:
        options = {"base_url": app.local_url, "trust_env": False}
        with httpx.Client(**options) as bob, httpx.Client(**options) as cleo:
            assert log_in(bob, "bob", passwords["bob"]) == 200
            assert log_in(cleo, "cleo", passwords["cleo"]) == 200
            given = ("bob",) if change == "remove" else ("bob", "rater")
            getattr(studio._raters, change)(*given)
            assert bob.get("/config").status_code == 401
            assert cleo.get("/config").status_code == 200


def test_no_event_does_a_rater_what_is_an_admins_or_tells_what_others_said(passwords, app, client):
    assert log_in(client, "bob", passwords[1]["bob"]) == 200
    file = upload(client, passwords[0] / "rows.jsonl")
    known = {one["id"]: one for one in app.config["components"]}
    refused = set()
    # the first event opens the project, as a page's arrival does
    for event in sorted(app.config["dependencies"], key=lambda one: name_of(app, one) != "arrive"):
        name = name_of(app, event)
        if not event["backend_fn"] or name in OWN:
            continue
        data = [plausible(known[part], "blind", ["gone", "gone"], file) for part in event["inputs"]]
        answer = answer_to(client, event["id"], data)
        assert SECRET not in answer
        if text_raters.ADMINS_ONLY in answer:
            refused.add(name)
    assert refused >= {"create", "invite", "remove", "judged", "export_file", "save"}
    assert "show" in refused
    assert refused >= {"read_log", "read_newer", "read_older"}
    assert any("import" in name for name in refused)


def name_of(app, event):
    return getattr(app.fns[event["id"]].fn, "__name__", "")


def answer_to(client, index, data):
    body = {"fn_index": index, "data": data, "session_hash": "bob", "event_data": {"index": 0}}
    # the page's own address travels along: it names the project
    client.post("/gradio_api/queue/join?project=blind", json=body).raise_for_status()
    with client.stream("GET", "/gradio_api/queue/data?session_hash=bob") as lines:
        return next(line for line in lines.iter_lines() if "process_completed" in line)


@pytest.mark.slow
def test_a_one_time_password_opens_nothing_but_the_choice_of_another(tmp_path):
    with Database(tmp_path / DATABASE_FILE) as db:
        account(db, "anna", "admin")
        _, password = invite(db, "bob")
    with (
        Studio(tmp_path, device="cpu") as studio,
        serving(studio) as app,
        httpx.Client(base_url=app.local_url, trust_env=False, timeout=20) as client,
    ):
        assert log_in(client, "bob", password) == 200
        _, line, form = call(client, app, "values", [])["output"]["data"]
        assert text_raters.CHOOSE_PASSWORD in line
        assert form["visible"]
        assert not call(client, app, "start", ["demo", 2])["success"]
        assert not call(client, app, "change", [password, password])["success"]
        assert call(client, app, "change", [password, "bob's own password"])["success"]
        assert log_in(client, "bob", password) == 400
        assert log_in(client, "bob", "bob's own password") == 200
        assert text_raters.CHOOSE_PASSWORD not in str(call(client, app, "values", []))


@pytest.mark.slow
def test_an_expired_one_time_password_opens_nothing_and_says_so(tmp_path):
    with Database(tmp_path / DATABASE_FILE) as db:
        account(db, "anna", "admin")
        _, password = invite(db, "bob")
        db.execute("UPDATE raters SET invited_at = '2020-01-01T00:00:00.000000+00:00'")
    with (
        Studio(tmp_path, device="cpu") as studio,
        serving(studio) as app,
        httpx.Client(base_url=app.local_url, trust_env=False, timeout=20) as client,
    ):
        assert log_in(client, "bob", password) == 200
        assert EXPIRED in str(call(client, app, "values", []))
        assert not call(client, app, "change", [password, "bob's own password"])["success"]
        assert log_in(client, "bob", "bob's own password") == 400


def test_labels_from_before_there_were_accounts_wait_for_who_takes_their_name(tmp_path):
    with Studio(tmp_path, device="cpu") as studio:
        assert studio.num_left_over_labels() == 0
        project_id = studio.create_project("Alone").project_id
        case = studio.enter_pair(project_id, "Q", "yes", "no")
        studio.save_label(case, Judgement("a"))
        assert studio.num_left_over_labels() == 1
        studio.invite_rater("anna", "admin")
        assert studio.num_left_over_labels() == 1
        studio.invite_rater("expert", "admin")
        assert studio.num_left_over_labels() == 0
        studio.remove_rater("expert")
        assert studio.num_left_over_labels() == 1


@pytest.mark.parametrize(("raters", "words"), [((), "first account"), ((ALONE,), "invited as")])
def test_the_page_says_whose_the_left_over_labels_are(raters, words):
    assert left_over_html(raters, 0) == ""
    assert words in left_over_html(raters, 2)
    assert "2 labels were" in left_over_html(raters, 2)
