"""The studio in a process of its own, as a user starts it, and what a page says as it goes."""

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

ROOT = Path(__file__).parents[2]

# What the browser and Gradio's own script say of requests that a page leaves behind as it goes.
LEFT_BEHIND = (
    "AbortError",
    "Connection errored out",
    "Failed to fetch",
    "Server stopped unexpectedly",
    "net::ERR_",
    "network error",
    "401 (Unauthorized)",  # a studio that came back knows no login of before
    "404: Not Found",  # a page that goes has given its session back
    "503 (Service Unavailable)",  # one that is closing takes no more requests
)

SETTLED = """() => new Promise((resolve) =>
  requestAnimationFrame(() => requestIdleCallback(resolve, { timeout: 5000 })))"""


def open_fold(page, name, field):
    """Open a fold with a key and wait until a field of it holds what is typed.

    Gradio sets the fields once more just after they are there; no hand is as fast as a test.
    """
    page.get_by_role("button", name=name).press("Enter")
    field.wait_for()
    page.evaluate(SETTLED)


def launch(*arguments):
    """Run one command to its end, as a user types it."""
    command = [sys.executable, str(ROOT / "launch.py"), arguments[0], "--no-setup", *arguments[1:]]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)


class RunningStudio:
    """``launch.py`` in a process of its own, as a user starts it."""

    def __init__(self, data_dir):
        self.data_dir = data_dir
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}/"
        self.start()

    def start(self):
        command = [sys.executable, str(ROOT / "launch.py"), "--no-setup", "--no-browser"]
        command += ["--data-dir", str(self.data_dir), "--port", str(self.port)]
        self.process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        deadline = time.monotonic() + 60
        while not self._answers():
            assert self.process.poll() is None, self.process.stdout.read()
            assert time.monotonic() < deadline, "the studio did not come up"
            time.sleep(0.2)

    def _answers(self):
        try:
            with urllib.request.urlopen(self.url, timeout=5) as answer:
                return answer.status == 200
        except OSError:
            return False

    def kill(self):
        os.kill(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def stop(self):
        self.process.send_signal(signal.SIGINT)
        self.process.wait(timeout=30)
