"""Where the rows of a file wait until they are stored: tables of their own that outlive a crash.

An import has its own schema, made and filled in one transaction for which nobody waits. Before the
commit there is nothing of it; from then on it is certain. Rows are stored in parts, each a short
transaction, and what a killed program left undone is done when the folder is opened next. An import
that is part of a larger transaction needs none of this; its rows wait in a temporary table.
"""

import contextlib
import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass

from storage.database import Database
from storage.errors import StorageError
from storage.identity import new_id

_PREFIX = "import_"
_CREATE_SCHEMA = """
CREATE SCHEMA {name};
SET search_path = '{name},main';
CREATE TABLE owner (owner VARCHAR);
"""
_CREATE_STAGED = """
CREATE {kind} staged (
    place BIGINT, line BIGINT, prompt_id VARCHAR, pair_id VARCHAR, is_held_out BOOLEAN,
    kind VARCHAR, prompt VARCHAR, answer_a VARCHAR, answer_b VARCHAR, verdict VARCHAR,
    strength INTEGER, is_acceptable BOOLEAN, rationale VARCHAR, rater VARCHAR, split VARCHAR,
    gold_answer VARCHAR, reasons VARCHAR[], event_id VARCHAR, event_kind VARCHAR, "left" VARCHAR,
    elapsed_s DOUBLE, is_imported BOOLEAN, logged_at VARCHAR, monotonic_s DOUBLE, source VARCHAR,
    part_of VARCHAR, is_written BOOLEAN, is_final BOOLEAN
);
"""
_STAGINGS = "SELECT schema_name FROM duckdb_schemas() WHERE starts_with(schema_name, ?)"


@dataclass(frozen=True, slots=True)
class Owner:
    """Where rows go, who brings them, and when they did."""

    project_id: str
    imported_by: str
    now: str


@contextlib.contextmanager
def new_staging(db: Database, owner: Owner) -> Iterator[str]:
    """Make ``staged`` mean a new table, to be filled inside; it is there afterwards, or nothing is.

    Inside ``Database.temporary_tables``. Yields the staging's name, empty in a larger transaction.

    Args:
        db: the open database.
        owner: what storing needs to know besides the rows.
    """
    if db.is_in_transaction:
        db.execute_script(_CREATE_STAGED.format(kind="TEMP TABLE"))
        yield ""
        return
    name = f"{_PREFIX}{new_id()}"
    try:
        with db.aside():
            db.execute_script(_CREATE_SCHEMA.format(name=name))
            db.execute_script(_CREATE_STAGED.format(kind="TABLE"))
            db.execute("INSERT INTO owner VALUES (?)", [json.dumps(asdict(owner))])
            yield name
    except Exception:
        with contextlib.suppress(StorageError):
            drop_staging(db, name)
        raise


def enter_staging(db: Database, name: str) -> Owner:
    """Make ``staged`` mean the rows of an unfinished import; return its owner."""
    with db.transaction():
        db.execute_script(f"SET search_path = '{name},main'")
        [(owner,)] = db.query("SELECT owner FROM owner")
    return Owner(**json.loads(str(owner)))


def drop_staging(db: Database, name: str) -> None:
    """Forget the rows of an import."""
    with db.transaction():
        if name:
            db.execute_script(f"SET search_path = 'main'; DROP SCHEMA IF EXISTS {name} CASCADE")
        else:
            db.execute_script("DROP TABLE staged")


def stagings(db: Database) -> list[str]:
    """Return the imports that are not finished."""
    return [str(name) for (name,) in db.query(_STAGINGS, [_PREFIX])]
