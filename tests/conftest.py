"""What every test stands on: a home of its own, no network, one seed, and reasons for skips."""

import importlib.util
import multiprocessing
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

# Libraries read these when they are imported, so they are set before any test module is.
_HOME = Path(tempfile.mkdtemp(prefix="gem-studio-tests-"))
_LIBRARY_SETTINGS = {
    "HF_HOME": str(_HOME / "huggingface"),
    "HF_HUB_OFFLINE": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "GRADIO_ANALYTICS_ENABLED": "False",
    "TOKENIZERS_PARALLELISM": "false",
    # Two tests run at a time, each with its engine or run: more threads only wait for each other.
    "OMP_NUM_THREADS": "1",
}
os.environ.update(_LIBRARY_SETTINGS)

from app.doctor import find_chromium  # noqa: E402 - reads the settings above through its package
from gem_backend import engine  # noqa: E402
from storage.database import Database  # noqa: E402

ROOT = Path(__file__).parents[1]
REAL_DATA = ROOT.parent / "shared" / "data"
HOME_VARIABLES = (
    "HOME", "USERPROFILE", "APPDATA", "LOCALAPPDATA", "XDG_DATA_HOME", "XDG_CONFIG_HOME",
    "XDG_CACHE_HOME", "XDG_STATE_HOME",
)  # fmt: skip
LATER_MARKERS = ("slow", "browser", "gpu", "vllm", "four_bit")
# They take a minute or more each: begun last, one process would wait for the other at the end.
LONGEST_FILES = (
    "test_expert_path.py", "test_kills.py", "test_accessibility.py", "test_method.py",
    "test_ranks.py", "test_cli.py",
)  # fmt: skip


def pytest_configure():
    """Let interrupts through: a shell that starts the tests behind it has them ignored."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_unconfigure():
    shutil.rmtree(_HOME, ignore_errors=True)


def pytest_collection_modifyitems(items):
    """Quick tests first: what is broken shows early. Then the longest, then the rest."""
    items.sort(key=_turn)


def _turn(item):
    is_later = any(item.get_closest_marker(name) for name in LATER_MARKERS)
    return is_later, is_later and item.path.name not in LONGEST_FILES


def pytest_runtest_setup(item):
    """Skip what this machine cannot run, and say why."""
    if item.get_closest_marker("browser") and find_chromium() is None:
        pytest.skip("no Chromium is installed")
    if item.get_closest_marker("vllm") and importlib.util.find_spec("vllm") is None:
        pytest.skip("vLLM is not installed")
    if item.get_closest_marker("four_bit") and importlib.util.find_spec("hqq") is None:
        pytest.skip("hqq is not installed")
    if item.get_closest_marker("gpu") and not _has_cuda():
        pytest.skip("no CUDA device answers")


def _has_cuda():
    import torch  # noqa: PLC0415 - slow to load, and only tests for a GPU need to know

    return torch.cuda.is_available()


@pytest.fixture(scope="session", autouse=True)
def _libraries_at_hand():
    """Engines begin as forks of a process that has loaded what they need, once for all tests.

    The rest of a child is the same: a process of its own, without threads or a model.
    """
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["gem_backend.train", "gem_backend.engine_model"])
    before, engine.PROCESSES = engine.PROCESSES, context
    yield
    engine.PROCESSES = before


@pytest.fixture(autouse=True)
def home(tmp_path_factory, monkeypatch):
    """An empty home folder: nothing of the user's is read, nothing is left behind."""
    folder = tmp_path_factory.mktemp("home")
    for name in HOME_VARIABLES:
        monkeypatch.setenv(name, str(folder))
    return folder


@pytest.fixture
def real_data():
    if not REAL_DATA.exists():
        pytest.skip("the real data sets are not on this machine")
    return REAL_DATA


@pytest.fixture(autouse=True)
def _seed():
    random.seed(0)
    if "numpy" in sys.modules:
        sys.modules["numpy"].random.seed(0)
    if "torch" in sys.modules:
        sys.modules["torch"].manual_seed(0)


@pytest.fixture(autouse=True)
def _no_network(monkeypatch):
    """Refuse every address that is not on this machine."""

    def guarded(connect):
        def connect_here(self, address):
            if self.family in (socket.AF_INET, socket.AF_INET6) and not _is_here(address[0]):
                raise RuntimeError(f"a test tried to reach {address[0]}")
            return connect(self, address)

        return connect_here

    monkeypatch.setattr(socket.socket, "connect", guarded(socket.socket.connect))
    monkeypatch.setattr(socket.socket, "connect_ex", guarded(socket.socket.connect_ex))


def _is_here(host):
    return host in ("localhost", "::1") or host.startswith("127.")


@pytest.fixture(scope="session")
def empty_database(tmp_path_factory):
    """The file of a database that holds nothing; a copy opens in a third of a new one's time."""
    path = tmp_path_factory.mktemp("database") / "empty.duckdb"
    Database(path).close()
    return path


@pytest.fixture
def db(empty_database, tmp_path_factory):
    """A database of the test's own."""
    path = shutil.copy(empty_database, tmp_path_factory.mktemp("database"))
    with Database(Path(path)) as database:
        yield database


@pytest.fixture(scope="session")
def chromium_path():
    """The Chromium that browser tests drive."""
    path = find_chromium()
    if path is None:
        pytest.skip("no Chromium is installed")
    return path


@pytest.fixture
def run_python():
    """Runs the tests' own Python on arguments, with the packages of this folder."""

    def run(*arguments, cwd=ROOT, timeout_s=240):
        return subprocess.run(
            [sys.executable, *map(str, arguments)],
            cwd=cwd,
            env={**os.environ, "PYTHONPATH": str(ROOT), "PYTHONSAFEPATH": "1"},
            capture_output=True,
            text=True,
            encoding="utf-8",
            timeout=timeout_s,
            check=False,
        )

    return run
