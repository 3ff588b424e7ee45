"""The files of a run folder, wherever they are: one interface for a folder and for a store.

Names are relative to the run folder and have slashes. A file is read and written below `local`;
in a store, it is fetched before and kept afterwards. A folder is both at once.
"""

from __future__ import annotations

import abc
import contextlib
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Protocol

from tid_tune.files import write_text
from tid_tune.ledger.file import LEDGER_NAME
from tid_tune.ledger.lock import FileLock, Holder, holder_of, lock_path
from tid_tune.storage.places import Place


class Lock(Protocol):
    """Keeps others out until it is released."""

    def release(self) -> None:
        """Give it back."""


class RunFiles(abc.ABC):
    """The files of one run folder.

    Attributes:
        place: where they are, as the user named it.
        local: the folder of this machine in which they are read and written.
    """

    place: Place
    local: Path

    @property
    @abc.abstractmethod
    def shared(self) -> bool:
        """Whether all machines write to the same `local`."""

    @property
    @abc.abstractmethod
    def sent(self) -> str:
        """What other machines open: `worker_files` takes it there."""

    @abc.abstractmethod
    def require_reachable(self) -> None:
        """Check that a search can begin there.

        Raises:
            UsageError: the bucket of a store does not exist.
            StoreError: the store does not answer.
        """

    @abc.abstractmethod
    def has_ledger(self) -> bool:
        """Return whether the search was ever begun."""

    @abc.abstractmethod
    def fetch(self, name: str, digest: str = "") -> bool:
        """Have a file below `local`; return whether it is there.

        Args:
            name: of the file.
            digest: of its content: what is here already, and has it, is not fetched again.
        """

    @abc.abstractmethod
    def fetch_longer(self, name: str) -> None:
        """Have the longer one of a log's two copies below `local`."""

    @abc.abstractmethod
    def keep(self, name: str, *, patiently: bool = True) -> None:
        """Take in a file that was written below `local`; one that is not there is left out.

        Args:
            name: of the file.
            patiently: try again while a store does not answer.
        """

    @abc.abstractmethod
    def forget(self, folder: str, pattern: str, but: str = "") -> None:
        """Free the room below `local` of files that were kept, except for the file `but`."""

    @abc.abstractmethod
    def delete(self, name: str) -> None:
        """Delete a file. A store that does not answer is asked again with the next one."""

    @abc.abstractmethod
    def delete_folder(self, folder: str) -> None:
        """Delete a folder and the files in it, as far as that is possible."""

    @abc.abstractmethod
    def sizes(self, under: str = "") -> dict[str, int]:
        """Return the files in a folder and below it, with their sizes in bytes, by name."""

    @abc.abstractmethod
    def size(self, name: str) -> int | None:
        """Return the size of a file in bytes; None: it is not there."""

    @abc.abstractmethod
    def read(self, name: str) -> str:
        """Return a short text as it is there now. A missing one is a `FileNotFoundError`."""

    @abc.abstractmethod
    def write(self, name: str, text: str) -> None:
        """Write a short text there."""

    @abc.abstractmethod
    def holder(self) -> Holder | None:
        """Return the driver that runs the search now, or None."""

    @abc.abstractmethod
    def lock(self) -> Lock:
        """Take the lock that a driver holds; raises UsageError if one is there."""

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Keep drivers out inside the block; raises UsageError if one is there."""
        lock = self.lock()
        try:
            yield
        finally:
            lock.release()

    @abc.abstractmethod
    def writing(self) -> contextlib.AbstractContextManager[Callable[[], None]]:
        """Let this process alone write the ledger inside the block; it opens it below `local`.

        What is yielded must be called after each write, before anything acts upon it.
        """

    @abc.abstractmethod
    def siblings(self) -> list[str]:
        """Return the names of the folders beside the run folder."""

    @abc.abstractmethod
    def rename(self, name: str) -> None:
        """Give the run folder another name, beside the present one."""


class FolderFiles(RunFiles):
    """A folder that all nodes see at the same path."""

    def __init__(self, path: Path) -> None:
        self.place = self.local = path
        self._ledger = path / LEDGER_NAME

    @property
    def shared(self) -> bool:
        """Yes."""
        return True

    @property
    def sent(self) -> str:
        """The path."""
        return str(self.local)

    def require_reachable(self) -> None:
        """Do nothing: the folder is made if needed."""

    def has_ledger(self) -> bool:
        """Return whether there is a ledger."""
        return self._ledger.is_file()

    def fetch(self, name: str, digest: str = "") -> bool:
        """Return whether the file is there."""
        return (self.local / name).is_file()

    def fetch_longer(self, name: str) -> None:
        """Do nothing: it is there."""

    def keep(self, name: str, *, patiently: bool = True) -> None:
        """Do nothing: it is there."""

    def forget(self, folder: str, pattern: str, but: str = "") -> None:
        """Do nothing: there is one copy."""

    def delete(self, name: str) -> None:
        """Delete the file."""
        (self.local / name).unlink(missing_ok=True)

    def delete_folder(self, folder: str) -> None:
        """Delete the folder."""
        shutil.rmtree(self.local / folder, ignore_errors=True)

    def sizes(self, under: str = "") -> dict[str, int]:
        """Return what is there; what a running search deletes meanwhile is left out."""
        found = {}
        for path in (self.local / under).rglob("*"):
            with contextlib.suppress(OSError):  # a running search has just deleted it
                if path.is_file():
                    found[path.relative_to(self.local).as_posix()] = path.lstat().st_size
        return found

    def size(self, name: str) -> int | None:
        """Return the size on the disk."""
        try:
            return (self.local / name).stat().st_size
        except OSError:
            return None

    def read(self, name: str) -> str:
        """Read the file."""
        return (self.local / name).read_text(encoding="utf-8", errors="replace")

    def write(self, name: str, text: str) -> None:
        """Replace the file."""
        write_text(self.local / name, text)

    def holder(self) -> Holder | None:
        """Return who holds the lock file."""
        return holder_of(self._ledger)

    def lock(self) -> FileLock:
        """Take the lock file."""
        return FileLock(lock_path(self._ledger))

    @contextlib.contextmanager
    def writing(self) -> Iterator[Callable[[], None]]:
        """Leave the lock to `Ledger`, which opens the very file."""
        yield lambda: None  # the ledger is locked by who opens it

    def siblings(self) -> list[str]:
        """Return all names in the folder above."""
        above = self.local.parent
        return sorted(path.name for path in above.iterdir()) if above.is_dir() else []

    def rename(self, name: str) -> None:
        """Rename the folder."""
        with self.locked():
            self.local.rename(self.local.with_name(name))
