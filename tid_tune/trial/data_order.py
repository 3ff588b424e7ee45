"""The order and the augmentation of training images, as functions of the seed and the epoch alone.

mmengine draws augmentations from process-wide generators, so what a sample looks like depends on
everything drawn before it, and on the number of workers. Here every sample has its own seed: a
restored trial sees the same data, also when it goes on in the middle of an epoch.
"""

from __future__ import annotations

import contextlib
import random
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import islice
from typing import Any, Protocol

import numpy as np
import torch
from torch.utils.data import BatchSampler, DataLoader, Dataset, Sampler

from tid_tune import ranks
from tid_tune.errors import ConfigError, DataError
from tid_tune.openmmlab.detector_types import DetectionDataset
from tid_tune.openmmlab.registries import DATASETS

_INFINITE = {
    "InfiniteSampler": "DefaultSampler",
    "mmengine.InfiniteSampler": "mmengine.DefaultSampler",
}


def mix(*numbers: int) -> int:
    """Return a 32-bit seed made of `numbers`, unrelated to that of nearby numbers."""
    return int(np.random.SeedSequence(numbers).generate_state(1)[0])


Generators = tuple[Any, Any, torch.Tensor]


def generators() -> Generators:
    """Return the state of Python's, numpy's and torch's CPU generators."""
    return random.getstate(), np.random.get_state(), torch.get_rng_state()


@contextlib.contextmanager
def continued(drawn: Generators) -> Iterator[None]:
    """Set the generators to a state that `generators` returned; put them back after the block."""
    before = generators()
    _set(drawn)
    try:
        yield
    finally:
        _set(before)


@contextlib.contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Seed Python's, numpy's and torch's CPU generators inside the block; then put them back."""
    before = generators()
    random.seed(seed)
    np.random.seed(seed)
    # Not torch.manual_seed: that would seed the GPU's generators too, which are not put back.
    torch.default_generator.manual_seed(seed)
    try:
        yield
    finally:
        _set(before)


def _set(drawn: Generators) -> None:
    python, numpy, torch_state = drawn
    random.setstate(python)
    np.random.set_state(numpy)
    torch.set_rng_state(torch_state)


Mark = Callable[[object], object]


class Images(Protocol):
    """A dataset of a known length."""

    def __len__(self) -> int: ...

    def __getitem__(self, index: int, /) -> object: ...


class SeededDataset(Dataset[object]):
    """A dataset whose item `epoch * len + index` is item `index`, augmented for that epoch.

    `mark`, if given, adds something to each item.

    Everything else (`metainfo`, `pipeline`, ...) is read from and written to the dataset inside.
    """

    inner: Images
    seed: int
    mark: Mark | None

    def __init__(self, inner: Images, seed: int, mark: Mark | None = None) -> None:
        self.__dict__.update(inner=inner, seed=seed, mark=mark)

    def __len__(self) -> int:
        return len(self.inner)

    def __getitem__(self, code: int) -> object:
        epoch, index = divmod(code, len(self.inner))
        with seeded(mix(self.seed, epoch, index)):
            item = self.inner[index]
        return item if self.mark is None else self.mark(item)

    def __getattr__(self, name: str) -> object:
        if name in ("inner", "seed", "mark"):  # only while being unpickled
            raise AttributeError(name)
        return getattr(self.inner, name)

    def __setattr__(self, name: str, value: object) -> None:
        setattr(self.inner, name, value)


class ResumableBatches(Sampler[list[int]]):
    """The batches of one epoch from the middle on, with the epoch coded into every index.

    Set `epoch` and `skip` (batches already trained on) before iterating. Of several ranks, each
    gets its part of every batch of the one order.
    """

    def __init__(self, inner: BatchSampler, dataset_length: int, seed: int) -> None:
        self.inner, self.dataset_length, self.seed = inner, dataset_length, seed
        self.epoch = self.skip = 0
        self.idle: set[int] = set()
        """Batches of the epoch, by number, that have no image for this rank: it gets another's, and
        must add nothing."""

    @property
    def sampler(self) -> Iterable[int]:
        """The index sampler inside: mmengine's hooks look for it to set its epoch."""
        return self.inner.sampler

    @property
    def batch_size(self) -> int:
        """Images per batch, of all ranks."""
        return int(self.inner.batch_size)

    def __len__(self) -> int:
        return len(self.inner)

    def __iter__(self) -> Iterator[list[int]]:
        first = self.epoch * self.dataset_length
        self.idle = set()
        for number, batch in enumerate(self._drawn(), start=self.skip):
            part = batch[ranks.rank() :: ranks.count()]
            if not part:
                self.idle.add(number)
            yield [first + index for index in part or batch[:1]]

    def _drawn(self) -> Iterator[list[int]]:
        """Yield the batches one by one: some samplers read the records of all images in one."""
        # Samplers that draw from process-wide generators must give the same order when resumed.
        with seeded(mix(self.seed, self.epoch)):
            batches = islice(self.inner, len(self.inner))
            batch = next(islice(batches, self.skip, None), None)
            drawn = generators()
        while batch is not None:
            yield batch
            with continued(drawn):
                batch = next(batches, None)
                drawn = generators()


def finite_sampler(dataloader: Mapping[str, Any]) -> dict[str, object]:
    """Return a dataloader config whose sampler ends with the epoch.

    An infinite sampler has no epochs to resume in; the default one draws the same permutations.
    """
    sampler = dict(dataloader.get("sampler") or {"type": "DefaultSampler", "shuffle": True})
    if isinstance(sampler.get("type"), str):
        sampler["type"] = _INFINITE.get(sampler["type"], sampler["type"])
    return {**dataloader, "sampler": sampler}


def resumable(
    loader: DataLoader[object], seed: int, mark: Mark | None = None
) -> DataLoader[object]:
    """Return a loader like `loader`, of the same images, in an order that can be resumed.

    `mark`, if given, adds something to each item of the dataset.

    Raises:
        DataError: an epoch would have no batch.
    """
    inner: Any = loader.batch_sampler
    images: Any = loader.dataset
    if inner is None or len(inner) == 0:
        raise DataError(
            f"the training set has {len(images)} images after filtering, which is not one whole "
            "batch; lower train_dataloader.batch_size or add images"
        )
    return DataLoader(
        SeededDataset(images, seed, mark),
        batch_sampler=ResumableBatches(inner, len(images), seed),
        num_workers=loader.num_workers,
        collate_fn=loader.collate_fn,
        pin_memory=loader.pin_memory,
        timeout=loader.timeout,
        worker_init_fn=loader.worker_init_fn,
        multiprocessing_context=loader.multiprocessing_context,
        # Its own generator: opening an epoch must not draw from the model's.
        generator=torch.Generator(),
        prefetch_factor=loader.prefetch_factor,
        persistent_workers=loader.persistent_workers,
    )


def reduced(dataset: Mapping[str, object], fraction: float, seed: int) -> DetectionDataset:
    """Build a dataset from its config and keep a random `fraction` of its images, at least one.

    With the same seed, a smaller part lies within a larger one.

    Raises:
        ConfigError: it is a dataset of several datasets, which mmengine cannot reduce.
    """
    built: DetectionDataset = DATASETS.build(dataset)
    built.full_init()
    count = max(1, round(fraction * len(built)))
    order = np.random.default_rng(mix(seed)).permutation(len(built))
    try:
        built.get_subset_(sorted(order[:count].tolist()))
    except NotImplementedError as error:
        raise ConfigError(
            f"{type(built).__name__} cannot be reduced to a fraction of its images, as the "
            "scheduler's `fidelity: data` asks; use one dataset, or `fidelity: epochs`"
        ) from error
    return built
