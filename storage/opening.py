"""Opening a data folder's database, with what a killed program left undone done."""

import logging
from pathlib import Path

from storage.database import Database
from storage.errors import StorageError
from storage.exchange import finish_imports

_log = logging.getLogger(__name__)


def open_database(path: Path) -> Database:
    """Open a database as ``Database`` does, and finish the imports that are certain in it.

    One that cannot be finished keeps nobody from their labels: it is tried again at the next start.
    """
    db = Database(path)
    try:
        finish_imports(db)
    except StorageError:
        _log.exception("an import that was broken off could not be finished")
    except BaseException:
        db.close()
        raise
    return db
