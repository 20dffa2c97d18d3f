"""The run worker: one process that carries one run, writes into its run directory and nowhere else.

Started as ``python -m gem_backend.worker RUN_DIR [--resume]``. It never opens the database. For
several processes on one run: ``torchrun --nproc-per-node N -m gem_backend.worker RUN_DIR``.
"""

import argparse
import errno
import logging
import os
import signal
import sys
from pathlib import Path

from gem_backend.errors import NO_SPACE, GemError, is_out_of_memory
from gem_backend.reporter import Reporter, SilentReporter
from gem_backend.run_dir import RunDir

logger = logging.getLogger("gem_backend.worker")


def main(argv: list[str] | None = None) -> int:
    """Carry a run to its end; 0 when it ended as it should, 1 when it failed."""
    parser = argparse.ArgumentParser(prog="gem_backend.worker")
    parser.add_argument("run_dir", type=Path)
    parser.add_argument("--resume", action="store_true")
    arguments = parser.parse_args(argv)
    logging.basicConfig(
        level=logging.INFO, format="%(asctime)s %(name)s %(message)s", stream=sys.stdout
    )
    os.environ["HF_HUB_DISABLE_TELEMETRY"] = "1"
    run = RunDir(arguments.run_dir)
    is_first = os.environ.get("RANK", "0") == "0"  # torchrun's number of this process
    reporter = Reporter(run) if is_first else SilentReporter(run)
    signal.signal(signal.SIGTERM, lambda _number, _frame: run.request_stop())
    return carry(run, reporter, resume=arguments.resume)


def carry(run: RunDir, reporter: Reporter, *, resume: bool) -> int:
    """Train; what goes wrong becomes one sentence in the status and a trace in the log."""
    try:
        from gem_backend.train import run_training  # noqa: PLC0415 - torch comes later

        ended = run_training(run, reporter, resume=resume)
        reporter.end(*ended)
        return 0
    except GemError as error:
        return _fail(reporter, error.message)
    except Exception as error:  # noqa: BLE001 - the process boundary: the log keeps the trace
        return _fail(reporter, _sentence(error))


def _sentence(error: Exception) -> str:
    """Say what went wrong; libraries report a full disk or memory in types of their own."""
    said = str(error).lower()
    if getattr(error, "errno", None) in _FULL or any(words in said for words in _FULL_WORDS):
        return NO_SPACE
    if is_out_of_memory(error):
        return _OUT_OF_MEMORY
    if isinstance(error, OSError):
        return f"A file could not be read or written: {error}."
    return "The run met an unexpected error; its log has the details."


_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_FULL_WORDS = ("no space left", "file too large", "disk quota")
_OUT_OF_MEMORY = (
    "The device ran out of memory. Start a new run with shorter answers ('max_new_tokens'), a "
    "smaller 'micro_batch_tokens' or a smaller model."
)


def _fail(reporter: Reporter, message: str) -> int:
    logger.exception(message)
    try:
        reporter.free_reserve()
        reporter.event("ended", reporter.status.step, state="failed", message=message)
        reporter.end("failed", message)
    except OSError:  # a full disk: the dead worker then shows as interrupted, which is true
        logger.exception("The last word could not be written")
    return 1


if __name__ == "__main__":
    sys.exit(main())
