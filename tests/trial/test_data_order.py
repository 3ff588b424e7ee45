"""Order and augmentation are functions of seed and epoch; nothing else in the process matters."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch
from torch.utils.data import BatchSampler, DataLoader, Dataset, RandomSampler

from tid_tune.errors import DataError
from tid_tune.trial.data_order import ResumableBatches, mix, resumable, seeded


class Noisy(Dataset[Any]):
    """Returns its index and a draw from each process-wide generator."""

    scale = 1

    def __len__(self) -> int:
        return 7

    def __getitem__(self, index: int) -> tuple[float, ...]:
        draws = random.random(), float(np.random.rand()), float(torch.rand(()))
        return (index, *(self.scale * draw for draw in draws))


def loader(seed: int = 5, workers: int = 0) -> DataLoader[Any]:
    data = Noisy()
    batches = BatchSampler(RandomSampler(data), batch_size=2, drop_last=False)
    plain = DataLoader(data, batch_sampler=batches, num_workers=workers, collate_fn=list)
    return resumable(plain, seed)


def epoch(data_loader: DataLoader[Any], number: int, skip: int = 0) -> list[Any]:
    sampler: Any = data_loader.batch_sampler
    sampler.epoch, sampler.skip = number, skip
    return list(data_loader)


def test_an_epoch_has_every_image_once() -> None:
    indices = [item[0] for batch in epoch(loader(), 0) for item in batch]
    assert sorted(indices) == list(range(7))


def test_the_same_epoch_is_the_same_whatever_was_drawn_before() -> None:
    first = epoch(loader(), 3)
    random.random(), np.random.rand(9), torch.rand(5)
    again = loader()
    epoch(again, 1)
    assert epoch(again, 3) == first


def test_epochs_and_seeds_differ_in_order_and_in_augmentation() -> None:
    assert epoch(loader(), 0) != epoch(loader(), 1)
    assert epoch(loader(seed=6), 0) != epoch(loader(seed=5), 0)
    draws = {item[0]: item[1] for batch in epoch(loader(), 0) for item in batch}
    others = {item[0]: item[1] for batch in epoch(loader(), 1) for item in batch}
    assert all(draws[i] != others[i] for i in draws)


def test_a_skipped_start_leaves_the_rest_unchanged() -> None:
    assert epoch(loader(), 2, skip=3) == epoch(loader(), 2)[3:]


def test_workers_change_nothing() -> None:
    assert epoch(loader(workers=2), 2, skip=1) == epoch(loader(), 2, skip=1)


def test_loading_data_leaves_the_models_generators_alone() -> None:
    data_loader = loader()
    torch.manual_seed(0)
    before = torch.get_rng_state(), random.getstate(), np.random.get_state(legacy=False)
    epoch(data_loader, 0)
    assert torch.equal(before[0], torch.get_rng_state())
    assert before[1] == random.getstate()
    after = np.random.get_state(legacy=False)
    np.testing.assert_equal(before[2], after)


def test_attributes_are_those_of_the_dataset_inside() -> None:
    data_loader = loader()
    dataset: Any = data_loader.dataset
    dataset.scale = 0
    assert epoch(data_loader, 0)[0][0][1:] == (0, 0, 0)


def test_no_whole_batch_is_a_data_error() -> None:
    data = Noisy()
    batches = BatchSampler(RandomSampler(data), batch_size=8, drop_last=True)
    with pytest.raises(DataError, match="7 images"):
        resumable(DataLoader(data, batch_sampler=batches), 0)


def test_seeds_of_neighbours_are_unrelated_and_of_equals_equal() -> None:
    seeds = {mix(0, e, i) for e in range(30) for i in range(30)}
    assert len(seeds) == 900
    assert mix(1, 2) == mix(1, 2) != mix(2, 1)


def test_seeded_restores_after_an_error() -> None:
    state = random.getstate()
    with pytest.raises(RuntimeError), seeded(3):
        raise RuntimeError
    assert random.getstate() == state


def test_batches_are_drawn_one_by_one_from_the_same_generators() -> None:
    """A sampler that reads every image's record must not read all of them before the first step."""
    drawn: list[int] = []

    class Drawing(BatchSampler):
        def __iter__(self) -> Iterator[list[int]]:
            for number in range(5):
                drawn.append(number)
                yield [int(random.random() * 7), int(np.random.rand() * 7), int(torch.rand(()) * 7)]

        def __len__(self) -> int:
            return 5

    def batches(skip: int = 0) -> Iterator[list[int]]:
        inner = Drawing(RandomSampler(Noisy()), batch_size=3, drop_last=False)
        ours = ResumableBatches(inner, dataset_length=7, seed=2)
        ours.skip = skip
        return iter(ours)

    with seeded(mix(2, 0)):
        expected = list(Drawing(RandomSampler(Noisy()), batch_size=3, drop_last=False))
    drawn.clear()
    first = batches()
    found = [next(first)]
    assert drawn == [0]
    for batch in first:
        random.random(), np.random.rand(9), torch.rand(5)
        found.append(batch)
    assert found == expected
    assert list(batches(skip=3)) == expected[3:]
    assert list(batches(skip=5)) == []
