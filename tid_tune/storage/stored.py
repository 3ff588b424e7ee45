"""The files of a run folder in a store, and their copy on this machine."""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import tempfile
import weakref
from collections.abc import Callable, Iterator
from functools import lru_cache
from pathlib import Path

from tid_tune.errors import TidTuneError, UsageError
from tid_tune.files import digest as digest_of
from tid_tune.files import replacing
from tid_tune.ledger.file import LEDGER_NAME
from tid_tune.ledger.lock import Holder
from tid_tune.storage.files import FolderFiles, RunFiles
from tid_tune.storage.ledger_parts import LedgerParts
from tid_tune.storage.lock import NAME as LOCK_NAME
from tid_tune.storage.lock import StoreLock, holder_in
from tid_tune.storage.objects import PATIENCE, Objects
from tid_tune.storage.places import Place, Uri


class StoredFiles(RunFiles):
    """A run folder in a store, and its copy on this machine.

    Args:
        uri: of the run folder.
        local: the folder of the copy.
        patience: seconds for which a store that does not answer is tried again.
    """

    def __init__(self, uri: str, local: Path, patience: float = 0.0) -> None:
        self._uri = Uri.parse(uri)
        self.place = str(self._uri)
        self.local = local
        self._objects = Objects(self._uri, patience)
        self._hasty = self._objects.hasty()
        self._parts = LedgerParts(self._objects, local / LEDGER_NAME)
        self._undeleted: list[str] = []

    @property
    def shared(self) -> bool:
        """No: each machine has a copy of its own."""
        return False

    @property
    def sent(self) -> str:
        """The URI, with the endpoint that this process's environment names."""
        return str(self._uri.anywhere())

    def require_reachable(self) -> None:
        """Ask the store for the bucket."""
        self._objects.require_bucket()

    def has_ledger(self) -> bool:
        """Return whether the store has a part of a ledger."""
        return bool(self._parts.names())

    def fetch(self, name: str, digest: str = "") -> bool:
        """Download the file, unless it is here with that digest."""
        path = self.local / name
        if digest and path.is_file() and digest_of(path) == digest:
            return True
        try:
            self._objects.get(name, path)
        except FileNotFoundError:
            path.unlink(missing_ok=True)
            return False
        return True

    def fetch_longer(self, name: str) -> None:
        """Download a log that is longer in the store."""
        path, there = self.local / name, self._objects.size(name)
        if there is not None and (not path.is_file() or path.stat().st_size < there):
            self.fetch(name)

    def keep(self, name: str, *, patiently: bool = True) -> None:
        """Upload the file."""
        if (self.local / name).is_file():
            objects = self._objects if patiently else self._hasty
            objects.put(name, self.local / name)

    def forget(self, folder: str, pattern: str, but: str = "") -> None:
        """Delete the copies."""
        for path in (self.local / folder).glob(pattern):
            if path != self.local / but:
                path.unlink(missing_ok=True)

    def delete(self, name: str) -> None:
        """Delete the copy and the file in the store."""
        (self.local / name).unlink(missing_ok=True)
        names, self._undeleted = [*self._undeleted, name], []
        for one in names:
            try:
                self._hasty.delete(one)
            except TidTuneError:
                self._undeleted.append(one)

    def delete_folder(self, folder: str) -> None:
        """Delete the folder in the store."""
        with contextlib.suppress(TidTuneError):
            self._hasty.delete_folder(folder)

    def sizes(self, under: str = "") -> dict[str, int]:
        """Return what the store has."""
        return self._objects.sizes(under)

    def size(self, name: str) -> int | None:
        """Return the size in the store."""
        return self._objects.size(name)

    def read(self, name: str) -> str:
        """Read the file from the store."""
        return self._objects.read(name).decode(errors="replace")

    def write(self, name: str, text: str) -> None:
        """Write the file to the store."""
        self._objects.write(name, text.encode())

    def holder(self) -> Holder | None:
        """Return who holds the lock in the store."""
        return holder_in(self._hasty)

    def lock(self) -> StoreLock:
        """Take the lock in the store."""
        return StoreLock(self._objects)

    @contextlib.contextmanager
    def writing(self) -> Iterator[Callable[[], None]]:
        """Hold the lock in the store, bring the copy up to date, upload what is appended to it."""
        lock = self.lock()
        try:
            self._parts.reconcile()
            self._objects.patience = PATIENCE

            def push() -> None:
                lock.require()
                self._parts.push()

            yield push
        finally:
            self._objects.patience = 0.0
            lock.release()

    def siblings(self) -> list[str]:
        """Return the names of the folders beside it in the store."""
        return Objects(self._uri.parent).folders()

    def rename(self, name: str) -> None:
        """Copy all files in the store, delete them, and the copy here."""
        with self.locked():
            self._objects.rename(name, but=LOCK_NAME)
        shutil.rmtree(self.local, ignore_errors=True)

    def fetch_ledger(self) -> None:
        """Have the ledger below `local` as the store has it now; without one there is none."""
        content = self._parts.fetch()
        if content:
            with replacing(self.local / LEDGER_NAME) as partial:
                partial.write_bytes(content)


def read_files(place: Place) -> RunFiles:
    """Return the files of a run folder for reading; a store's as it is now.

    The copy of what is fetched is deleted with what is returned.

    Raises:
        UsageError: nothing here can read such a place.
        StoreError: the store does not answer.
    """
    if isinstance(place, Path):
        return FolderFiles(place)
    folder = Path(tempfile.mkdtemp(prefix="tid-tune-"))
    files = StoredFiles(place, folder / Uri.parse(place).name)
    weakref.finalize(files, shutil.rmtree, folder, ignore_errors=True)
    files.fetch_ledger()
    return files


def driver_files(place: Place) -> RunFiles:
    """Return the files of a run folder for the driver of its search.

    Raises:
        UsageError: as `read_files`.
        StoreError: as `read_files`.
    """
    if isinstance(place, Path):
        return FolderFiles(place.resolve())
    uri = Uri.parse(place)
    return StoredFiles(place, copy_folder(uri.anywhere()))


@lru_cache(maxsize=8)
def worker_files(sent: str, patience: float = PATIENCE) -> RunFiles:
    """Return the files of a run folder on the machine of a worker; `sent` is the driver's."""
    if "://" not in sent:
        return FolderFiles(Path(sent))
    return StoredFiles(sent, copy_folder(Uri.parse(sent)), patience)


def require_folder(place: Place) -> None:
    """Check that a folder is there.

    Raises:
        UsageError: it is not, or the bucket of a store is not.
        StoreError: the store does not answer.
    """
    if isinstance(place, Path):
        if not place.is_dir():
            raise UsageError(f"{place}: there is no such folder")
        return
    Objects(Uri.parse(place)).require_folder()


def folders_in(place: Place) -> list[Place]:
    """Return the places of the run folders in a folder, by name; of a store's, all folders."""
    if isinstance(place, Path):
        return [ledger.parent for ledger in sorted(place.glob(f"*/{LEDGER_NAME}"))]
    uri = Uri.parse(place)
    return [str(uri.child(name)) for name in Objects(uri).folders()]


def copy_folder(uri: Uri) -> Path:
    """Return where this user's copy of a run folder in a store is, on this machine."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    digest = hashlib.sha256(str(uri).encode()).hexdigest()[:12]
    return cache / "tid-tune" / "runs" / digest / uri.name
