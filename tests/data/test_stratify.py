from __future__ import annotations

from collections import Counter
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tid_tune.data.stratify import choose, choose_nested

image_labels = st.lists(st.integers(0, 6), unique=True, max_size=4).map(tuple)
label_lists = st.lists(image_labels, min_size=1, max_size=60)
both = pytest.mark.parametrize("pick", [choose, choose_nested])


def long_tailed(images: int, classes: int, seed: int) -> list[tuple[int, ...]]:
    """Label sets like those of real data: several an image, class k 1/(k+1) as often as class 0."""
    rng = np.random.default_rng(seed)
    odds = 1 / np.arange(1, classes + 1)
    odds /= odds.sum()
    drawn = (rng.choice(classes, int(rng.integers(0, 6)), p=odds) for _ in range(images))
    return [tuple(sorted(set(labels.tolist()))) for labels in drawn]


def misses(labels: list[tuple[int, ...]], chosen: list[int]) -> dict[int, float]:
    """How far each label's count among the chosen is from its share."""
    total = Counter(label for shown in labels for label in shown)
    got = Counter(label for index in chosen for label in labels[index])
    share = len(chosen) / len(labels)
    return {label: abs(got[label] - share * total[label]) for label in total}


@both
@given(labels=label_lists, seed=st.integers(0, 9), data=st.data())
@settings(max_examples=60, deadline=None)
def test_exactly_as_many_images_as_asked_for_each_once(
    pick: Callable[..., list[int]], labels: list[tuple[int, ...]], seed: int, data: st.DataObject
) -> None:
    count = data.draw(st.integers(0, len(labels)))
    chosen = pick(labels, count, seed)
    assert len(chosen) == len(set(chosen)) == count
    assert chosen == sorted(chosen)
    assert set(chosen) <= set(range(len(labels)))
    assert pick(labels, count, seed) == chosen


@given(labels=label_lists, seed=st.integers(0, 9), data=st.data())
@settings(max_examples=60, deadline=None)
def test_a_smaller_choice_is_part_of_a_larger_one(
    labels: list[tuple[int, ...]], seed: int, data: st.DataObject
) -> None:
    small = data.draw(st.integers(0, len(labels)))
    large = data.draw(st.integers(small, len(labels)))
    assert set(choose_nested(labels, small, seed)) <= set(choose_nested(labels, large, seed))


@given(
    sizes=st.lists(st.integers(1, 25), min_size=1, max_size=8),
    seed=st.integers(0, 9),
    share=st.floats(0.05, 0.95),
)
@settings(max_examples=60, deadline=None)
def test_one_label_an_image_is_kept_to_within_two_images_of_its_share(
    sizes: list[int], seed: int, share: float
) -> None:
    labels: list[tuple[int, ...]] = [
        (label,) for label, size in enumerate(sizes) for _ in range(size)
    ]
    chosen = choose(labels, round(share * len(labels)), seed)
    assert max(misses(labels, chosen).values()) <= 2


@both
@pytest.mark.parametrize("share", [0.03, 0.1, 0.5, 0.8])
@pytest.mark.parametrize("seed", range(3))
def test_shares_of_many_labels_are_kept_far_better_than_by_chance(
    pick: Callable[..., list[int]], share: float, seed: int
) -> None:
    labels = long_tailed(3000, 40, seed)
    count = round(share * len(labels))
    missed = misses(labels, pick(labels, count, seed))
    assert max(missed.values()) <= (2.5 if pick is choose else 6)
    chance = np.random.default_rng(seed).permutation(len(labels))[:count].tolist()
    by_chance = misses(labels, chance)
    assert sum(missed.values()) < 0.6 * sum(by_chance.values())


@both
def test_another_seed_chooses_other_images(pick: Callable[..., list[int]]) -> None:
    labels = long_tailed(200, 10, 0)
    assert pick(labels, 50, 0) != pick(labels, 50, 1)


@both
@pytest.mark.parametrize("count", [-1, 4])
def test_more_images_than_there_are_cannot_be_chosen(
    pick: Callable[..., list[int]], count: int
) -> None:
    with pytest.raises(ValueError, match=f"count is {count}; there are 3 images"):
        pick([(0,), (1,), ()], count, 0)
