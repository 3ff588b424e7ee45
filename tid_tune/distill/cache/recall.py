"""Answers for a teacher: from the store, or by running it."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import torch
from torch import nn

from tid_tune.distill.cache.content import entry_key, teacher_digest
from tid_tune.distill.cache.entries import Entry
from tid_tune.distill.cache.folders import CacheFolder
from tid_tune.distill.cache.settings import CacheSettings
from tid_tune.distill.cache.sparse import SparseEntry
from tid_tune.distill.cache.store import Store
from tid_tune.distill.cache.work import Answer
from tid_tune.distill.context import Batch
from tid_tune.openmmlab.detector_types import Meta

logger = logging.getLogger(__name__)


class TeacherCache:
    """The cache of one teacher.

    What it returns has passed through the stored form, also where the teacher was run for it: a
    training does not depend on what was in the cache.

    Args:
        settings: where and how it is stored.
        detector: the teacher.
        config: what the detector was built from.
        about: what it is a cache of, for people.
    """

    def __init__(
        self,
        settings: CacheSettings,
        detector: nn.Module,
        config: object,
        about: Mapping[str, object],
    ) -> None:
        self.settings = settings
        self._detector, self._config, self._about = detector, config, about
        self._stores: dict[tuple[tuple[str, str], ...], Store] = {}
        self.recalled = 0
        """Images whose work was in the cache, so far."""
        self.computed = 0
        """Images that the teacher was run on."""

    def store(self, **modes: str) -> Store:
        """Return the store of the teacher as it is run in these modes, as a precision."""
        key = tuple(sorted(modes.items()))
        found = self._stores.get(key)
        if found is None or found.closed:
            stored = {**modes, "stored": self.settings.form}
            digest = teacher_digest(self._detector, self._config, **stored)
            folder = CacheFolder(Path(self.settings.dir) / digest)
            about = {**self._about, **stored}
            found = self._stores[key] = Store.shared(folder, self.settings.bytes, about)
        return found

    def recall(
        self,
        metas: Sequence[Meta],
        device: torch.device,
        modes: Mapping[str, str],
        run: Callable[[list[int]], Batch],
    ) -> Answer | None:
        """Return the teacher's work on a batch; None where the content of an image is not known.

        Args:
            metas: meta information of each image, with the digest of its content.
            device: where the result is to lie.
            modes: how the teacher is run.
            run: runs the teacher on the images of these indices.
        """
        keys = [entry_key(meta) for meta in metas]
        known = [key for key in keys if key is not None]
        if not known or len(known) < len(keys):
            return None
        store, kind = self.store(**modes), self.entry_type
        entries = [None if raw is None else kind.decode(raw) for raw in map(store.get, known)]
        missing = [index for index, entry in enumerate(entries) if entry is None]
        found = len(keys) - len(missing)
        self.recalled += found
        store.hits += found
        self.computed += len(missing)
        store.misses += len(missing)
        batch = run(missing) if missing else None
        for place, index in enumerate(missing):
            assert batch is not None
            entries[index] = entry = self.made(batch, place, known[index])
            store.put(known[index], entry.encode())
        store.settle()
        whole = [entry for entry in entries if entry is not None]
        return kind.joined(whole, device)  # type: ignore[arg-type]  # all are of this kind

    @property
    def entry_type(self) -> type[Entry] | type[SparseEntry]:
        """The class of its entries."""
        return SparseEntry if self.settings.store == "sparse" else Entry

    def made(self, batch: Batch, image: int, key: bytes) -> Entry | SparseEntry:
        """Return the entry of an image that the teacher was run on; its key seeds a sample."""
        seed = int.from_bytes(key[:7], "big")
        return self.entry_type.of(batch, image, self.settings.precision, seed)
