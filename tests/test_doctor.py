"""The doctor's findings are true and cost nothing: no model is loaded, nothing is written."""

import subprocess
import sys

import pytest

from app import doctor
from app.doctor import examine
from app.studio_base import DATABASE_FILE
from storage.database import Database


def _by_topic(data_dir):
    return {finding.topic: finding for finding in examine(data_dir)}


def test_nothing_is_made_in_the_data_folder(tmp_path):
    data_dir = tmp_path / "not" / "there"
    findings = _by_topic(data_dir)
    assert findings["database"].state == "ok"
    assert not (tmp_path / "not").exists()


def test_installed_packages_are_found_with_their_versions(tmp_path):
    import duckdb  # noqa: PLC0415 - only its version is compared

    finding = _by_topic(tmp_path)["duckdb"]
    assert (finding.state, finding.value) == ("ok", duckdb.__version__)


def test_missing_package_is_a_problem(tmp_path, monkeypatch):
    monkeypatch.setattr(doctor, "PACKAGES", ("no-such-package",))
    assert _by_topic(tmp_path)["no-such-package"].state == "problem"


def test_healthy_database_opens(tmp_path):
    Database(tmp_path / DATABASE_FILE).close()
    finding = _by_topic(tmp_path)["database"]
    assert finding.state == "ok"
    assert finding.value > 0


def test_damaged_database_is_a_problem(tmp_path):
    (tmp_path / DATABASE_FILE).write_bytes(b"not a database" * 1000)
    assert _by_topic(tmp_path)["database"].state == "problem"


def test_database_in_use_is_no_damage(tmp_path):
    hold = (
        "import sys, pathlib; from storage.database import Database\n"
        "database = Database(pathlib.Path(sys.argv[1])); print('open', flush=True)\n"
        "sys.stdin.read()"
    )
    command = [sys.executable, "-c", hold, str(tmp_path / DATABASE_FILE)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdout.readline() == b"open\n"
        finding = _by_topic(tmp_path)["database"]
        other.stdin.close()
    assert finding.state == "note"
    assert "already open" in finding.text


@pytest.mark.parametrize(("free_gib", "state"), [(0.5, "problem"), (5.0, "note"), (100.0, "ok")])
def test_little_disk_is_told(tmp_path, monkeypatch, free_gib, state):
    usage = doctor.shutil.disk_usage(tmp_path)._replace(free=int(free_gib * doctor.GIB))
    monkeypatch.setattr(doctor.shutil, "disk_usage", lambda _: usage)
    finding = _by_topic(tmp_path)["disk"]
    assert (finding.state, finding.value) == (state, free_gib)


def test_devices_are_those_the_driver_names(tmp_path, monkeypatch):
    program = tmp_path / "nvidia-smi"
    program.write_text("#!/bin/sh\necho 'A card, 81559 MiB, 580.10'\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    finding = _by_topic(tmp_path)["gpu"]
    assert finding.value == 1
    assert "A card, 81559 MiB, 580.10" in finding.text


def test_version_is_that_of_the_project():
    assert doctor.studio_version().count(".") == 2


# --- vLLM: a package of that name which is installed, as far as one can see ---------------------
@pytest.mark.parametrize(
    ("code", "device", "state", "part"),
    [
        ("print('hello')", "'cpu'", "ok", "draw answers on the processor"),
        ("", "'cuda'", "ok", "draw answers on cuda"),
        ("", "''", "note", "it finds no device"),
        ("raise ImportError('libcudart.so.13: no such file')", "''", "note", "libcudart.so.13"),
    ],
)
def test_vllm_is_loaded_to_know_whether_it_can_be_used(
    tmp_path, monkeypatch, code, device, state, part
):
    package = tmp_path / "vllm"
    (package / "platforms").mkdir(parents=True)
    (package / "__init__.py").write_text(code)
    platform = f"class current_platform:\n    device_type = {device}\n"
    (package / "platforms" / "__init__.py").write_text(platform)
    (tmp_path / "vllm-9.9.dist-info").mkdir()
    (tmp_path / "vllm-9.9.dist-info" / "METADATA").write_text("Name: vllm\nVersion: 9.9\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    finding = _by_topic(tmp_path)["vllm"]
    assert (finding.state, finding.value) == (state, "9.9")
    assert part in finding.text
