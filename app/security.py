"""Every safety default of the studio in one place: loopback only, nothing shared, nothing kept.

``app/__init__`` calls ``seal_environment`` before Gradio is imported, because Gradio reads its
environment at import time and would let a variable open a public link.
"""

import atexit
import contextlib
import ipaddress
import multiprocessing
import os
import re
import shutil
import socket
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Literal, TypedDict
from urllib.parse import urlsplit

import psutil
from starlette.datastructures import Headers
from starlette.middleware import Middleware
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from gem_backend.errors import ConfigError

LOOPBACK = "127.0.0.1"
MAX_FILE_SIZE = "100mb"
# Seconds between clean-ups of uploaded files, and the age at which they go.
DELETE_CACHE = (3600, 86400)


def seal_environment() -> None:
    """Forget every Gradio setting of the environment and switch its telemetry off.

    Paths and ports come through the command line alone. Requests to this machine never take a
    proxy, which hospital networks often set for everything. A child that the studio starts (the
    engine) inherits all of it.
    """
    # Not `parent_process()`: a child knows its parent only after it has imported its main module.
    if multiprocessing.current_process().name != "MainProcess":
        return
    for name in [name for name in os.environ if name.startswith("GRADIO_")]:
        del os.environ[name]
    os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
    # Gradio sums its last 10,000 events up after each event, for a page that we do not serve.
    os.environ["GRADIO_ANALYTICS_MAX_EVENTS"] = "1"
    os.environ["GRADIO_ANALYTICS_CACHE_FREQUENCY"] = str(2**62)
    os.environ["HF_HUB_DISABLE_TELEMETRY"] = "1"
    with contextlib.suppress(OSError):  # a full disk; `launch_options` does not serve without it
        os.environ["GRADIO_TEMP_DIR"] = private_dir()
    # Models compute in child processes; threads that spin while they wait would starve the page.
    os.environ["OMP_WAIT_POLICY"] = "PASSIVE"
    os.environ["OPENBLAS_NUM_THREADS"] = "1"  # its threads spin too, and our matrices are small
    for name in ("NO_PROXY", "no_proxy"):
        kept = [part for part in os.environ.get(name, "").split(",") if part]
        os.environ[name] = ",".join(dict.fromkeys([*kept, LOOPBACK, "localhost"]))


def private_dir() -> str:
    """Make a folder that only this user can read and that goes when the studio ends.

    A studio that was killed could not remove its own: those of this user go now. A folder's name
    has the machine and the process in it, because containers may share the folder above.
    """
    prefix = f"gem-studio-{socket.gethostname()}-"
    folder = Path(tempfile.mkdtemp(prefix=f"{prefix}{os.getpid()}-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    for other in folder.parent.iterdir():
        owner = re.match(re.escape(prefix) + r"(\d+)-", other.name)
        if owner and not psutil.pid_exists(int(owner[1])) and _is_same_user(other, folder):
            shutil.rmtree(other, ignore_errors=True)
    return str(folder)


def _is_same_user(one: Path, other: Path) -> bool:
    try:
        return one.lstat().st_uid == other.lstat().st_uid
    except FileNotFoundError:  # another start has just removed it
        return False


class LaunchOptions(TypedDict):
    """Keyword arguments of ``gr.Blocks.launch``, by Gradio's own names."""

    server_name: str
    server_port: int | None
    share: bool
    inbrowser: bool
    show_error: bool
    quiet: bool
    enable_monitoring: bool
    run_history: bool
    mcp_server: bool
    ssr_mode: bool
    pwa: bool
    strict_cors: bool
    num_workers: int
    root_path: str
    footer_links: list[Literal["api", "gradio", "settings", "runs"] | dict[str, str]]
    allowed_paths: list[str]
    blocked_paths: list[str]
    max_file_size: str
    app_kwargs: dict[str, object]


def launch_options(
    *, port: int | None = None, blocked: Sequence[Path] = (), open_browser: bool = False
) -> LaunchOptions:
    """Return how the studio is served.

    Args:
        port: None takes the first free one from 7860 on.
        blocked: folders no request may read, the data and model folders first of all.
        open_browser: show the page in the user's browser.

    Raises:
        ConfigError: there is no private folder for the files that pass through the page.
    """
    if "GRADIO_TEMP_DIR" not in os.environ:
        raise ConfigError(
            "There is no room for temporary files; free some space, then start again.", "Disk full"
        )
    return {
        "server_name": LOOPBACK,
        "server_port": port,
        "share": False,
        "inbrowser": open_browser,
        "show_error": False,
        "quiet": True,
        "enable_monitoring": False,
        "run_history": False,  # else Gradio keeps inputs and outputs in the browser's storage
        "mcp_server": False,
        "ssr_mode": False,
        "pwa": False,
        "strict_cors": True,
        "num_workers": 0,
        "root_path": "",
        "footer_links": [],
        "allowed_paths": [],
        "blocked_paths": [str(folder.resolve()) for folder in blocked],
        "max_file_size": MAX_FILE_SIZE,
        "app_kwargs": {
            "docs_url": None,
            "redoc_url": None,
            "openapi_url": None,
            "middleware": [Middleware(SamePageOnly)],
        },
    }


class SamePageOnly:
    """Refuse requests that did not come from a page of this studio.

    A web page elsewhere can point its own name at this machine (its name is then in ``Host``) or
    post straight to it (its address is then in ``Origin``). Gradio executes both. This answers 403
    unless the host is a loopback name and the origin, where the browser names one, is that host.
    """

    def __init__(self, app: ASGIApp) -> None:
        """Stand before ``app``."""
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, or hand it on."""
        if scope["type"] in ("http", "websocket") and not _is_from_here(Headers(scope=scope)):
            refusal = PlainTextResponse("This page may not use the studio.", status_code=403)
            await refusal(scope, receive, send)
            return
        await self._app(scope, receive, send)


def _is_from_here(headers: Headers) -> bool:
    host = headers.get("host", "")
    if len(headers.getlist("host")) != 1 or not is_loopback(host):
        return False
    return all(urlsplit(origin).netloc == host for origin in headers.getlist("origin"))


def is_loopback(host: str) -> bool:
    """Whether a Host header (name or address, with or without a port) names this machine."""
    try:
        name = urlsplit(f"//{host}").hostname or ""
        return name == "localhost" or ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False
