"""The command ``cluster``: a job file for a run, to be sent by hand."""

import argparse
import shlex

from app.cli import types as cli_types
from app.cli.commands import AddCommand, Commands, Parser, Result

TARGETS = ("slurm", "skypilot")
SUBMIT = {"slurm": "sbatch", "skypilot": "sky launch"}


def add(commands: "Commands[Parser]", add_command: AddCommand) -> None:
    """Add ``cluster``.

    Args:
        commands: of the command line.
        add_command: adds one with the options that all of them take.
    """
    parser = add_command(
        commands, "cluster", _cluster, "a job file that carries a run on a cluster"
    )
    parser.add_argument(
        "run_dir",
        type=cli_types.existing_path,
        metavar="RUN_DIR",
        help="the folder that 'align --prepare' made, or that of a run that stopped",
    )
    parser.add_argument("--target", choices=TARGETS, required=True, help="the scheduler")
    parser.add_argument(
        "--nodes", type=cli_types.count, default=1, metavar="N", help="machines (Slurm)"
    )
    parser.add_argument(
        "--per-node",
        type=cli_types.count,
        default=1,
        metavar="N",
        help="processes on each machine, one for each GPU",
    )
    parser.add_argument(
        "--hours", type=cli_types.count, default=4, metavar="H", help="the longest time (Slurm)"
    )
    parser.add_argument(
        "--out", type=cli_types.path, metavar="FILE", help="the job file; else in the run's folder"
    )


def _cluster(options: argparse.Namespace) -> Result:
    from gem_backend.cluster import JobSize, write_job  # noqa: PLC0415 - as quick as can be
    from gem_backend.run_dir import RunDir  # noqa: PLC0415

    run = RunDir(options.run_dir)
    size = JobSize(options.nodes, options.per_node, options.hours)
    path = write_job(run, options.target, size, options.out).resolve()
    return {
        "run_id": run.spec().run_id,
        "target": options.target,
        "path": str(path),
        "submit": f"{SUBMIT[options.target]} {shlex.quote(str(path))}",
    }
