"""Storage's errors: each carries one clear sentence and a short title for a person to read."""


class StorageError(Exception):
    """Something could not be stored or read.

    Args:
        message: one sentence in plain words that says what to do.
        title: two to four words, shown above the message.
    """

    title = "Storage problem"

    def __init__(self, message: str, title: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.title = title or type(self).title

    def __reduce__(self) -> tuple[type["StorageError"], tuple[str, str]]:
        """Keep the title when the error crosses a process boundary."""
        return type(self), (self.message, self.title)


class DatabaseInUseError(StorageError):
    """Another process has the database open."""

    title = "Already open"


class DatabaseUnusableError(StorageError):
    """The file is damaged, from a newer version, or may not be opened."""

    title = "Database not opened"


class DiskFullError(StorageError):
    """The disk took no more; what was saved before is whole."""

    title = "Disk full"


class NotFoundError(StorageError):
    """Nothing is stored under that name or number."""

    title = "Not found"


class EntryError(StorageError):
    """What a person entered cannot be stored as it is."""

    title = "Not saved"


class ImportFileError(StorageError):
    """A file as a whole cannot be imported; nothing of it was."""

    title = "File not imported"


class ExportError(StorageError):
    """A file cannot be written."""

    title = "File not written"
