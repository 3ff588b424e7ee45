"""How many views of an image a training pipeline makes; torch-free.

What a view is valid for does not depend on this: an entry is found by the digest of the pixels.
This tells whether the entries of a training set can fit.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tid_tune.words import counted

ONE_VIEW = frozenset(
    (
        "FilterAnnotations",
        "FixScaleResize",
        "FixShapeResize",
        "LoadAnnotations",
        "LoadImageFromFile",
        "Normalize",
        "PackDetInputs",
        "Pad",
        "Resize",
        "ResizeShortestEdge",
    )
)
"""mmdet's transforms that make the same of the same image."""


Step = Mapping[str, Any]
"""A transform in a pipeline's config."""


class Endless(Exception):
    """A pipeline makes another image each time; the text says which transform does."""


def count_views(pipeline: Sequence[Step]) -> int:
    """Count the views that a pipeline makes of one image.

    Raises:
        Endless: there is no such number.
    """
    return math.prod(len(_choices(step)) for step in pipeline)


def view(pipeline: Sequence[Step], number: int) -> list[Step]:
    """Return the pipeline that makes one of the views alone; numbers go round.

    Raises:
        Endless: they cannot be counted.
    """
    fixed = []
    for step in pipeline:
        choices = _choices(step)
        number, chosen = divmod(number, len(choices))
        fixed.append(choices[chosen])
    return fixed


def _choices(step: Step) -> Sequence[Step]:
    """Return a transform as one transform for each view that it makes."""
    kind = step.get("type")
    name = kind.rpartition(".")[2] if isinstance(kind, str) else getattr(kind, "__name__", "")
    if name in ONE_VIEW:
        return [step]
    if name not in _CHOICES:
        raise Endless(f"{name} makes another image each time")
    return _CHOICES[name](step)


def _flips(step: Step) -> list[Step]:
    prob, direction = step.get("prob"), step.get("direction", "horizontal")
    directions = list(direction) if isinstance(direction, list | tuple) else [direction]
    each = list(prob) if isinstance(prob, list | tuple) else [(prob or 0) / len(directions)]
    each = each if len(each) == len(directions) else each * len(directions)
    flipped = [d for d, share in zip(directions, each, strict=True) if share > 0]
    found: list[Step] = [{**step, "prob": 1.0, "direction": direction} for direction in flipped]
    never: Step = {**step, "prob": 0.0, "direction": "horizontal"}
    return found if sum(each) > 1 - 1e-9 else [never, *found]


def _scales(step: Step) -> list[Step]:
    scales = {tuple(scale): None for scale in _sizes(step.get("scales"))}
    return [{**step, "scales": [scale]} for scale in scales]


def _random_scale(step: Step) -> list[Step]:
    low, high = step.get("ratio_range") or (1.0, 1.0)
    if len(set(map(tuple, _sizes(step.get("scale"))))) == 1 and low == high:
        return [step]
    raise Endless("RandomResize draws the size from a range")


def _sizes(value: object) -> list[Sequence[int]]:
    items = list(value) if isinstance(value, list | tuple) else []
    return items if items and isinstance(items[0], list | tuple) else [items]


_CHOICES: Mapping[str, Callable[[Step], Sequence[Step]]] = {
    "RandomChoiceResize": _scales,
    "RandomFlip": _flips,
    "RandomResize": _random_scale,
}


@dataclass(frozen=True)
class Estimate:
    """What the entries of a training set take on the disk."""

    images: int
    views: int
    entry: int
    """Bytes of one entry."""
    several_shapes: bool
    """Whether the size of a batch depends on which images are in it."""

    @property
    def bytes(self) -> int:
        """All of them."""
        return self.images * self.views * self.entry

    def text(self) -> str:
        """Return the product in words."""
        what = counted(self.views, "view")
        if self.several_shapes:
            what = f"{counted(self.views, 'epoch')} (each batch pads its images to their largest)"
        return (
            f"{counted(self.images, 'image')} x {what} x {self.entry / 2**20:.3g} MiB "
            f"= {self.bytes / 2**30:.3g} GiB"
        )
