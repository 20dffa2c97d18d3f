"""The backend's errors: each carries one clear sentence and a short title for a person to read."""


class GemError(Exception):
    """A failure that a user can act on.

    Args:
        message: one sentence in plain words that says what to do.
        title: two to four words, shown above the message.
    """

    title = "Something went wrong"

    def __init__(self, message: str, title: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.title = title or type(self).title

    def __reduce__(self) -> tuple[type["GemError"], tuple[str, str]]:
        """Keep the title when the error crosses a process boundary."""
        return type(self), (self.message, self.title)


class ConfigError(GemError):
    """A setting is unknown or out of range."""

    title = "Setting not understood"


class DataError(GemError):
    """Input data cannot be read or used."""

    title = "Data not understood"


class ModelLoadError(GemError):
    """A model or an adapter cannot be loaded."""

    title = "Model not loaded"


class OutOfMemoryError(GemError):
    """The device has too little memory for what was asked."""

    title = "Out of memory"


def is_out_of_memory(error: Exception) -> bool:
    """Whether a library says, each in its own way, that the device has no memory left."""
    said = str(error).lower()
    return isinstance(error, MemoryError) or any(words in said for words in _NO_MEMORY)


_NO_MEMORY = ("out of memory", "t allocate memory")  # "can't" and "cannot" of a processor
NO_SPACE = "The disk is full. Free some space, then resume the run."


class NoSpaceError(GemError):
    """A run's folder takes no more."""

    title = "Disk full"


class SpanError(GemError):
    """A candidate has no tokens where the score needs some."""

    title = "No answer to score"


class TrainingError(GemError):
    """A run cannot go on."""

    title = "Run failed"


class RunDirError(GemError):
    """A run directory is missing, damaged or in use."""

    title = "Run folder not usable"


class Stopped(GemError):
    """Somebody asked for an end."""

    title = "Stopped"


class EngineError(GemError):
    """The model engine did not answer."""

    title = "Model engine"
