"""Entries on disk: an LMDB environment that the processes of a machine read and write together.

LMDB maps the file into memory, so that processes share what is read; one process writes at a time,
and a write that was cut off has not happened. Nothing here raises: what fails is reported in one
line, and from then on this process reads or writes no more. The teacher is run instead.
"""

from __future__ import annotations

import atexit
import contextlib
import json
import logging
import os
import shutil
import time
from collections.abc import Mapping
from pathlib import Path
from typing import IO

import lmdb

from tid_tune.distill.cache.folders import DATA, CacheFolder

logger = logging.getLogger(__name__)

COUNTS = b"counts"
"""The one key that is no entry's; those have 20 bytes."""
BATCH_BYTES, BATCH_SECONDS = 2**24, 2.0
"""Entries are written together: a write waits for the disk."""
COUNT_SECONDS = 30.0
"""Hits are counted on the disk so often."""
PAGE = 4096
FREE_BYTES = 2**28
"""So much of the disk is left to others."""
SPACE_FACTOR = 2
"""Address space per allowed byte: the limit is kept here, LMDB's own would come too late."""

_OPEN: dict[tuple[int, Path], Store] = {}


class Store:
    """The entries of one teacher digest, by key.

    Args:
        folder: the cache.
        limit: bytes that all caches beside it, with it, may take.
        about: what it is a cache of, for people.
    """

    def __init__(self, folder: CacheFolder, limit: int, about: Mapping[str, object]) -> None:
        self.folder, self.limit = folder, limit
        self.hits = self.misses = 0
        self._pending: dict[bytes, bytes] = {}
        self._pending_since = 0.0
        self._counted, self._counted_at = (0, 0), time.monotonic()
        self._env: lmdb.Environment | None = None
        self._mark: IO[bytes] | None = None
        self._writes = True
        self.closed = False
        self._pid = os.getpid()
        try:
            self._mark = folder.take(about)
            self._env = self._opened()
        except (OSError, lmdb.Error) as error:
            self._give_up(f"{error}")

    @classmethod
    def shared(cls, folder: CacheFolder, limit: int, about: Mapping[str, object]) -> Store:
        """Return the process's store of a folder: LMDB opens a file once per process."""
        key = os.getpid(), folder.path.resolve()
        found = _OPEN.get(key)
        if found is None or found._env is None:
            found = _OPEN[key] = cls(folder, limit, about)
            atexit.register(found.close)
        found.limit = limit
        return found

    @property
    def works(self) -> bool:
        """Whether anything can be read."""
        return self._env is not None and self._pid == os.getpid()

    @property
    def writes(self) -> bool:
        """Whether new entries are kept."""
        return self._writes and self.works

    def get(self, key: bytes) -> bytes | None:
        """Return the bytes of an entry; None if there is none."""
        found = self._pending.get(key)
        if found is not None or not self.works or self._env is None:
            return found
        try:
            with self._env.begin() as transaction:
                stored: bytes | None = transaction.get(key)
                return stored
        except lmdb.MapResizedError:
            self._env.set_mapsize(0)
            return self.get(key)
        except lmdb.Error as error:
            self._give_up(f"cannot be read: {error}")
            return None

    def put(self, key: bytes, value: bytes) -> None:
        """Keep an entry, if it may be kept; it is on the disk some seconds later."""
        if not self.writes:
            return
        if not self._pending:
            self._pending_since = time.monotonic()
        self._pending[key] = value
        if sum(map(len, self._pending.values())) > BATCH_BYTES:
            self.flush()

    def settle(self) -> None:
        """Write what has been waiting for some time; to be called now and then."""
        now = time.monotonic()
        waits = self._pending and now - self._pending_since > BATCH_SECONDS
        if waits or now - self._counted_at > COUNT_SECONDS:
            self.flush()

    def flush(self) -> None:
        """Write what is waiting, and the counts of hits and misses."""
        counted = self.hits, self.misses
        self._counted_at = time.monotonic()
        if not self.writes or (not self._pending and counted == self._counted):
            self._pending.clear()
            return
        pending, self._pending = self._pending, {}
        try:
            if not pending or self._room(sum(map(_on_disk, pending.values()))):
                self._write(pending, counted)
        except (OSError, lmdb.Error) as error:
            self._writes = False
            logger.warning("the teacher's cache %s is not written any more: %s", self.folder, error)

    def _write(self, pending: Mapping[bytes, bytes], counted: tuple[int, int]) -> None:
        assert self._env is not None
        try:
            with self._env.begin(write=True) as transaction:
                for key, value in pending.items():
                    transaction.put(key, value, overwrite=True)
                before = _counts(transaction.get(COUNTS))
                new = [b + c - k for b, c, k in zip(before, counted, self._counted, strict=True)]
                transaction.put(COUNTS, json.dumps(new).encode())
        except lmdb.MapResizedError:
            self._env.set_mapsize(0)
            self._write(pending, counted)
        self._counted = counted

    def close(self) -> None:
        """Write what is waiting, and let others remove the cache."""
        if self._pid != os.getpid():
            return  # of the process that this one was forked from
        self.flush()
        self.closed = True
        env, self._env = self._env, None
        if env is not None:
            env.close()
        if self._mark is not None:
            self._mark.close()
        _OPEN.pop((self._pid, self.folder.path.resolve()), None)

    def counts(self) -> tuple[int, int, int]:
        """Return the number of entries, of hits and of misses, of all processes so far."""
        return (0, 0, 0) if self._env is None else _counted(self._env)

    def _opened(self) -> lmdb.Environment:
        try:
            env = self._open()
            if _is_whole(env, self.folder.path / DATA):
                env.reader_check()
                return env
            env.close()
        except (lmdb.InvalidError, lmdb.CorruptedError, lmdb.VersionMismatchError):
            pass  # as damaged as one that is cut off
        logger.warning("the teacher's cache %s is damaged; it is begun anew", self.folder)
        self._begin_anew()
        return self._open()

    def _open(self) -> lmdb.Environment:
        return lmdb.open(
            str(self.folder.path),
            map_size=max(self.limit * SPACE_FACTOR, 2**24),
            metasync=False,
            max_readers=1024,
            readahead=False,
        )

    def _begin_anew(self) -> None:
        """Put an empty file in the place of a damaged one; who has that open keeps it."""
        for path in self.folder.path.glob("*.mdb"):
            path.unlink(missing_ok=True)

    def _room(self, more: int) -> bool:
        """Return whether so many bytes can be added; makes room, or stops writing."""
        beside = self.folder.path.parent
        free = shutil.disk_usage(beside).free - FREE_BYTES
        if free < more:
            self._full(f"the disk is full but for {FREE_BYTES >> 20} MiB")
            return False
        caches = CacheFolder.all_in(beside)
        used = sum(item.size for item in caches)
        for item in caches:
            if used + more <= self.limit:
                break
            size = item.size
            if item.path != self.folder.path and item.remove():
                logger.info("the teacher's cache %s is removed to make room", item)
                used -= size
        if used + more > self.limit:
            self._full(f"its {self.limit / 2**30:g} GiB are full")
            return False
        return True

    def _full(self, why: str) -> None:
        self._writes = False
        logger.warning("the teacher's cache %s takes no new entries: %s", self.folder, why)

    def _give_up(self, why: str) -> None:
        logger.warning("the teacher's cache %s is off: %s", self.folder, why)
        env, self._env = self._env, None
        self._pending.clear()
        with contextlib.suppress(lmdb.Error):
            if env is not None:
                env.close()
        if self._mark is not None:
            self._mark.close()


def read_counts(folder: CacheFolder) -> tuple[int, int, int]:
    """Return the number of entries, hits and misses of a cache, which is not used by that.

    Zeros for one that cannot be read.
    """
    known = _OPEN.get((os.getpid(), folder.path.resolve()))
    if known is not None:
        return known.counts()
    try:
        with lmdb.open(str(folder.path), readonly=True, max_readers=1024) as env:
            return _counted(env) if _is_whole(env, folder.path / DATA) else (0, 0, 0)
    except (OSError, lmdb.Error):
        return 0, 0, 0


def _counted(env: lmdb.Environment) -> tuple[int, int, int]:
    with env.begin() as transaction:
        raw = transaction.get(COUNTS)
        return (transaction.stat()["entries"] - (raw is not None), *_counts(raw))


def _on_disk(value: bytes) -> int:
    """Return what an entry takes: whole pages, with a header."""
    return -(-(len(value) + 16) // PAGE) * PAGE


def _is_whole(env: lmdb.Environment, data: Path) -> bool:
    """Return whether the file has all pages that it should have: reading others ends a process."""
    pages = env.info()["last_pgno"] + 1
    return bool(data.stat().st_size >= pages * env.stat()["psize"])


def _counts(stored: bytes | None) -> tuple[int, int]:
    hits, misses = json.loads(stored) if stored else (0, 0)
    return hits, misses
