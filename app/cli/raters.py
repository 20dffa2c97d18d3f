"""The command ``raters``: accounts, kept while the studio is closed."""

import argparse
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from app.cli.commands import AddCommand, Commands, Parser, Result

if TYPE_CHECKING:
    from storage.database import Database


def add(commands: "Commands[Parser]", add_command: AddCommand) -> None:
    """Add ``raters`` with its commands.

    Args:
        commands: of the command line.
        add_command: adds one with the options that all of them take.
    """
    about = "accounts: with the first one, the studio asks who you are"
    parser = commands.add_parser("raters", help=about, description=f"{about.capitalize()}.")
    raters = parser.add_subparsers(dest="raters", required=True, metavar="WHAT")
    add_command(raters, "list", _list, "all accounts")
    invite = add_command(
        raters, "invite", _invite, "a new account, or a new one-time password for an old one"
    )
    remove = add_command(raters, "remove", _remove, "keep a person out; what they said stays")
    for one in (invite, remove):
        one.add_argument("name", help="under which the person logs in and labels")
    invite.add_argument(
        "--admin", action="store_true", help="may manage projects, data, runs and raters"
    )


def _list(options: argparse.Namespace) -> Result:
    from storage import raters  # noqa: PLC0415 - the database's driver is slow to load

    with _database(options.data_dir) as db:
        return {"raters": [asdict(rater) for rater in raters.list_raters(db)]}


def _invite(options: argparse.Namespace) -> Result:
    from storage import raters  # noqa: PLC0415 - as above

    with _database(options.data_dir) as db:
        rater, password = raters.invite(db, options.name, "admin" if options.admin else "rater")
    return {"rater": rater.rater, "role": rater.role, "one_time_password": password}


def _remove(options: argparse.Namespace) -> Result:
    from storage import raters  # noqa: PLC0415 - as above

    with _database(options.data_dir) as db:
        return asdict(raters.deactivate(db, options.name))


def _database(data_dir: Path) -> "Database":
    from app.studio_base import DATABASE_FILE  # noqa: PLC0415 - as above
    from storage.opening import open_database  # noqa: PLC0415 - as above

    return open_database(data_dir / DATABASE_FILE)
