"""Start GEM Studio from a clone, with nothing but Python.

The first call makes ``.venv`` beside this file and installs the pinned packages that fit the
machine. A stamp in it says what was installed, so later calls start at once.

Standard library only. The syntax stays old enough for an older Python to read this far.
"""

import sys

if sys.version_info < (3, 11):  # noqa: UP036 - an older Python must be told so, not meet a traceback
    sys.stderr.write(
        "GEM Studio needs Python 3.11 or newer; this is Python %d.%d.\n" % sys.version_info[:2]  # noqa: UP031
    )
    sys.exit(2)

import contextlib
import hashlib
import json
import os
import re
import shutil
import subprocess
import time
import tomllib
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, TypedDict

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl

USAGE = """usage: python launch.py [COMMAND] [options]

With no command the studio opens in your browser, on this machine only.

  studio   the studio itself (the default)
  demo     the whole loop on the built-in model, without the studio
  score    the entropy score of one answer
  align    one alignment run on a file of preference pairs
  import   preference pairs into a project      export   and out again
  doctor   what this machine has and what is missing
  test     everything the tests need, then the tests

  --no-setup    use the Python at hand and its packages; install nothing
  --setup-only  install what the command needs and stop
  --version     print the version

'python launch.py COMMAND --help' lists a command's options.
"""
NETWORK_FAILURES = re.compile(
    "NewConnectionError|NameResolutionError|ConnectTimeoutError|ReadTimeoutError|ProxyError"
    "|name resolution|Network is unreachable|Connection refused|Connection reset"
)


# What is read of pyproject.toml's [project].
ProjectTable = TypedDict(
    "ProjectTable",
    {"version": str, "dependencies": list[str], "optional-dependencies": dict[str, list[str]]},
)


class SetupError(Exception):
    """The environment cannot be set up; the text is one sentence that says what to do."""


@dataclass(frozen=True, slots=True)
class Home:
    """The clone's folder and the names of what setup keeps in it."""

    root: Path

    @property
    def venv(self) -> Path:
        """The environment."""
        return self.root / ".venv"

    @property
    def python(self) -> Path:
        """The environment's interpreter."""
        inside = "Scripts/python.exe" if sys.platform == "win32" else "bin/python"
        return self.venv / inside

    @property
    def stamp(self) -> Path:
        """Says what was installed, written when all of it was."""
        return self.venv / "gem-studio.json"

    @property
    def unfinished(self) -> Path:
        """Exists while packages are written; found later, it means that the plug was pulled."""
        return self.venv / "gem-studio.unfinished"

    @property
    def log(self) -> Path:
        """What pip said."""
        return self.root / ".venv-setup.log"

    def constraints(self, name: str) -> Path:
        """The exact versions of a set, "cpu" or "gpu"."""
        return self.root / "constraints" / f"{name}.txt"


@dataclass(frozen=True, slots=True)
class Stamp:
    """What an environment holds."""

    constraints: str
    extras: tuple[str, ...]
    fingerprint: str


@dataclass(frozen=True, slots=True)
class Order:
    """What the command line asks of this file; ``arguments`` go to Python, after its own path."""

    arguments: tuple[str, ...]
    extras: tuple[str, ...] = ()
    is_setup_wanted: bool = True
    is_run_wanted: bool = True


def main(argv: Sequence[str], home: Home) -> int:
    """Set up if needed, then become the command asked for; returns an exit code if it does not."""
    if argv[:1] in (["-h"], ["--help"]):
        sys.stdout.write(USAGE)
        return 0
    if argv[:1] == ["--version"]:
        sys.stdout.write(f"GEM Studio {_pyproject(home)['version']}\n")
        return 0
    order = read_order(argv)
    try:
        python = ensure(home, order.extras) if order.is_setup_wanted else Path(sys.executable)
    except SetupError as error:
        say(str(error))
        return 2
    except KeyboardInterrupt:
        say("Stopped during setup; the next start takes it up again.")
        return 130
    if not order.is_run_wanted:
        return 0
    return become(home, python, order.arguments)


def read_order(argv: Sequence[str]) -> Order:
    """Take this file's own flags out of the command line."""
    rest = [argument for argument in argv if argument not in ("--no-setup", "--setup-only")]
    is_test = rest[:1] == ["test"]
    arguments = (
        ["-m", "pytest", "-m", "not gpu and not vllm and not four_bit", *rest[1:]]
        if is_test
        else ["-m", "app.cli", *rest]
    )
    return Order(
        tuple(arguments),
        extras=("dev",) if is_test else (),
        is_setup_wanted="--no-setup" not in argv,
        is_run_wanted="--setup-only" not in argv,
    )


def become(home: Home, python: Path, arguments: Sequence[str]) -> int:
    """Run Python on the packages of this folder, whatever the working directory is."""
    earlier = os.environ.get("PYTHONPATH")
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [str(home.root), earlier]))
    os.environ["PYTHONSAFEPATH"] = "1"  # else a folder "app" where the user stands would be taken
    if "pytest" in arguments[:2]:
        os.chdir(home.root)
    command = [str(python), *arguments]
    if sys.platform == "win32":  # exec there returns to the prompt at once
        return subprocess.call(command)
    os.execv(command[0], command)


def ensure(home: Home, extras: Sequence[str]) -> Path:
    """Return an interpreter whose packages are those of the pinned set, installing them if needed.

    Raises:
        SetupError: the packages cannot be had.
    """
    if is_ready(home, extras):
        return home.python
    with locked(home.root / ".venv.lock"):
        if not is_ready(home, extras):  # a start beside this one may have just done it
            _set_up(home, extras)
    return home.python


def is_ready(home: Home, extras: Sequence[str]) -> bool:
    """Whether the environment was finished, for these extras and the versions asked for today."""
    stamp = read_stamp(home)
    return (
        stamp is not None
        and home.python.exists()
        and not home.unfinished.exists()
        and set(extras) <= set(stamp.extras)
        and stamp.fingerprint == fingerprint(home, stamp.constraints, stamp.extras)
    )


def read_stamp(home: Home) -> Stamp | None:
    """Return what the environment holds, None when nothing readable says so."""
    try:
        content = json.loads(home.stamp.read_text("utf-8"))
        return Stamp(content["constraints"], tuple(content["extras"]), content["fingerprint"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def write_stamp(home: Home, stamp: Stamp) -> None:
    """Note what the environment holds."""
    home.stamp.write_text(json.dumps(asdict(stamp)), "utf-8")


def fingerprint(home: Home, constraints: str, extras: Sequence[str]) -> str:
    """Return a SHA-256 over what is asked for; other lines of pyproject.toml do not count."""
    pinned = home.constraints(constraints)
    asked = [requirements(home, extras), pinned.read_text("utf-8") if pinned.exists() else None]
    return hashlib.sha256(json.dumps(asked).encode()).hexdigest()


def requirements(home: Home, extras: Sequence[str]) -> list[str]:
    """Return the packages of pyproject.toml, those of the extras included, sorted."""
    project = _pyproject(home)
    optional = project["optional-dependencies"]
    groups = [project["dependencies"], *(optional[extra] for extra in extras)]
    return sorted(package for group in groups for package in group)


def _pyproject(home: Home) -> ProjectTable:
    table: ProjectTable = tomllib.loads((home.root / "pyproject.toml").read_text("utf-8"))[
        "project"
    ]
    return table


def fitting_constraints() -> str:
    """Return "gpu" where an NVIDIA driver answers and CUDA builds are published, else "cpu"."""
    program = shutil.which("nvidia-smi")
    if program is None or sys.platform != "linux":
        return "cpu"
    try:
        listed = subprocess.run([program, "-L"], capture_output=True, timeout=30, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return "cpu"
    return "gpu" if listed.returncode == 0 and b"GPU" in listed.stdout else "cpu"


@contextlib.contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold a lock that ends with this process, waiting for whoever has it.

    Raises:
        SetupError: the folder cannot be written to.
    """
    try:
        file = path.open("a")
    except OSError as error:
        raise SetupError(
            f"The folder {path.parent} cannot be written to; copy it to a folder of yours, "
            "or start with --no-setup."
        ) from error
    with file:
        if not _try_lock(file):
            say("Another start is setting up; waiting for it.")
            while not _try_lock(file):
                time.sleep(0.2)
        yield


def _try_lock(file: IO[str]) -> bool:
    try:
        if sys.platform == "win32":
            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
        else:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (BlockingIOError, PermissionError):
        return False
    return True


def _set_up(home: Home, extras: Sequence[str]) -> None:
    """Make the environment and install; interrupted at any point, the next call starts over."""
    earlier = read_stamp(home)
    name = fitting_constraints()
    wanted = {*extras, *(earlier.extras if earlier else ())}
    packages = requirements(home, sorted(wanted))
    doing = "Setting up GEM Studio" if earlier is None else "Bringing the packages up to date"
    say(f"{doing} in {home.venv} (once; some minutes, with a network).")
    started = time.monotonic()
    if home.unfinished.exists() or not _has_pip(home.python):
        _make_venv(home)
    home.stamp.unlink(missing_ok=True)
    home.unfinished.touch()
    _install(home, name, packages)
    held = tuple(sorted(wanted))
    write_stamp(home, Stamp(name, held, fingerprint(home, name, held)))
    home.unfinished.unlink()
    say(f"Ready after {time.monotonic() - started:.0f} s.")


def _has_pip(python: Path) -> bool:
    try:
        command = [str(python), "-m", "pip", "--version"]
        return subprocess.run(command, capture_output=True, check=False).returncode == 0
    except OSError:
        return False


def _make_venv(home: Home) -> None:
    # the interpreter below any environment: this one may be the environment that is made anew
    python = getattr(sys, "_base_executable", sys.executable)
    command = [python, "-m", "venv", "--clear", str(home.venv)]
    made = subprocess.run(command, capture_output=True, text=True, check=False)
    if made.returncode != 0:
        raise SetupError(
            "Python could not make an environment here; install its venv package "
            "(on Debian and Ubuntu: python3-venv) and check that the disk has room."
        )


def _install(home: Home, name: str, packages: Sequence[str]) -> None:
    pinned = home.constraints(name)
    command = [str(home.python), "-m", "pip", "install", "--no-input", "--retries", "2"]
    command += ["--disable-pip-version-check", "-c", str(pinned), *packages]
    pip = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, encoding="utf-8"
    )
    with pip, home.log.open("w", encoding="utf-8") as log:
        for line in pip.stdout or ():
            log.write(line)
            word = progress_word(line)
            if word:
                say(word)
    if pip.returncode != 0:
        # pip fetches everything before it writes anything: what was installed before still stands
        home.unfinished.unlink()
        raise SetupError(failure_sentence(home.log))


def progress_word(line: str) -> str | None:
    """Return what of a line of pip's is worth telling: downloads of a megabyte or more, the end."""
    download = re.match(r"\s+Downloading (\S+) \((.+ [MG]B)\)", line)
    if download:
        return f"  downloading {download[1].rsplit('/', 1)[-1]}, {download[2]}"
    return "  installing" if line.startswith("Installing collected packages") else None


def failure_sentence(log: Path) -> str:
    """Say in one sentence why pip failed and where the rest stands."""
    text = log.read_text("utf-8")
    if "No space left on device" in text:
        reason = "the disk is full"
    elif NETWORK_FAILURES.search(text):
        reason = "the package index cannot be reached; check the network and start again"
    else:
        errors = [line for line in text.splitlines() if line.startswith("ERROR:")]
        reason = errors[-1].removeprefix("ERROR: ").rstrip(".") if errors else "pip failed"
    return f"The packages could not be installed: {reason} (full report: {log})."


def say(words: str) -> None:
    """Tell the user how it goes; standard output belongs to the command's result."""
    sys.stderr.write(words + "\n")
    sys.stderr.flush()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], Home(Path(__file__).resolve().parent)))
