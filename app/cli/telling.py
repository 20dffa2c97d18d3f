"""What a person at a console is told: how it goes, and one sentence where it does not."""

import argparse
import contextlib
import datetime
import io
import os
import sys
import tempfile
import traceback
from pathlib import Path

from app.file_words import refusal
from gem_backend.errors import GemError, TrainingError
from storage.errors import StorageError

BAD_INPUT = 2
OUR_FAULT = 1


def say(words: str) -> None:
    """Tell how it goes; where nobody can be told any more, the work goes on."""
    with contextlib.suppress(OSError):
        sys.stderr.write(f"{words}\n")
        sys.stderr.flush()


def report(error: Exception, options: argparse.Namespace) -> int:
    """Say what went wrong in one sentence and return the exit code for it."""
    refused = _refusal(error)
    if refused:
        say(refused)
        return BAD_INPUT
    sentence = error.message if isinstance(error, TrainingError) else "This should not happen."
    log = _write_log(error, options)
    say(f"{sentence} The report is in {log}" if log else f"{sentence} No report could be kept.")
    return OUR_FAULT


def _refusal(error: Exception) -> str | None:
    """Return the sentence for what the user can mend, None for a failed run or a fault of ours."""
    if isinstance(error, (GemError, StorageError)) and not isinstance(error, TrainingError):
        return error.message
    return refusal(error) if isinstance(error, OSError) else None


def _write_log(error: Exception, options: argparse.Namespace) -> Path | None:
    """Keep the traceback in the data folder, else in the system's temporary one, else nowhere."""
    report = "".join(traceback.format_exception(error))
    name = f"{datetime.datetime.now():%Y%m%d-%H%M%S}-{options.command}.log"
    with contextlib.suppress(OSError):
        folder = Path(options.data_dir) / "logs"
        folder.mkdir(parents=True, exist_ok=True)
        return _written(folder / name, report)
    with contextlib.suppress(OSError):
        return _written(Path(tempfile.mkdtemp(prefix="gem-studio-report-")) / name, report)
    return None


def _written(file: Path, content: str) -> Path:
    file.write_text(content, "utf-8")
    return file


def forget_unwritten() -> None:
    """Drop what a stream could not take: Python would try again at its end, and complain."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except OSError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def write_any_character() -> None:
    """Let every text through, whatever the console's encoding; what has no UTF-8 is escaped."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(encoding="utf-8", errors="backslashreplace")
