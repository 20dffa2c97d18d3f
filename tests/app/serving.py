"""Serving a studio for a test, on a port of its own."""

import contextlib
import socket

from app.main import serve


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
