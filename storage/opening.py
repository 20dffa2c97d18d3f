"""Opening a data folder's database, with what a killed program left undone done."""

from pathlib import Path

from storage.database import Database
from storage.exchange import finish_imports


def open_database(path: Path) -> Database:
    """Open a database as ``Database`` does, and finish the imports that are certain in it."""
    db = Database(path)
    try:
        finish_imports(db)
    except BaseException:
        db.close()
        raise
    return db
