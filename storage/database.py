"""The one door to DuckDB: connection, transactions, and the driver's errors under our names.

One connection for the process and a cursor for each call; writes wait behind one lock. What a call
that returned has written is on the disk.
"""

import contextlib
import re
import threading
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self, TypeVar, cast

import duckdb
import pyarrow as pa

from storage.errors import DatabaseInUseError, DatabaseUnusableError, DiskFullError, StorageError
from storage.migrations import migrate

T = TypeVar("T")
Parameters = Sequence[object] | Mapping[str, object]

_SETTINGS: dict[str, str | bool | int | float | list[str]] = {
    "memory_limit": "1GB",  # the model needs the rest
    "threads": 1,  # a label asks many small questions, which a second thread only makes dearer
    "enable_external_access": False,  # no SQL reads or writes any file but the database
    "autoinstall_known_extensions": False,  # no downloads
    "autoload_known_extensions": False,
}
_DISK_FULL = re.compile(r"no space left|file too large|disk quota|not enough space", re.IGNORECASE)
_IN_USE = re.compile(r"could not set lock|conflicting lock|being used by another", re.IGNORECASE)
_PROCESS = re.compile(r"PID (\d+)")


class Database:
    """An open database, brought to the newest schema. Safe to use from many threads.

    Args:
        path: the file, made if it is not there; None keeps everything in memory.

    Raises:
        DatabaseInUseError: another process has the file open.
        DatabaseUnusableError: the file is damaged, newer than this program, or not accessible.
    """

    def __init__(self, path: Path | None) -> None:
        self.path = path
        self._write_lock = threading.RLock()
        self._open_lock = threading.Lock()
        self._is_broken = False
        self._thread = threading.local()
        self._kept: dict[Hashable, object] = {}
        self._kept_lock = threading.Lock()
        self._connection = _connect(path)
        try:
            migrate(self)
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Close the file; the object is of no use afterwards."""
        self._connection.close()

    def __enter__(self) -> Self:
        """Return the database itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close the file."""
        self.close()

    @property
    def is_in_transaction(self) -> bool:
        """Whether this thread is in a transaction."""
        return self._own_cursor() is not None

    @contextlib.contextmanager
    def transaction(self) -> Iterator[None]:
        """Make everything inside happen together or not at all; nested ones join the outermost."""
        if self._own_cursor() is not None:
            yield
            return
        with self._write_lock, self._one_transaction():
            yield

    @contextlib.contextmanager
    def aside(self) -> Iterator[None]:
        """Make everything inside one transaction for which nobody waits, however long it takes.

        It reads what was there when it began, and may write only tables that nobody else writes.
        Inside another transaction it is a part of that.
        """
        if self._own_cursor() is not None:
            yield
            return
        with self._one_transaction():
            yield

    @contextlib.contextmanager
    def _one_transaction(self) -> Iterator[None]:
        with self._our_errors(), self._cursor() as cursor:
            self._thread.cursor = cursor.begin()
            self._thread.is_forgetting = False
            try:
                yield
                cursor.commit()
                if self._thread.is_forgetting:
                    self._drop_kept()
            except BaseException:
                with contextlib.suppress(duckdb.Error):  # a failed commit rolls itself back
                    cursor.rollback()
                raise
            finally:
                self._thread.cursor = None

    @contextlib.contextmanager
    def temporary_tables(self) -> Iterator[None]:
        """Keep the temporary tables that are made inside until the end; no other thread sees them.

        Between the statements inside, other threads may write.
        """
        if self._own_cursor() is not None or self._kept_cursor() is not None:
            yield
            return
        with self._our_errors(), self._new_cursor() as cursor:
            self._thread.kept_cursor = cursor
            try:
                yield
            finally:
                self._thread.kept_cursor = None

    def execute(self, sql: str, parameters: Parameters = ()) -> int:
        """Run a statement that writes and return the number of rows it touched."""
        with self.transaction(), self._our_errors():
            return _count(self._writing_cursor().execute(sql, parameters).fetchall())

    def execute_script(self, sql: str) -> None:
        """Run several statements without parameters."""
        with self.transaction(), self._our_errors():
            self._writing_cursor().execute(sql)

    def insert(self, table: str, batch: pa.Table) -> int:
        """Insert a batch by column name and return the number of rows; other columns get defaults.

        Args:
            table: a table's name, from the program and never from a user.
            batch: columns named as the table's.
        """
        with self.transaction(), self._our_errors():
            cursor = self._writing_cursor()
            # Not registered: a view of it would keep the batch in memory until the commit.
            sql = f"INSERT INTO {table} BY NAME SELECT * FROM batch"  # noqa: S608 - not user text
            result = cursor.from_arrow(batch).query("batch", sql)
            return 0 if result is None else _count(result.fetchall())

    def query(self, sql: str, parameters: Parameters = ()) -> list[tuple[object, ...]]:
        """Return all rows of a query; inside a transaction it sees what that has written."""
        with self._reading_cursor() as cursor:
            return cursor.execute(sql, parameters).fetchall()

    def records(self, record: Callable[..., T], sql: str, parameters: Parameters = ()) -> list[T]:
        """Return a record for each row; the query's columns are named as the record's fields."""
        with self._reading_cursor() as cursor:
            cursor.execute(sql, parameters)
            names = [column[0] for column in cursor.description or ()]
            rows = (map(_frozen, row) for row in cursor.fetchall())
            return [record(**dict(zip(names, row, strict=True))) for row in rows]

    def one(self, record: Callable[..., T], sql: str, parameters: Parameters = ()) -> T | None:
        """Return the record of the first row, None where there is no row."""
        return next(iter(self.records(record, sql, parameters)), None)

    def count(self, sql: str, parameters: Parameters = ()) -> int:
        """Return the one whole number that a query gives; no row and NULL are 0."""
        return _count(self.query(sql, parameters))

    def kept(self, key: Hashable, read: Callable[[], T]) -> T:
        """Return what ``read`` found, at most once until somebody calls ``forget``.

        For what is asked at every turn and hardly ever changes. A transaction, which may have
        changed it, always reads.
        """
        if self.is_in_transaction:
            return read()
        kept = self._kept
        if key not in kept:
            found = read()
            with self._kept_lock:
                # Before a change it may be what was there; and of nothing there is no end of keys.
                if kept is not self._kept or found is None:
                    return found
                kept[key] = found
        return cast(T, kept[key])

    def forget(self) -> None:
        """Read everything that is ``kept`` again, once the transaction is committed."""
        self._thread.is_forgetting = True

    def _drop_kept(self) -> None:
        with self._kept_lock:
            self._kept = {}

    def arrow(self, sql: str, parameters: Parameters = ()) -> pa.Table:
        """Return a query's result as an Arrow table."""
        with self._reading_cursor() as cursor:
            return cursor.sql(sql, params=parameters).to_arrow_table()

    def arrow_batches(
        self, sql: str, parameters: Parameters = (), rows: int = 1000
    ) -> Iterator[pa.RecordBatch]:
        """Yield a query's result piece by piece, never all of it in memory."""
        with self._reading_cursor() as cursor:
            reader: pa.RecordBatchReader = cursor.sql(sql, params=parameters).to_arrow_reader(rows)
            yield from reader

    def _own_cursor(self) -> duckdb.DuckDBPyConnection | None:
        """Return the cursor of the transaction that this thread is in."""
        return getattr(self._thread, "cursor", None)

    def _kept_cursor(self) -> duckdb.DuckDBPyConnection | None:
        """Return the cursor that has this thread's temporary tables."""
        return getattr(self._thread, "kept_cursor", None)

    def _writing_cursor(self) -> duckdb.DuckDBPyConnection:
        cursor = self._own_cursor()
        assert cursor is not None, "writes happen inside a transaction"
        return cursor

    @contextlib.contextmanager
    def _reading_cursor(self) -> Iterator[duckdb.DuckDBPyConnection]:
        with self._our_errors():
            own = self._own_cursor()
            if own is not None:
                yield own
                return
            with self._cursor() as cursor:
                yield cursor

    @contextlib.contextmanager
    def _cursor(self) -> Iterator[duckdb.DuckDBPyConnection]:
        kept = self._kept_cursor()
        if kept is not None:
            yield kept
            return
        with self._new_cursor() as cursor:
            yield cursor

    def _new_cursor(self) -> duckdb.DuckDBPyConnection:
        """Return a cursor, after reopening a file on which the driver has given up."""
        with self._open_lock:
            if self._is_broken and self.path is not None:
                self._connection.close()
                self._connection = _connect(self.path)
                self._is_broken = False
            return self._connection.cursor()

    @contextlib.contextmanager
    def _our_errors(self) -> Iterator[None]:
        """Re-raise what the driver raises under our names."""
        try:
            yield
        except duckdb.FatalException as error:  # a disk that fills up in a checkpoint, mostly
            self._is_broken = True
            raise _storage_error(error) from error
        except duckdb.Error as error:
            raise _storage_error(error) from error
        except RuntimeError as error:  # the driver's word for Ctrl-C in the middle of a query
            if str(error) != "Query interrupted":
                raise
            raise KeyboardInterrupt from error


def _connect(path: Path | None) -> duckdb.DuckDBPyConnection:
    if path is None:
        return duckdb.connect(":memory:", config=_SETTINGS)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        return duckdb.connect(str(path), config=_SETTINGS)
    except OSError as error:
        raise DatabaseUnusableError(
            f"The folder {path.parent} cannot be written to; choose another with --data-dir."
        ) from error
    except duckdb.Error as error:
        raise _opening_error(path, error) from error


def _opening_error(path: Path, error: duckdb.Error) -> StorageError:
    text = str(error)
    if _IN_USE.search(text):
        process = _PROCESS.search(text)
        number = f" (process {process[1]})" if process else ""
        return DatabaseInUseError(
            f"This data folder is already open in another studio{number}. "
            "Close it or choose another folder with --data-dir."
        )
    if _DISK_FULL.search(text):
        return _storage_error(error)
    return DatabaseUnusableError(
        f"The file {path} cannot be opened as a database of this studio: {_first_line(error)} "
        "Choose another folder with --data-dir, or put back a copy of the file."
    )


def _storage_error(error: duckdb.Error) -> StorageError:
    if _DISK_FULL.search(str(error)):
        return DiskFullError(
            "The disk is full: free some space and try again; nothing that was saved is lost."
        )
    if isinstance(error, duckdb.OutOfMemoryException):
        return StorageError("This is too much to store at once; try it in smaller parts.")
    return StorageError(f"The database refused: {_first_line(error)}")


def _first_line(error: duckdb.Error) -> str:
    return str(error).strip().split("\n", 1)[0]


def _frozen(value: object) -> object:
    """Make a tuple of a list: records do not change."""
    return tuple(value) if isinstance(value, list) else value


def _count(rows: list[tuple[object, ...]]) -> int:
    """Return the whole number in the first cell, 0 where there is none."""
    value = rows[0][0] if rows else 0
    return value if isinstance(value, int) else 0
