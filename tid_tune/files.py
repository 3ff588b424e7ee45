"""Write files and folders so that a reader never meets half of one, and make output folders."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import secrets
import shutil
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from tid_tune.errors import UsageError


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield a path beside `path` to write a file or a folder to; then move it to `path`.

    Until the block has ended without an exception, and a file's data are on the disk, `path` stays
    what it was. A folder can take the place of nothing or of an empty folder. The folder above
    `path` is made if it is missing; after an exception, what was written is removed.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    # The same ending: writers choose a format by it.
    partial = path.with_name(f".{path.stem}.{secrets.token_hex(4)}.partial{path.suffix}")
    try:
        yield partial
        if partial.is_file():
            _sync(partial)
        partial.replace(path)
    except BaseException:
        if partial.is_dir():
            shutil.rmtree(partial, ignore_errors=True)
        else:
            partial.unlink(missing_ok=True)
        raise
    with contextlib.suppress(OSError):  # not every file system can sync a folder
        _sync(path.parent)


def write_text(path: Path, text: str) -> None:
    """Replace the content of `path` by `text` in UTF-8, at once or not at all; see `replacing`."""
    with replacing(path) as partial:
        partial.write_text(text, encoding="utf-8")


def digest(path: Path) -> str:
    """Return a checksum of a file's content, in 16 hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, partial(hashlib.blake2b, digest_size=8)).hexdigest()


def end_of(path: Path, most: int) -> str:
    """Return the last bytes of a text file, at most so many, as text.

    Raises:
        OSError: it cannot be read.
    """
    with path.open("rb") as file:
        file.seek(max(0, file.seek(0, os.SEEK_END) - most))
        return file.read().decode("utf-8", errors="replace")


def is_full(error: BaseException) -> bool:
    """Return whether a file could not be written because its disk, or a quota on it, is full."""
    return isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT)


def make_folder(path: Path, option: str) -> None:
    """Make the output folder `path`, which the user named by `option`, unless it is there.

    Raises:
        UsageError: it cannot be made.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(
            f"{option} {path}: cannot create this folder: {error.strerror}; name another one"
        ) from None


def unwritable(path: Path, error: OSError, option: str = "") -> UsageError:
    """Return the message to a user whose output file `path` cannot be written.

    Args:
        path: of the file.
        error: why.
        option: by which the user named it; empty for an argument.
    """
    why = error.strerror or str(error)
    if isinstance(error, FileExistsError | NotADirectoryError):
        files = [above for above in path.parents if above.is_file()]
        why = f"{files[0]} is a file and no folder" if files else why
    elif isinstance(error, IsADirectoryError):
        why = "it is a folder; name a file"
    return UsageError(f"{option} {path}: cannot be written: {why}".lstrip())


@contextlib.contextmanager
def output_folder(path: Path, option: str) -> Iterator[None]:
    """Make the output folder `path`; in the end, leave no folder that is new and empty.

    Raises:
        UsageError: it cannot be made.
    """
    made = [folder for folder in (path, *path.parents) if not folder.exists()]
    make_folder(path, option)
    try:
        yield
    finally:
        for folder in made:
            with contextlib.suppress(OSError):
                folder.rmdir()


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
