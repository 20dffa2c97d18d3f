"""The command ``adapter``: what a run learned, for use elsewhere."""

import argparse

from app.cli import types as cli_types
from app.cli.commands import AddCommand, Commands, Parser, Result


def add(commands: "Commands[Parser]", add_command: AddCommand) -> None:
    """Add ``adapter``.

    Args:
        commands: of the command line.
        add_command: adds one with the options that all of them take.
    """
    parser = add_command(
        commands, "adapter", _adapter, "a run's adapter with its card, or the model it makes"
    )
    parser.add_argument(
        "run_dir", type=cli_types.existing_path, metavar="RUN_DIR", help="the folder of the run"
    )
    parser.add_argument(
        "--out", type=cli_types.path, required=True, metavar="DIR", help="a new folder"
    )
    parser.add_argument(
        "--merged",
        action="store_true",
        help="a whole model, the adapter worked into its weights, instead of the adapter alone",
    )
    parser.add_argument(
        "--trust-remote-code", action="store_true", help="run code that comes with the model"
    )


def _adapter(options: argparse.Namespace) -> Result:
    from gem_backend.adapter_export import (  # noqa: PLC0415 - as quick as can be
        export_adapter,
        export_merged,
    )
    from gem_backend.run_dir import RunDir  # noqa: PLC0415

    run = RunDir(options.run_dir)
    if options.merged:
        done = export_merged(run, options.out, trust_remote_code=options.trust_remote_code)
    else:
        done = export_adapter(run, options.out)
    return {
        "run_id": run.spec().run_id,
        "path": str(done.path.resolve()),
        "base_model": done.base_model,
        "is_merged": options.merged,
    }
