"""What mmdet keeps of a dataset to train on: the rules of its CocoDataset and XMLDataset."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from tid_tune.data.table import Table
from tid_tune.openmmlab.datasets import Form

Mask = NDArray[np.bool_]


def usable_boxes(
    table: Table, form: Form, classes: tuple[str, ...], settings: Mapping[str, object]
) -> Mask:
    """Return which boxes a detector learns from: [M], ignored ones left out."""
    kept = np.isin(table.box_class, _labels(table, classes)) & ~table.crowd
    left, top, width, height = table.boxes.T
    if form == "voc":
        rules = settings.get("filter_cfg")
        least = rules.get("bbox_min_size") if isinstance(rules, Mapping) else None
        # mmdet's width is a pixel less: it takes 1 off all four edges.
        small = np.minimum(width, height) - 1 < (least or 0)
        mask: Mask = kept & ~small
        return mask
    image_width, image_height = table.sizes[table.box_image].T
    across = np.minimum(left + width, image_width) - np.maximum(left, 0)
    down = np.minimum(top + height, image_height) - np.maximum(top, 0)
    inside = (across > 0) & (down > 0)
    large = (table.areas > 0) & (width >= 1) & (height >= 1)
    trained: Mask = kept & ~table.untrained & inside & large
    return trained


def kept_images(
    table: Table, classes: tuple[str, ...], settings: Mapping[str, object]
) -> dict[str, Mask]:
    """Return which images pass each filter of a dataset's config: [N] by the key of the filter."""
    number = len(table.files)
    masks: dict[str, Mask] = {}
    rules = settings.get("filter_cfg")
    if isinstance(rules, Mapping) and not settings.get("test_mode"):
        if rules.get("filter_empty_gt"):
            # Any box of the classes counts here, also one that is not trained on.
            known = np.isin(table.box_class, _labels(table, classes))
            filled = np.bincount(table.box_image[known], minlength=number)
            masks["filter_cfg.filter_empty_gt"] = filled > 0
        least = rules.get("min_size", 0)
        if isinstance(least, int | float) and least:
            masks["filter_cfg.min_size"] = table.sizes.min(axis=1, initial=2**62) >= least
    chosen = settings.get("indices")
    if chosen is not None:
        # Indices count the images that the filters leave.
        left = np.flatnonzero(np.logical_and.reduce([np.ones(number, bool), *masks.values()]))
        taken = _taken(left, chosen)
        if taken is not None:
            masks["indices"] = np.isin(np.arange(number), taken)
    return masks


def _taken(images: NDArray[np.int64], chosen: object) -> NDArray[np.int64] | None:
    if isinstance(chosen, int):
        return images[:chosen] if chosen >= 0 else images[chosen:]
    if isinstance(chosen, list | tuple) and all(isinstance(index, int) for index in chosen):
        return images[[index for index in chosen if -len(images) <= index < len(images)]]
    return None


def _labels(table: Table, classes: tuple[str, ...]) -> list[int]:
    return [label for label, name in enumerate(table.classes) if name in classes]
