"""Serving a studio for a test, on a port of its own, and pressing what is on its page."""

import contextlib
import json
import socket

from app.main import serve
from storage.raters import invite, set_password


@contextlib.contextmanager
def serving(studio, blocked=()):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    app = serve(studio, port=port, blocked=blocked, wait=False)
    try:
        yield app
    finally:
        app.close()


def account(db, name, role="rater"):
    """Makes an account that has chosen its password, and returns that."""
    _, given = invite(db, name, role)
    set_password(db, name, given, f"{name}'s own password")
    return f"{name}'s own password"


def call(client, app, name, data):
    """Runs the event whose handler is called ``name``, as the browser does; returns its output."""
    index = next(
        place for place, block in app.fns.items() if getattr(block.fn, "__name__", "") == name
    )
    body = {"fn_index": index, "data": data, "session_hash": "test", "event_data": None}
    client.post("/gradio_api/queue/join", json=body).raise_for_status()
    with client.stream("GET", "/gradio_api/queue/data?session_hash=test") as lines:
        for line in lines.iter_lines():
            message = json.loads(line.removeprefix("data: ")) if line else {}
            if message.get("msg") == "process_completed":
                return message
    raise AssertionError("the event did not complete")
