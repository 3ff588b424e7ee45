"""Fill the cache of a config's teacher ahead of the training, and compare it with the teacher."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from tid_tune.device import pick_device
from tid_tune.distill.cache.content import entry_key
from tid_tune.distill.cache.sparse import SparseEntry
from tid_tune.distill.cache.store import Store
from tid_tune.distill.cache.views import Endless, Estimate, view
from tid_tune.distill.context import Context, View
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
DRAWS = 32
"""Samples that the error of sparse entries is measured with."""

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

    @property
    def sparse(self) -> bool:
        """Whether entries hold only some points."""
        return str(self.store.folder.about.get("stored")).endswith("sparse")


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
        teacher, cache = _teacher(model), model.teacher_cache
        assert cache is not None
        for batch in _batches(runner, work.epochs):
            keys = [entry_key(meta) for meta in batch.metas]
            stored = [None if key is None else store.get(key) for key in keys]
            if not any(stored):
                continue
            live = teacher.work(batch.inputs, batch.instances, batch.metas)
            for index, (key, raw) in enumerate(zip(keys, stored, strict=True)):
                if key is None or raw is None:
                    continue
                entry = cache.entry_type.decode(raw)
                difference = np.inf, np.inf
                if entry is not None:
                    difference = entry.difference(cache.made(live, index, key), live, index)
                maps, evidence = max(maps, difference[0]), max(evidence, difference[1])
                found += 1
            if found >= images:
                break
    return Compared(found, maps, evidence, TOLERANCES[cache.settings.precision])


@torch.no_grad()
def sampling_errors(work: CacheWork) -> dict[str, tuple[float, float]]:
    """Return, for each term of the loss, bias and standard deviation by sparse entries.

    Both are relative to the term with whole maps, for one batch and the student as it starts, over
    `DRAWS` samples; of the bias, as a mean of so many, a part is chance.
    """
    with work.assembled() as (runner, model, _):
        batch = next(_batches(runner, 1))
        whole = _teacher(model).work(batch.inputs, batch.instances, batch.metas)
        features = model.student.extract_feat(batch.inputs)
        seen = View(model.student, model._student_head, features, model.bbox_head(features))
        full = model.method(Context(whole, seen, 0, 0)).logs
        drawn: dict[str, list[float]] = {name: [] for name in full if name.endswith("_raw")}
        for draw in range(DRAWS):
            entries = [SparseEntry.of(whole, i, "float32", draw) for i in range(len(batch.metas))]
            answer = SparseEntry.joined(entries, batch.inputs.device)
            view = replace(whole.teacher, features=answer.features)
            part = replace(whole, teacher=view, recorded=answer.evidence, sampled=answer.sampled)
            for name, values in drawn.items():
                values.append(float(model.method(Context(part, seen, 0, 0)).logs[name]))
    return {
        name.removeprefix("distill/").removesuffix("_raw"): (
            float(np.mean(values) / full[name]) - 1,
            float(np.std(values, ddof=1) / full[name]),
        )
        for name, values in drawn.items()
        if full[name] > 0
    }


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
                    f"{self.config}: model is no Distiller with a method that has a teacher, so "
                    "there is nothing to cache"
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
