"""Choose images so that every class keeps its share: pure functions of labels and a seed.

Images have several labels each. As in iterative stratification (Sechidis, Tsoumakas and Vlahavas
2011, "On the stratification of multi-label data"), images with the rarest labels are dealt out
first, because the frequent labels can still be balanced afterwards. How an image is dealt out is
ours: so as to keep all its labels and the number of images balanced at once, in one pass.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np

Labels = Sequence[tuple[int, ...]]
"""The distinct labels of each image; an image without any counts as an image only."""


def choose(labels: Labels, count: int, seed: int) -> list[int]:
    """Choose `count` images, ascending indices; the classes have the same shares in both parts.

    Raises:
        ValueError: `count` is not between 0 and the number of images.
    """
    _within(labels, count)
    return sorted(_deal(labels, range(len(labels)), count, np.random.default_rng([seed, 0])))


def choose_nested(labels: Labels, count: int, seed: int) -> list[int]:
    """Choose `count` images like `choose`, such that a smaller choice is part of a larger one.

    The images are halved again and again; a choice is the first halves that fit. It can miss a
    class's share by one image for each halving, so `choose` is a little closer.

    Raises:
        ValueError: `count` is not between 0 and the number of images.
    """
    _within(labels, count)
    chosen: list[int] = []
    rest: Sequence[int] = range(len(labels))
    path = 1  # the way down to `rest` as binary digits; which halves exist does not hang on `count`
    while count:
        if count == len(rest):
            chosen += rest
            break
        rng = np.random.default_rng([seed, 1, path])
        first = _deal(labels, rest, (len(rest) + 1) // 2, rng)
        if count < len(first):
            rest, path = first, 2 * path
        else:
            chosen += first
            count -= len(first)
            taken = set(first)
            rest, path = [index for index in rest if index not in taken], 2 * path + 1
    return sorted(chosen)


def _within(labels: Labels, count: int) -> None:
    if not 0 <= count <= len(labels):
        raise ValueError(f"count is {count}; there are {len(labels)} images")


def _deal(
    labels: Labels, members: Sequence[int], count: int, rng: np.random.Generator
) -> list[int]:
    """Choose `count` of `members` so that each label, and the number of images, is in proportion.

    An image is taken if that brings the lacks of its labels closer to zero in the sum of squares,
    where the lack of a label is what its share of the images seen so far exceeds those taken by.
    """
    mixed = [members[position] for position in rng.permutation(len(members)).tolist()]
    counts = Counter(label for index in mixed for label in labels[index])
    mixed.sort(
        key=lambda index: min((counts[label] for label in labels[index]), default=len(mixed))
    )
    share = count / len(members)
    lacks = dict.fromkeys(counts, 0.0)
    lack_of_images = 0.0
    chosen: list[int] = []
    for position, index in enumerate(mixed):
        room = count - len(chosen)
        shown = labels[index]
        pull = lack_of_images + sum(lacks[label] for label in shown)
        pull += (share - 0.5) * (len(shown) + 1)
        take = room == len(mixed) - position or (room > 0 and pull > 0)
        if take:
            chosen.append(index)
        change = share - take
        lack_of_images += change
        for label in shown:
            lacks[label] += change
    return chosen
