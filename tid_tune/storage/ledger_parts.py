"""The ledger in a store, which cannot append to a file: numbered parts, the last one rewritten."""

from __future__ import annotations

from pathlib import Path, PurePosixPath

from tid_tune.console import explain
from tid_tune.errors import UsageError
from tid_tune.files import replacing
from tid_tune.storage.objects import Objects

FOLDER = "ledger"
"""In the run folder: `ledger/00000.jsonl`, `ledger/00001.jsonl`, ...; in this order, one file."""
PART = 256 * 1024
"""Bytes from which on a part is not rewritten any more: what an event costs stays bounded."""


class LedgerParts:
    """The parts of one ledger, and its copy on this machine.

    Args:
        objects: of the run folder.
        path: of the copy.
    """

    def __init__(self, objects: Objects, path: Path) -> None:
        self._objects = objects
        self._path = path
        self._number = 0
        """Of the part that is written now."""
        self._start = 0
        """Where it begins in the file, in bytes."""
        self._sent = 0
        """Bytes of it that the store has."""

    def names(self) -> list[str]:
        """Return the names of the parts that the store has, in order; not of unfinished files."""
        found = self._objects.sizes(FOLDER)
        return sorted(name for name in found if PurePosixPath(name).match("[0-9]*.jsonl"))

    def fetch(self) -> bytes:
        """Return the ledger as the store has it; empty: there is none."""
        parts = []
        self._number = self._start = self._sent = 0
        for name in self.names():
            parts.append(self._objects.read(name))
            self._sent = len(parts[-1])
            self._close_part()
        return b"".join(parts)

    def reconcile(self) -> None:
        """Make the copy what the store has, or more of it: events that had not reached the store.

        Those nobody has acted upon: but they are true, and the next upload brings them.

        Raises:
            UsageError: both have events that the other one lacks.
        """
        there = self.fetch()
        here = self._path.read_bytes() if self._path.is_file() else b""
        if not there and here:
            self._put_aside()
            here = b""
        if here.startswith(there):
            return
        # A driver that was killed may have left half of a line.
        if not there.startswith(here[: here.rfind(b"\n") + 1]):
            raise UsageError(
                f"{self._objects.uri}: its ledger and the copy on this machine, {self._path}, have "
                "both gone on. The store's has been driven from elsewhere since: delete "
                f"{self._path.parent} to go on with it"
            )
        with replacing(self._path) as partial:
            partial.write_bytes(there)

    def push(self) -> None:
        """Bring to the store what the file has more.

        Raises:
            StoreError: the store does not answer.
        """
        if self._path.stat().st_size == self._start + self._sent:
            return
        with self._path.open("rb") as file:
            file.seek(self._start)
            content = file.read()
        self._objects.write(f"{FOLDER}/{self._number:05d}.jsonl", content)
        self._sent = len(content)
        self._close_part()

    def _close_part(self) -> None:
        """Begin the next part, if the present one is long enough."""
        if self._sent >= PART:
            self._number += 1
            self._start += self._sent
            self._sent = 0

    def _put_aside(self) -> None:
        """Keep the copy of a run folder that the store does not have any more."""
        folder, number = self._path.parent, 1
        while (aside := folder.with_name(f"{folder.name}.{number}")).exists():
            number += 1
        folder.rename(aside)
        explain(
            f"{self._objects.uri} is not there any more; the copy on this machine is now {aside}"
        )
