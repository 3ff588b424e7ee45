"""Fill the cache of a config's teacher ahead of the training, and compare it with the teacher."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from tid_tune.device import pick_device
from tid_tune.distill.cache.content import entry_key
from tid_tune.distill.cache.entries import Array, Entry
from tid_tune.distill.cache.settings import CACHE_PATH
from tid_tune.distill.cache.store import Store
from tid_tune.distill.cache.views import Endless, Estimate, view
from tid_tune.distill.distiller import Distiller
from tid_tune.distill.teacher import Teacher
from tid_tune.errors import ConfigError
from tid_tune.openmmlab.configs import Config, ConfigDict, load_config
from tid_tune.openmmlab.detector_types import Instances, Meta
from tid_tune.openmmlab.models import unpack_gt_instances
from tid_tune.openmmlab.setup import prepare, quiet
from tid_tune.trial.assembly import assemble
from tid_tune.trial.data_order import ResumableBatches
from tid_tune.trial.runner import TrialRunner
from tid_tune.trial.teacher_cache import (
    dataset_views,
    estimate_entries,
    pipelines,
    require_room,
)

TOLERANCES = {"float16": 1e-3, "float32": 1e-4}
"""Of a difference to the largest value of a map: the stored precision, or the kernels' rounding."""
EVIDENCE_TOLERANCE = 1e-3

Watcher = Callable[[int, int], None]
"""Is told how many images are done, of how many."""


@dataclass(frozen=True)
class Prepared:
    """A batch as the teacher is given it."""

    inputs: Tensor
    instances: Sequence[Instances]
    metas: Sequence[Meta]


@dataclass(frozen=True)
class Filled:
    """What there is after a cache was filled."""

    store: Store
    estimate: Estimate
    new: int
    """Entries that were made."""


@dataclass(frozen=True)
class Compared:
    """Entries beside what the teacher makes of the same images now."""

    images: int
    maps: float
    """Largest difference, relative to the largest value of the same map."""
    evidence: float
    """Largest difference of an IoU or a probability."""
    tolerance: float

    @property
    def agree(self) -> bool:
        """Whether the differences are those of the stored precision."""
        return self.maps <= self.tolerance and self.evidence <= EVIDENCE_TOLERANCE


@torch.no_grad()
def fill(work: CacheWork, watcher: Watcher = lambda done, total: None) -> Filled:
    """Pass all views of a training set through the teacher, unless they are in the cache.

    Where batches are padded to their largest image, an image has another padding in each: then the
    batches of the training of this seed and length are followed.

    Raises:
        ConfigError: the config has no cache, or one that is off, with the reason.
    """
    views = work.views()
    done = new = 0
    for number in range(views):
        with work.assembled(number) as (runner, model, store):
            estimate = work.estimate(runner, model)
            rounds = work.epochs if estimate.several_shapes else 1
            before = store.misses
            for batch in _batches(runner, rounds):
                _teacher(model).batch(batch.inputs, batch.instances, batch.metas)
                done += len(batch.metas)
                watcher(done, estimate.images * rounds * views)
            store.flush()
            new += store.misses - before
    return Filled(store, estimate, new)


@torch.no_grad()
def verify(work: CacheWork, images: int) -> Compared:
    """Compare entries of the cache with what the teacher makes of the same images now.

    Args:
        work: the config.
        images: so many entries are compared, if there are as many.

    Raises:
        ConfigError: the config has no cache, or one that is off, with the reason.
    """
    found, maps, evidence = 0, 0.0, 0.0
    with work.assembled() as (runner, model, store):
        teacher = _teacher(model)
        for batch in _batches(runner, work.epochs):
            stored = [_entry(store, meta) for meta in batch.metas]
            if not any(stored):
                continue
            live, shown = teacher.work(batch.inputs, batch.instances, batch.metas)
            for index, entry in enumerate(stored):
                if entry is None:
                    continue
                now = Entry.of(live, shown, index, "float32")
                maps = max(maps, *map(_difference, entry.maps, now.maps))
                evidence = max(evidence, entry.distance(now))
                found += 1
            if found >= images:
                break
        precision = str(store.folder.about.get("stored"))
    return Compared(found, maps, evidence, TOLERANCES[precision])


@dataclass(frozen=True)
class CacheWork:
    """A training whose cache is worked on: a config with its edits, as a trial has them."""

    config: Path
    params: Mapping[str, object]
    seed: int
    epochs: int
    device: str = "auto"

    def views(self) -> int:
        """Return the number of views of an image.

        Raises:
            ConfigError: there is no such number.
        """
        try:
            return dataset_views(self._loaded().train_dataloader["dataset"])
        except Endless as error:
            raise ConfigError(f"the teacher's cache of {self.config} is off: {error}") from None

    def estimate(self, runner: TrialRunner, model: Distiller) -> Estimate:
        """Return what all views take.

        Raises:
            ConfigError: they do not fit, or cannot be counted.
        """
        dataset = self._loaded().train_dataloader["dataset"]
        loader = runner.train_loop.dataloader
        assert model.teacher_cache is not None
        try:
            estimate = estimate_entries(model, runner.cfg, dataset, loader, self.epochs)
            require_room(estimate, model.teacher_cache.settings)
        except (ConfigError, Endless) as error:
            raise ConfigError(f"the teacher's cache of {self.config} is off: {error}") from None
        return estimate

    @contextmanager
    def assembled(
        self, number: int | None = None
    ) -> Iterator[tuple[TrialRunner, Distiller, Store]]:
        """Build the training, with the view of this number alone if there is one."""
        config = self._loaded()
        if number is not None:
            for pipeline in pipelines(config.train_dataloader["dataset"]):
                pipeline[:] = [ConfigDict(step) for step in view(pipeline, number)]
        with tempfile.TemporaryDirectory() as folder:
            with quiet():
                runner = assemble(
                    config,
                    seed=self.seed,
                    epochs=self.epochs,
                    work_dir=Path(folder),
                    device=pick_device(self.device),
                    fresh=True,
                )
            model: object = runner.detector
            if not isinstance(model, Distiller) or model.teacher_cache is None:
                raise ConfigError(
                    f"{self.config} has no cache of a teacher's work; add a section `cache` to the "
                    f"search file, or {CACHE_PATH} to the config"
                )
            if not model.uses_cache:
                self.estimate(runner, model)
            modes = _teacher(model).modes(runner.device.type)
            try:
                yield runner, model, model.teacher_cache.store(**modes)
            finally:
                runner.train_loop.stop_workers()

    def _loaded(self) -> Config:
        prepare()
        return load_config(self.config, self.params)


def _teacher(model: Distiller) -> Teacher:
    assert model._teacher is not None
    return model._teacher


def _batches(runner: TrialRunner, epochs: int) -> Iterator[Prepared]:
    """Yield the batches of some epochs as the teacher is given them."""
    loader = runner.train_loop.dataloader
    order = loader.batch_sampler
    assert isinstance(order, ResumableBatches)
    for order.epoch in range(epochs):
        for data in loader:
            prepared = runner.detector.data_preprocessor(data, True)
            instances, _, metas = unpack_gt_instances(prepared["data_samples"])
            yield Prepared(prepared["inputs"], instances, metas)


def _entry(store: Store, meta: Meta) -> Entry | None:
    key = entry_key(meta)
    stored = None if key is None else store.get(key)
    return None if stored is None else Entry.decode(stored)


def _difference(stored: Array, live: Array) -> float:
    """Return the largest difference of two maps, relative to the largest value of the second."""
    if stored.shape != live.shape:
        return np.inf
    scale = max(float(np.abs(live).max()), 1e-12)
    return float(np.abs(stored.astype(np.float32) - live).max()) / scale
