"""Write files that never replace what a user has."""

from __future__ import annotations

from pathlib import Path

from tid_tune.errors import DataError
from tid_tune.files import write_text


def is_new(path: Path, text: str) -> bool:
    """Return whether `path` is to be written: False if it has this content already.

    Raises:
        DataError: it has other content.
    """
    if not path.exists():
        return True
    if path.is_file() and path.read_bytes() == text.encode():
        return False
    raise DataError(f"{path} exists with other content; remove it or write elsewhere")


def write_file(path: Path, text: str) -> None:
    """Write a file at once or not at all, and its folder if missing.

    Raises:
        DataError: it cannot be written.
    """
    try:
        write_text(path, text)
    except OSError as error:
        raise DataError(f"{path}: cannot write: {error}") from error
