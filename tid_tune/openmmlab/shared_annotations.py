"""The annotations of mmdet's COCO and VOC datasets, read once per process and content.

A dataset is made anew for every trial, with its own pipeline; what it read is copied from the
dataset of an earlier trial. The serialized records, which are nearly all of it, are not copied:
the datasets share one read-only array.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import pickle
from collections.abc import Hashable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tid_tune import warm
from tid_tune.openmmlab.datasets import dataset_form
from tid_tune.openmmlab.setup import mmdet_ready

with mmdet_ready():
    from mmdet.datasets.base_det_dataset import BaseDetDataset

_OWN = frozenset(("pipeline",))
"""What a dataset does not look at while it reads its annotations."""


@dataclass(frozen=True)
class _Read:
    """The attributes of a dataset after it has read its annotations."""

    arrays: dict[str, NDArray[Any]]
    others: bytes
    """Pickled: unpickling is the fastest way to copy them."""

    @classmethod
    def of(cls, dataset: Any) -> _Read:
        attributes = {k: v for k, v in vars(dataset).items() if k not in _OWN}
        arrays = {k: v for k, v in attributes.items() if isinstance(v, np.ndarray)}
        for array in arrays.values():
            array.setflags(write=False)
        others = {k: v for k, v in attributes.items() if k not in arrays}
        return cls(arrays, pickle.dumps(others, pickle.HIGHEST_PROTOCOL))

    def give_to(self, dataset: Any) -> None:
        vars(dataset).update(self.arrays | pickle.loads(self.others))


_ANNOTATIONS: warm.Store[_Read] = warm.Store(limit=4)
"""Training and validation data, of which each may be joined from two."""
_read_anew = BaseDetDataset.full_init


@contextlib.contextmanager
def shared_annotations() -> Iterator[None]:
    """Let the datasets that are built inside the block take what earlier ones have read.

    Datasets that read files in their own way, or files of another machine, read them as always.
    """
    BaseDetDataset.full_init = _full_init
    try:
        yield
    finally:
        BaseDetDataset.full_init = _read_anew


def _full_init(self: Any) -> None:
    if self._fully_initialized:
        return
    options = _options(self)

    def key() -> Hashable | None:
        files = None if options is None else _files(self)
        return None if files is None else (type(self), options, files)

    def build() -> _Read:
        _read_anew(self)
        return _Read.of(self)

    if key() is None:
        _read_anew(self)
    else:
        _ANNOTATIONS.get(key, build).give_to(self)


def _options(dataset: Any) -> str | None:
    """Return all that a dataset was made with, but for its pipeline; None if that is not known."""
    attributes = {k: v for k, v in vars(dataset).items() if k not in _OWN}
    elsewhere = (attributes.get("backend_args") or {}).get("backend", "local") != "local"
    if elsewhere or attributes.get("proposal_file") is not None:
        return None
    return warm.content_key(attributes)


def _files(dataset: Any) -> Hashable | None:
    """Return what changes when an annotation file does; None for files of an unknown form."""
    # A class from elsewhere may read more than its annotation file.
    ours = type(dataset).__module__.startswith("mmdet.")
    form = dataset_form({"type": type(dataset)}) if ours else None
    listing = warm.file_key(dataset.ann_file) if form else None
    if listing is None or form == "coco":
        return listing
    folder = Path(dataset.sub_data_root, dataset.ann_subdir)
    try:
        with os.scandir(folder) as entries:
            found = sorted(
                (entry.name, entry.stat().st_size, entry.stat().st_mtime_ns) for entry in entries
            )
    except OSError:
        return None
    return listing, hashlib.sha256(repr((str(folder), found)).encode()).hexdigest()
