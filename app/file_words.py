"""What the operating system refuses of files and folders, in one sentence for a person."""

import errno

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_FULL_WORDS = "The disk is full, or you may store no more on it. Free some space, then try again."
_REASONS = {
    errno.EACCES: "may not be used by you; choose another place",
    errno.EPERM: "may not be used by you; choose another place",
    errno.EROFS: "may not be written to; choose another place",
    errno.EEXIST: "is not a folder and cannot become one; choose another place",
    errno.ENOTDIR: "is not a folder and cannot become one; choose another place",
    errno.EISDIR: "is a folder; name a file",
    errno.ENAMETOOLONG: "is too long a name for this system",
}
_LONGEST_NAME = 200


def refusal(error: OSError) -> str | None:
    """Return the sentence for what a user can mend, None for every other failure."""
    if error.errno in _FULL:
        return _FULL_WORDS
    if error.errno == errno.EPIPE:
        return "The program that was to read this has ended."
    reason = _REASONS.get(error.errno or 0)
    return None if reason is None else f"{short_name(error.filename)} {reason}."


def short_name(name: object) -> str:
    """Return a file's name in quotes, the middle of a very long one left out."""
    words = str(name or "A file")
    if len(words) > _LONGEST_NAME:
        words = f"{words[: _LONGEST_NAME // 2]} … {words[-_LONGEST_NAME // 2 :]}"
    return f"'{words}'" if name else words
