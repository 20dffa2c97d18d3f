import json
import os
import stat
import subprocess
import sys

import httpx
import pytest

from app.security import is_loopback, launch_options
from gem_backend.errors import ConfigError
from tests.app.fakes import demo_studio
from tests.app.serving import serving


@pytest.fixture(scope="module")
def secret(tmp_path_factory):
    file = tmp_path_factory.mktemp("data") / "secret.txt"
    file.write_text("a patient's words")
    return file


@pytest.fixture(scope="module")
def app(secret):
    with serving(demo_studio(), blocked=[secret.parent]) as app:
        yield app


@pytest.fixture
def client(app):
    with httpx.Client(base_url=app.local_url, trust_env=False) as client:
        yield client


def post_an_event(client, **headers):
    body = {"fn_index": 0, "data": [], "session_hash": "s", "event_data": None, "trigger_id": None}
    return client.post("/gradio_api/queue/join", json=body, headers=headers)


def test_page_and_events_answer_its_own_origin(client, app):
    assert client.get("/").status_code == 200
    origin = app.local_url.rstrip("/")
    assert post_an_event(client, Origin=origin).status_code == 200
    assert post_an_event(client).status_code == 200  # a tool on this machine names no origin


@pytest.mark.parametrize(
    "origin",
    [
        "https://evil.example",
        "null",
        "http://127.0.0.1:1",
        "http://localhost.evil.example",
        "http://127.0.0.1.evil.example",
        "",
    ],
)
def test_foreign_origin_is_refused(client, origin):
    assert post_an_event(client, Origin=origin).status_code == 403


@pytest.mark.parametrize("path", ["/", "/config", "/gradio_api/startup-events", "/theme.css"])
@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example", "192.168.0.7:7860"])
def test_other_host_names_are_refused(client, path, host):
    assert client.get(path, headers={"Host": host}).status_code == 403


@pytest.mark.parametrize("host", ["localhost", "localhost:7860", "127.0.0.1:80", "[::1]:7860"])
def test_loopback_names_are_known(host):
    assert is_loopback(host)


@pytest.mark.parametrize("host", ["", "0.0.0.0", "localhost.", "example.org", "[::1", "10.0.0.1"])
def test_other_names_are_not_loopback(host):
    assert not is_loopback(host)


def test_every_event_is_private_in_the_running_app(client):
    dependencies = client.get("/config").json()["dependencies"]
    assert len(dependencies) > 20
    assert {dependency["api_visibility"] for dependency in dependencies} == {"private"}


def test_no_endpoint_is_described(client):
    assert client.get("/gradio_api/info").json()["named_endpoints"] == {}
    assert client.get("/docs").status_code == 404
    assert client.get("/openapi.json").status_code == 404


def test_running_app_shares_nothing_and_keeps_nothing(app, client):
    config = client.get("/config").json()
    assert app.share is False
    assert app.share_url is None
    assert app.server_name == "127.0.0.1"
    assert app.local_url.startswith("http://127.0.0.1:")
    assert app.analytics_enabled is False
    assert app.show_error is False
    assert app.enable_monitoring is False
    assert app.run_history is False
    assert app.mcp_server is not True
    assert app.ssr_mode is False
    assert app.delete_cache == (3600, 86400)
    assert app.max_file_size == 100 * 1024**2
    assert app.allowed_paths == []
    assert config["footer_links"] == []
    assert client.get("/gradio_api/runs").status_code == 404
    assert client.get("/monitoring/summary").status_code == 403


def test_blocked_folder_is_not_served(client, secret):
    answer = client.get(f"/gradio_api/file={secret}")
    assert answer.status_code in (403, 404)
    assert "patient" not in answer.text


def test_temporary_files_are_this_users_alone():
    folder = os.environ["GRADIO_TEMP_DIR"]
    assert stat.S_IMODE(os.stat(folder).st_mode) == 0o700


KILLED_WITH_A_CHILD = """
import multiprocessing, os
import app

def say_hello(pipe):
    pipe.send("hello")
    pipe.recv()

if __name__ == "__main__":
    spawn = multiprocessing.get_context("spawn")
    ours, theirs = spawn.Pipe()
    child = spawn.Process(target=say_hello, args=(theirs,))
    child.start()
    print(ours.recv(), flush=True)
    child.kill()
    os.kill(os.getpid(), 9)
"""


def test_killed_studio_leaves_one_folder_and_the_next_one_takes_it_away(
    tmp_path, run_python, monkeypatch
):
    script, temporary = tmp_path / "studio.py", tmp_path / "tmp"
    script.write_text(KILLED_WITH_A_CHILD)
    temporary.mkdir()
    foreign = temporary / "gem-studio-elsewhere-999999999-x"
    foreign.mkdir()
    monkeypatch.setenv("TMPDIR", str(temporary))
    killed = run_python(script)
    assert killed.stdout == "hello\n", killed.stderr
    (left,) = set(temporary.iterdir()) - {foreign}
    living = temporary / left.name.replace(left.name.split("-")[-2], str(os.getpid()))
    living.mkdir()
    assert run_python("-c", "import app").returncode == 0
    assert set(temporary.iterdir()) == {foreign, living}


def test_studio_without_a_private_folder_is_not_served(monkeypatch):
    monkeypatch.delenv("GRADIO_TEMP_DIR")
    with pytest.raises(ConfigError, match="temporary files"):
        launch_options()


@pytest.mark.slow
def test_environment_cannot_open_the_studio():
    hostile = {
        "GRADIO_SHARE": "True",
        "GRADIO_SERVER_NAME": "0.0.0.0",
        "GRADIO_ALLOWED_PATHS": "/",
        "GRADIO_ANALYTICS_ENABLED": "True",
        "GRADIO_RUN_HISTORY": "True",
        "GRADIO_MCP_SERVER": "True",
        "GRADIO_VIBE_MODE": "1",
        "GRADIO_TEMP_DIR": "/tmp",
    }
    code = """
import json, os, app
from gradio import http_server
kept = {k: v for k, v in os.environ.items() if k.startswith("GRADIO_")}
print(json.dumps([kept, http_server.LOCALHOST_NAME]))
"""
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, **hostile},
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    kept, name = json.loads(done.stdout)
    assert name == "127.0.0.1"
    assert set(kept) == {
        "GRADIO_ANALYTICS_CACHE_FREQUENCY",
        "GRADIO_ANALYTICS_ENABLED",
        "GRADIO_ANALYTICS_MAX_EVENTS",
        "GRADIO_TEMP_DIR",
    }
    assert kept["GRADIO_ANALYTICS_ENABLED"] == "False"
    assert kept["GRADIO_TEMP_DIR"] != "/tmp"


def test_requests_to_this_machine_take_no_proxy():
    assert {"127.0.0.1", "localhost"} <= set(os.environ["NO_PROXY"].split(","))


def test_options_refuse_a_public_link_by_default():
    assert launch_options()["share"] is False
