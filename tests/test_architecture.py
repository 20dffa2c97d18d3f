"""The layers are machine-checked, and what the documentation says of the tree is true."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
HEAVY = {"torch", "transformers", "peft", "accelerate", "datasets", "vllm"}


def test_imports_keep_to_the_layers():
    linter = "from importlinter.cli import lint_imports_command; lint_imports_command()"
    linted = subprocess.run(
        [sys.executable, "-c", linter], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert linted.returncode == 0, linted.stdout + linted.stderr


@pytest.mark.parametrize(
    "module",
    [
        "app.serve",
        *(
            pytest.param(f"app.{name}", marks=pytest.mark.slow)
            for name in ("main", "studio", "cli", "doctor")
        ),
    ],
)
def test_studio_starts_without_loading_a_model_library(run_python, module):
    loaded = run_python("-c", f"import sys, {module}; print(*sys.modules)")
    assert loaded.returncode == 0, loaded.stderr
    assert not HEAVY & set(loaded.stdout.split())


def test_command_line_starts_without_gradio(run_python):
    loaded = run_python("-c", "import sys, app.cli; print(*sys.modules)")
    assert loaded.returncode == 0, loaded.stderr
    assert "gradio" not in loaded.stdout.split()


def test_backend_contracts_load_without_torch(run_python):
    contracts = "gem_backend.types, gem_backend.config, gem_backend.run_dir, gem_backend.runner"
    loaded = run_python("-c", f"import sys, {contracts}; print(*sys.modules)")
    assert loaded.returncode == 0, loaded.stderr
    assert not HEAVY & set(loaded.stdout.split())


def test_readme_tree_is_the_real_tree():
    top_level = {re.sub("/.*", "/", path) for path in _tracked()}
    shown = {path for path in _readme_tree() if "/" not in path.rstrip("/")}
    assert shown == {name for name in top_level if not name.startswith(".")}


def test_modules_that_the_readme_names_exist():
    assert not [path for path in _readme_tree() if not (ROOT / path).exists()]


def test_no_tracked_file_names_somebodys_computer():
    private = re.compile(rb"(?<![\w.])/(?:home|Users|root|work|tmp/bash)/\w")
    hits = [path for path in _tracked() if private.search((ROOT / path).read_bytes())]
    assert not hits


def _tracked():
    """The files of the project: those git tracks, and new ones that it does not ignore."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if listed.returncode != 0:
        pytest.skip("not a git clone")
    return [path for path in listed.stdout.splitlines() if (ROOT / path).is_file()]


def _readme_tree():
    """The paths in README.md's tree: names at the margin, and under a folder what is in it."""
    text = (ROOT / "README.md").read_text("utf-8")
    paths, folder = [], ""
    for line in re.search(r"```text\n(.*?)```", text, re.DOTALL)[1].splitlines():
        names = line.split("#")[0].split()
        is_indented = line.startswith(" ")
        folder = folder if is_indented else names[0]
        paths += [folder + name for name in names] if is_indented else names
    return paths
