"""Write files that never replace what a user has."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from tid_tune.errors import DataError


def is_new(path: Path, text: str) -> bool:
    """False if `path` has this content already; a DataError if it has another."""
    if not path.exists():
        return True
    if path.is_file() and path.read_bytes() == text.encode():
        return False
    raise DataError(f"{path} exists with other content; remove it or write elsewhere")


def write_atomically(path: Path, text: str) -> None:
    """Write a file at once or not at all, and its folder if missing.

    Raises:
        DataError: it cannot be written.
    """
    partial = path.with_name(f"{path.name}.partial-{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        partial.write_text(text, encoding="utf-8")
        partial.replace(path)
    except OSError as error:
        raise DataError(f"{path}: cannot write: {error}") from error
    finally:
        with suppress(OSError):
            partial.unlink()
