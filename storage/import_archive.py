"""Archives of files of rows, as browsers take and give folders: unpacked within limits."""

import contextlib
import tempfile
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from storage.errors import ImportFileError

SUFFIX = ".zip"
MAX_MEMBERS = 1000
MAX_UNPACKED_BYTES = 2**30

_PIECE = 2**20
_DAMAGED = "The archive {name} is damaged, or not a zip file."


@contextlib.contextmanager
def unpacked(path: Path) -> Iterator[Path]:
    """Give a folder with an archive's files, which goes when the caller is done.

    Raises:
        ImportFileError: the archive is damaged, locked, too large, or a name in it leads outside.
        OSError: it cannot be read, or there is no room for its files.
    """
    with tempfile.TemporaryDirectory(prefix="gem-studio-import-") as made:
        folder = Path(made) / path.stem
        folder.mkdir()
        try:
            with zipfile.ZipFile(path) as archive:
                _refuse(archive.infolist())
                left = MAX_UNPACKED_BYTES
                for member in archive.infolist():
                    if not member.is_dir():
                        left -= _unpack(archive, member, folder, left)
        except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError) as error:
            raise ImportFileError(_DAMAGED.format(name=path.name)) from error
        yield folder


def _refuse(members: list[zipfile.ZipInfo]) -> None:
    """Raise what is wrong with an archive, going by its list of contents."""
    if len(members) > MAX_MEMBERS:
        raise ImportFileError(f"The archive has more than {MAX_MEMBERS:,} files.")
    if sum(member.file_size for member in members) > MAX_UNPACKED_BYTES:
        raise ImportFileError(_too_large())
    for member in members:
        name = PurePosixPath(member.filename.replace("\\", "/"))
        if name.is_absolute() or ".." in name.parts or ":" in member.filename:
            raise ImportFileError("A file in the archive has a name that leads outside of it.")
        if member.flag_bits & 1:
            raise ImportFileError("The archive is locked with a password; pack it without one.")


def _unpack(archive: zipfile.ZipFile, member: zipfile.ZipInfo, folder: Path, left: int) -> int:
    """Write a member's bytes to a file, whatever it claims to be, and return how many there are."""
    target = folder / member.filename.replace("\\", "/")
    target.parent.mkdir(parents=True, exist_ok=True)
    size = 0
    with archive.open(member) as source, target.open("wb") as file:
        while piece := source.read(_PIECE):
            size += len(piece)
            if size > left:  # the list of contents may lie
                raise ImportFileError(_too_large())
            file.write(piece)
    return size


def _too_large() -> str:
    return f"The archive holds more than {MAX_UNPACKED_BYTES >> 30} GB; unpack it and import parts."
