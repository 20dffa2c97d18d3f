"""The run worker: one process that carries one run, writes into its run directory and nowhere else.

Started as ``python -m gem_backend.worker RUN_DIR [--resume]``. It never opens the database.
"""

import argparse
import errno
import logging
import os
import signal
import sys
from pathlib import Path

from gem_backend.errors import GemError, OutOfMemoryError
from gem_backend.reporter import Reporter
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
    reporter = Reporter(run)
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
    except OSError as error:
        if error.errno != errno.ENOSPC:
            return _fail(reporter, f"A file could not be read or written: {error}.")
        return _fail(reporter, "The disk is full. Free some space, then resume the run.")
    except Exception as error:  # noqa: BLE001 - the process boundary: the log keeps the trace
        if "out of memory" in str(error).lower():
            return _fail(reporter, OutOfMemoryError(_OUT_OF_MEMORY).message)
        return _fail(reporter, "The run met an unexpected error; its log has the details.")


_OUT_OF_MEMORY = (
    "The device ran out of memory. Choose fewer candidates, shorter answers or a smaller "
    "'micro_batch_tokens', then resume."
)


def _fail(reporter: Reporter, message: str) -> int:
    logger.exception(message)
    try:
        reporter.event("ended", reporter.status.step, state="failed", message=message)
        reporter.end("failed", message)
    except OSError:  # a full disk: the dead worker then shows as interrupted, which is true
        logger.exception("The last word could not be written")
    return 1


if __name__ == "__main__":
    sys.exit(main())
