"""Setting up from a clone: what counts as done, and what a start does when it is not."""

import os
import re
import runpy
import shutil
import signal
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import pytest

import launch
from launch import Home, Stamp

ROOT = Path(__file__).parents[1]
PYPROJECT = """
[project]
name = "scratch"
version = "1.2.3"
dependencies = ["tiny"]
[project.optional-dependencies]
dev = ["tiny-tests"]
vllm = []
[tool.ruff]
line-length = 100
"""


@pytest.fixture
def clone(tmp_path):
    """A clone as small as can be, in a path with a space."""
    root = tmp_path / "my clone"
    (root / "constraints").mkdir(parents=True)
    for name in ("cpu", "gpu"):
        (root / "constraints" / f"{name}.txt").write_text("tiny==1.0\n")
    (root / "pyproject.toml").write_text(PYPROJECT)
    shutil.copy(ROOT / "launch.py", root)
    (root / "app").mkdir()
    (root / "app" / "cli.py").write_text("import sys, tiny\nprint(sys.argv[1:])\nsys.exit(7)\n")
    return Home(root)


@pytest.fixture
def ready_clone(clone):
    clone.python.parent.mkdir(parents=True)
    clone.python.touch()
    _stamp(clone, ("dev",))
    return clone


def _stamp(home, extras):
    stamp = Stamp("cpu", extras, launch.fingerprint(home, "cpu", extras))
    launch.write_stamp(home, stamp)
    return stamp


def test_stamp_is_read_as_it_was_written(ready_clone):
    stamp = _stamp(ready_clone, ("dev", "vllm"))
    assert launch.read_stamp(ready_clone) == stamp


def test_finished_environment_is_ready(ready_clone):
    assert launch.is_ready(ready_clone, ())
    assert launch.is_ready(ready_clone, ("dev",))


def test_environment_without_the_extras_asked_for_is_not_ready(ready_clone):
    assert not launch.is_ready(ready_clone, ("vllm",))


def test_clone_without_environment_is_not_ready(clone):
    assert not launch.is_ready(clone, ())


@pytest.mark.parametrize("content", ["", "{", "[]", '{"constraints": "cpu"}', '{"extras": 1}'])
def test_damaged_stamp_is_no_stamp(ready_clone, content):
    ready_clone.stamp.write_text(content)
    assert not launch.is_ready(ready_clone, ())


def test_interrupted_installation_is_not_ready(ready_clone):
    ready_clone.unfinished.touch()
    assert not launch.is_ready(ready_clone, ())


def test_environment_whose_python_went_away_is_not_ready(ready_clone):
    ready_clone.python.unlink()
    assert not launch.is_ready(ready_clone, ())


def test_other_versions_make_the_environment_stale(ready_clone):
    ready_clone.constraints("cpu").write_text("tiny==1.1\n")
    assert not launch.is_ready(ready_clone, ())


def test_another_dependency_makes_the_environment_stale(ready_clone):
    pyproject = ready_clone.root / "pyproject.toml"
    pyproject.write_text(PYPROJECT.replace('["tiny"]', '["tiny", "more"]'))
    assert not launch.is_ready(ready_clone, ())


def test_settings_of_tools_leave_the_environment_as_it_is(ready_clone):
    pyproject = ready_clone.root / "pyproject.toml"
    pyproject.write_text(PYPROJECT.replace("100", "99"))
    assert launch.is_ready(ready_clone, ())


def test_requirements_are_those_of_the_project_and_its_extras(clone):
    assert launch.requirements(clone, ()) == ["tiny"]
    assert launch.requirements(clone, ("dev",)) == ["tiny", "tiny-tests"]


def test_every_dependency_of_this_project_is_pinned():
    home = Home(ROOT)
    pinned = {
        name: {
            line.split("==")[0].lower().replace("_", "-")
            for line in home.constraints(name).read_text().splitlines()
            if not line.startswith("#")
        }
        for name in ("cpu", "gpu", "vllm-cpu")
    }
    asked = {"cpu": ("dev",), "gpu": ("dev", "vllm"), "vllm-cpu": ("dev",)}
    for name, extras in asked.items():
        packages = [
            re.split(r"[<>=!~ ]", package)[0].lower().replace("_", "-")
            for package in launch.requirements(home, extras)
        ]
        assert not set(packages) - pinned[name], name


def test_plain_words_go_to_the_command_line():
    order = launch.read_order(["score", "--json"])
    assert order.arguments == ("-m", "app.cli", "score", "--json")
    assert order.extras == ()


def test_test_command_runs_every_test_that_can_run_here():
    order = launch.read_order(["test", "-k", "stamp"])
    marks = "not gpu and not vllm and not four_bit"
    assert order.arguments == ("-m", "pytest", "-m", marks, "-k", "stamp")
    assert order.extras == ("dev",)


def test_own_flags_are_not_handed_on():
    order = launch.read_order(["doctor", "--no-setup", "--setup-only"])
    assert order.arguments == ("-m", "app.cli", "doctor")
    assert not order.is_setup_wanted
    assert not order.is_run_wanted


def test_large_downloads_are_told_and_small_ones_are_not():
    line = "  Downloading https://index/torch-2.13.0-cp311-linux.whl (180.1 MB)\n"
    assert launch.progress_word(line) == "  downloading torch-2.13.0-cp311-linux.whl, 180.1 MB"
    assert launch.progress_word("  Downloading six-1.0-py3-none-any.whl (11 kB)\n") is None


@pytest.mark.parametrize(
    ("report", "reason"),
    [
        ("OSError: [Errno 28] No space left on device\nERROR: x\n", "the disk is full"),
        ("WARNING: ... NewConnectionError(...)\nERROR: No matching\n", "cannot be reached"),
        ("ERROR: first\nERROR: No matching distribution found for x.\n", "found for x ("),
        ("", "pip failed"),
    ],
)
def test_failure_is_one_sentence_with_its_reason(tmp_path, report, reason):
    log = tmp_path / "log.txt"
    log.write_text(report)
    sentence = launch.failure_sentence(log)
    assert reason in sentence
    assert "\n" not in sentence
    assert str(log) in sentence


def test_version_needs_no_setup(clone, run_python):
    told = run_python(clone.root / "launch.py", "--version")
    assert (told.stdout, told.returncode) == ("GEM Studio 1.2.3\n", 0)
    assert not clone.venv.exists()


def test_help_needs_no_setup_and_names_every_command(clone, run_python):
    told = run_python(clone.root / "launch.py", "--help")
    assert told.returncode == 0
    assert all(
        f"  {command} " in told.stdout or f" {command} " in told.stdout
        for command in ("studio", "demo", "score", "align", "import", "export", "doctor", "test")
    )
    assert not clone.venv.exists()


def test_older_python_is_told_so(monkeypatch, capsys):
    monkeypatch.setattr(sys, "version_info", (3, 10, 9))
    with pytest.raises(SystemExit) as stop:
        runpy.run_path(str(ROOT / "launch.py"), run_name="__main__")
    assert stop.value.code == 2
    needed = "GEM Studio needs Python 3.11 or newer; this is Python 3.10.\n"
    assert capsys.readouterr().err == needed


def test_without_setup_the_python_at_hand_runs_from_any_folder(clone, tmp_path):
    (tmp_path / "app").mkdir()  # a folder of the same name where the user stands
    (clone.root / "tiny.py").touch()
    ran = _start(clone, "doctor", "--no-setup", cwd=tmp_path)
    assert (ran.stdout, ran.returncode) == ("['doctor']\n", 7)
    assert not clone.venv.exists()


def test_folder_that_cannot_be_written_is_told_in_a_sentence(clone):
    (clone.root / ".venv.lock").mkdir()  # root may write anywhere, but not into a folder
    ran = _start(clone, "doctor")
    assert ran.returncode == 2
    assert "cannot be written to" in ran.stderr
    assert ran.stderr.count("\n") == 1


@pytest.mark.slow
def test_first_call_sets_up_and_the_next_starts_at_once(clone, tmp_path, wheels):
    first = _start(clone, "doctor", "--json", cwd=tmp_path, PIP_FIND_LINKS=wheels)
    assert (first.stdout, first.returncode) == ("['doctor', '--json']\n", 7), first.stderr
    assert "Ready after" in first.stderr

    second = _start(clone, "doctor", cwd=tmp_path)
    assert (second.stdout, second.stderr, second.returncode) == ("['doctor']\n", "", 7)


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="CUDA builds are published for Linux")
def test_machine_with_a_gpu_gets_its_versions_and_nothing_that_no_code_uses(
    clone, tmp_path, wheels
):
    driver = tmp_path / "bin" / "nvidia-smi"
    driver.parent.mkdir()
    driver.write_text("#!/bin/sh\necho 'GPU 0: NVIDIA H200'\n")
    driver.chmod(0o755)
    path = f"{driver.parent}{os.pathsep}{os.environ['PATH']}"
    first = _start(clone, "doctor", PATH=path, PIP_FIND_LINKS=wheels)
    assert first.returncode == 7, first.stderr
    stamp = launch.read_stamp(clone)
    assert (stamp.constraints, stamp.extras) == ("gpu", ())


@pytest.mark.slow
def test_interrupted_setup_is_made_anew(clone, wheels):
    first = _popen(clone, "doctor", PIP_FIND_LINKS=wheels)
    _wait_for(clone.unfinished)
    first.send_signal(signal.SIGKILL)
    first.wait()
    broken = clone.venv / "half-written"
    broken.touch()

    second = _start(clone, "doctor", PIP_FIND_LINKS=wheels)
    assert (second.stdout, second.returncode) == ("['doctor']\n", 7), second.stderr
    assert not broken.exists()


@pytest.mark.slow
def test_two_first_calls_at_once_set_up_once(clone, wheels):
    both = [_popen(clone, "doctor", PIP_FIND_LINKS=wheels) for _ in range(2)]
    told = [process.communicate(timeout=120) for process in both]
    assert [process.returncode for process in both] == [7, 7], told
    assert sum("Setting up" in stderr for _, stderr in told) == 1
    assert sum("waiting" in stderr for _, stderr in told) == 1


@pytest.mark.slow
def test_unreachable_index_is_told_in_a_sentence_and_setup_goes_on_later(clone, wheels):
    nobody_listens = "http://127.0.0.1:9/simple"
    failed = _start(clone, "doctor", PIP_NO_INDEX="0", PIP_INDEX_URL=nobody_listens)
    assert failed.returncode == 2
    assert "cannot be reached" in failed.stderr.splitlines()[-1]
    assert "Traceback" not in failed.stderr

    later = _start(clone, "doctor", PIP_FIND_LINKS=wheels)
    assert later.returncode == 7, later.stderr


@pytest.fixture
def wheels(tmp_path):
    """A folder with one package, which stands in for the package index."""
    folder = tmp_path / "wheels"
    folder.mkdir()
    with zipfile.ZipFile(folder / "tiny-1.0-py3-none-any.whl", "w") as wheel:
        wheel.writestr("tiny.py", "")
        info = "tiny-1.0.dist-info/"
        wheel.writestr(info + "METADATA", "Metadata-Version: 2.1\nName: tiny\nVersion: 1.0\n")
        wheel.writestr(info + "WHEEL", "Wheel-Version: 1.0\nTag: py3-none-any\n")
        wheel.writestr(info + "RECORD", "tiny.py,,\n")
    return str(folder)


def _popen(home, *arguments, cwd=None, **environment):
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("PIP_", "PYTHONPATH", "PYTHONSAFEPATH"))
    }
    settings = {"PIP_CONFIG_FILE": os.devnull, "PIP_NO_INDEX": "1"}
    return subprocess.Popen(
        [sys.executable, str(home.root / "launch.py"), *arguments],
        cwd=cwd,
        env={**kept, **settings, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def _start(home, *arguments, cwd=None, **environment):
    process = _popen(home, *arguments, cwd=cwd, **environment)
    stdout, stderr = process.communicate(timeout=120)
    return subprocess.CompletedProcess(arguments, process.returncode, stdout, stderr)


def _wait_for(path, seconds=60):
    deadline = time.monotonic() + seconds
    while not path.exists():
        assert time.monotonic() < deadline, f"{path} never came"
        time.sleep(0.01)
