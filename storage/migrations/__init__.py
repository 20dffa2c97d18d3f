"""The schema's history: numbered SQL files beside this one, each applied once, in a transaction."""

from importlib.resources import files
from typing import TYPE_CHECKING

from storage.errors import DatabaseUnusableError
from storage.identity import utc_now

if TYPE_CHECKING:
    from storage.database import Database

_APPLIED = """
CREATE TABLE IF NOT EXISTS migrations (name VARCHAR PRIMARY KEY, applied_at VARCHAR NOT NULL)
"""


def migration_names() -> list[str]:
    """Return the names of all migrations, oldest first."""
    return sorted(file.name for file in files(__name__).iterdir() if file.name.endswith(".sql"))


def migrate(db: "Database", names: list[str] | None = None) -> list[str]:
    """Apply what the database does not have yet and return the names of that.

    Args:
        db: an open database.
        names: the migrations to have, oldest first; all of them by default.

    Raises:
        DatabaseUnusableError: the database has a migration that this program does not know.
    """
    db.execute_script(_APPLIED)
    applied = {str(row[0]) for row in db.query("SELECT name FROM migrations")}
    known = migration_names() if names is None else names
    if not applied.issubset(known):
        raise DatabaseUnusableError(
            "This data folder was made by a newer version of the studio; update the studio first."
        )
    missing = [name for name in known if name not in applied]
    for name in missing:
        _apply(db, name)
    return missing


def _apply(db: "Database", name: str) -> None:
    with db.transaction():
        db.execute_script(files(__name__).joinpath(name).read_text(encoding="utf-8"))
        db.execute("INSERT INTO migrations VALUES (?, ?)", [name, utc_now()])
