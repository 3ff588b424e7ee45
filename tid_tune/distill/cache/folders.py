"""The folder of caches: one sub-folder a teacher digest, who uses it, and which may go.

DIR/DIGEST/data.mdb, lock.mdb   LMDB's own files
DIR/DIGEST/about.json           which teacher it is of, for people
DIR/DIGEST/in_use               locked by every process that uses it; its time is the last use
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import shutil
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from tid_tune.files import write_text

DATA, ABOUT, IN_USE = "data.mdb", "about.json", "in_use"


@dataclass(frozen=True)
class CacheFolder:
    """The cache of one teacher digest."""

    path: Path

    def __str__(self) -> str:
        return str(self.path)

    @classmethod
    def all_in(cls, folder: Path) -> list[CacheFolder]:
        """Return all caches in a folder, the least recently used first."""
        found = [cls(path.parent) for path in folder.glob(f"*/{IN_USE}")]
        return sorted(found, key=lambda item: (item.last_used, item.path))

    @property
    def size(self) -> int:
        """Bytes it takes on the disk; LMDB's file may have holes."""
        total = 0
        for path in self.path.glob("*"):
            with contextlib.suppress(OSError):
                total += path.stat().st_blocks * 512
        return total

    @property
    def last_used(self) -> float:
        """When a process last began to use it, in seconds since 1970; 0 if it is gone."""
        try:
            return (self.path / IN_USE).stat().st_mtime
        except OSError:
            return 0.0

    @property
    def about(self) -> dict[str, object]:
        """What it is a cache of; empty if that cannot be read."""
        try:
            found = json.loads((self.path / ABOUT).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
        return found if isinstance(found, dict) else {}

    def take(self, about: Mapping[str, object]) -> IO[bytes]:
        """Make it if it is missing, and mark it as used by this process until the file is closed.

        Raises:
            OSError: the folder cannot be made or written to.
        """
        while True:
            self.path.mkdir(parents=True, exist_ok=True)
            mark = (self.path / IN_USE).open("ab")
            try:
                fcntl.flock(mark, fcntl.LOCK_SH)  # waits while another process removes it
                if _is_at(mark, self.path / IN_USE):
                    os.utime(mark.fileno())
                    if not (self.path / ABOUT).is_file():
                        write_text(self.path / ABOUT, json.dumps(dict(about), indent=1) + "\n")
                    return mark
            except BaseException:
                mark.close()
                raise
            mark.close()

    def remove(self) -> bool:
        """Delete it, unless a process uses it; return whether it is gone."""
        try:
            mark = (self.path / IN_USE).open("ab")
        except OSError:
            return not self.path.exists()
        with mark:
            try:
                fcntl.flock(mark, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                return False
            shutil.rmtree(self.path, ignore_errors=True)
        return not self.path.exists()

    def lines(self) -> Iterator[str]:
        """Yield what there is to say of it in words."""
        days = (time.time() - self.last_used) / 86400
        yield f"{self.path.name}: {self.size / 2**20:.1f} MiB, last used {days:.1f} days ago"
        for key, value in self.about.items():
            yield f"  {key}: {value}"


def _is_at(mark: IO[bytes], path: Path) -> bool:
    """Return whether the open file is still the one at `path`."""
    try:
        here, there = os.fstat(mark.fileno()), path.stat()
    except OSError:
        return False
    return (here.st_dev, here.st_ino) == (there.st_dev, there.st_ino)
