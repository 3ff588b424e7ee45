"""The files of a store below one URI, by their names with slashes; tried again while it is down."""

from __future__ import annotations

import contextlib
import copy
import re
import secrets
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO, TypeVar

from tid_tune import stalls
from tid_tune.console import say
from tid_tune.errors import TrialError, UsageError
from tid_tune.files import is_full, replacing
from tid_tune.ledger.decisions import Cause
from tid_tune.storage.places import Uri
from tid_tune.storage.systems import file_system
from tid_tune.words import shortened

T = TypeVar("T")
PATIENCE = 300.0
"""Seconds for which a store that does not answer is tried again, while a search runs."""
_PAUSES = (1.0, 2.0, 4.0, 8.0, 15.0)
_CHUNK = 8 * 2**20
_FLAT = ("s3", "gcs", "abfs")
"""Stores without folders: an empty object would take the place of one."""
_RENAMED = ("local", "hdfs")
"""File systems on which a reader can meet half of a file: it is written under another name."""
_REQUEST = re.compile(r" \(Request ID: [^)]*\)")
"""Says nothing to a user."""


class StoreError(TrialError):
    """A store does not answer, or refuses; for a trial it is what a full disk is."""

    def __init__(self, message: str) -> None:
        super().__init__(message, Cause.STORAGE)


class Objects:
    """Files of a store. A missing file is a `FileNotFoundError`, all else a `StoreError`.

    Only a disk of this machine that is full is the `OSError` it is anywhere.

    Args:
        uri: of the folder.
        patience: seconds for which a request that fails is tried again.

    Raises:
        UsageError: nothing here can write to such a URI.
        StoreError: the store does not answer.
    """

    def __init__(self, uri: Uri, patience: float = 0.0) -> None:
        self.uri = uri
        self.patience = patience
        try:
            self._system, self._root = file_system(uri)
        except OSError as error:
            raise StoreError(f"{uri} cannot be used: {_reason(error)}") from None

    def hasty(self) -> Objects:
        """Return the same store for requests that nobody can wait for."""
        found = copy.copy(self)
        found.patience = 0.0
        return found

    def write(self, name: str, content: bytes) -> None:
        """Write a whole file, or none of it."""
        self._try(lambda: self._upload(name, lambda stream: stream.write(content)))

    def put(self, name: str, source: Path) -> None:
        """Copy a file of this machine into the store, all of it or nothing."""

        def fill(stream: BinaryIO) -> None:
            with source.open("rb") as file:
                _copy(file, stream)

        self._try(lambda: self._upload(name, fill))

    def read(self, name: str) -> bytes:
        """Return the content of a file."""

        def read() -> bytes:
            with self._system.open_input_stream(self._path(name)) as stream:
                return bytes(stream.read())

        return self._try(read)

    def get(self, name: str, target: Path) -> None:
        """Copy a file of the store to this machine, all of it or nothing."""

        def download() -> None:
            with (
                self._system.open_input_stream(self._path(name)) as stream,
                replacing(target) as unfinished,
                unfinished.open("wb") as file,
            ):
                _copy(stream, file)

        self._try(download)

    def delete(self, name: str) -> None:
        """Delete a file; one that is not there is no error."""

        def delete() -> None:
            with contextlib.suppress(FileNotFoundError):
                self._system.delete_file(self._path(name))

        self._try(delete)

    def delete_folder(self, name: str) -> None:
        """Delete a folder and all in it; one that is not there is no error."""

        def delete() -> None:
            with contextlib.suppress(FileNotFoundError):
                self._system.delete_dir(self._path(name))

        self._try(delete)

    def sizes(self, under: str = "") -> dict[str, int]:
        """Return the sizes of all files in a folder and below it, in bytes, by name."""
        found = self._try(lambda: self._infos(self._path(under), recursive=True))
        start = len(self._root) + 1
        return {info.path[start:]: int(info.size or 0) for info in found if info.is_file}

    def size(self, name: str) -> int | None:
        """Return the size of a file in bytes; None: it is not there."""
        (info,) = self._try(lambda: self._system.get_file_info([self._path(name)]))
        return int(info.size or 0) if info.is_file else None

    def folders(self) -> list[str]:
        """Return the names of the folders inside, in order."""
        found = self._try(lambda: self._infos(self._root, recursive=False))
        return sorted(info.base_name for info in found if not info.is_file)

    def require_bucket(self) -> None:
        """Check that the store answers and has the bucket; elsewhere a folder is made if needed.

        Raises:
            UsageError: it has not.
            StoreError: it does not answer.
        """
        if self._system.type_name not in _FLAT:
            return
        bucket = self._root.partition("/")[0]
        if not self._is_there(bucket):
            raise UsageError(
                f"{self.uri}: there is no bucket {bucket!r}; make it, or correct the name or the "
                "endpoint"
            )

    def require_folder(self) -> None:
        """Check that the folder is there: a store has it, if it has a file in it.

        Raises:
            UsageError: it is not.
            StoreError: the store does not answer.
        """
        self.require_bucket()
        if not self._is_there(self._root):
            raise UsageError(f"{self.uri}: there is no such folder, or nothing is in it")

    def _is_there(self, path: str) -> bool:
        from pyarrow.fs import FileType

        (info,) = self._try(lambda: self._system.get_file_info([path]))
        return bool(info.type != FileType.NotFound)

    def rename(self, name: str, but: str) -> None:
        """Move all files to a folder beside this one. A store copies each; then they are deleted.

        Args:
            name: of that folder.
            but: a file that stays.

        Raises:
            StoreError: it broke off; some are there and here.
        """
        names = [one for one in self.sizes() if one != but]
        beside = f"{self._root.rpartition('/')[0]}/{name}"
        for one in names:
            self._try(partial(self._copy_to, one, f"{beside}/{one}"))
        for one in names:
            self.delete(one)

    def _copy_to(self, name: str, target: str) -> None:
        self._make_folder(target)
        self._system.copy_file(self._path(name), target)

    def _make_folder(self, path: str) -> str:
        """Make the folder of a file, where the store has folders; return it."""
        folder = path.rpartition("/")[0]
        if self._system.type_name not in _FLAT:
            self._system.create_dir(folder, recursive=True)
        return folder

    def _infos(self, path: str, *, recursive: bool) -> list[Any]:
        from pyarrow.fs import FileSelector

        selector = FileSelector(path, allow_not_found=True, recursive=recursive)
        return list(self._system.get_file_info(selector))

    def _upload(self, name: str, fill: Callable[[BinaryIO], object]) -> None:
        try:
            self._fill(self._path(name), fill)
        except FileNotFoundError as error:  # no such bucket: nothing that comes of itself
            raise OSError(str(error)) from error

    def _fill(self, path: str, fill: Callable[[BinaryIO], object]) -> None:
        folder = self._make_folder(path)
        if self._system.type_name not in _RENAMED:
            with self._system.open_output_stream(path) as stream:
                fill(stream)
            return
        unfinished = f"{folder}/.{secrets.token_hex(4)}.{path.rpartition('/')[2]}"
        try:
            with self._system.open_output_stream(unfinished) as stream:
                fill(stream)
            self._system.move(unfinished, path)
        except BaseException:
            with contextlib.suppress(OSError):
                self._system.delete_file(unfinished)
            raise

    def _path(self, name: str) -> str:
        return f"{self._root}/{name}" if name else self._root

    def _try(self, action: Callable[[], T]) -> T:
        """Return what `action` returns; while the store is down, wait and ask again.

        Raises:
            FileNotFoundError: a file is not there.
            StoreError: it did not answer for as long as it may be silent.
        """
        deadline: float | None = None
        for pause in _pauses():
            try:
                found = action()
            except FileNotFoundError:
                raise
            except OSError as error:
                if is_full(error):  # of this machine
                    raise
                reason = _reason(error)
            else:
                if deadline is not None:
                    say(f"{self.uri} answers again")
                return found
            now = time.monotonic()
            if deadline is None:
                deadline = now + self.patience
                if self.patience:
                    minutes = f"{self.patience / 60:g} min"
                    say(f"warning: {self.uri} does not answer; trying for {minutes}: {reason}")
            if now + pause > deadline:
                break
            stalls.progress()
            time.sleep(pause)
        again = ", then run the same command again: nothing that was reported is lost"
        raise StoreError(
            f"{self.uri} cannot be used: {reason}. Check the address, the endpoint and the "
            f"credentials{again if self.patience else ''}"
        )


def _reason(error: OSError) -> str:
    return shortened(_REQUEST.sub("", str(error)), 300)


def _pauses() -> Iterator[float]:
    yield from _PAUSES
    while True:
        yield _PAUSES[-1]


def _copy(source: Any, target: Any) -> None:
    while chunk := source.read(_CHUNK):
        target.write(chunk)
        stalls.progress()
