"""Single images of a data set with their objects, as a detector is given them."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import Any

import numpy as np
from torch import Tensor, nn

from tid_tune.openmmlab.detector_types import DetectionDataset, Instances, Meta
from tid_tune.openmmlab.models import data_sample


@dataclass(frozen=True)
class FixedImage:
    """One image.

    Attributes:
        index: in the data set.
        pixels: (H, W, 3) uint8, RGB: the network's input before normalization and padding.
        inputs: (1, 3, H', W') preprocessed, with padding.
        instances: its objects, in pixels of the input; those to be ignored are left out.
        meta: mmdet's.
    """

    index: int
    pixels: np.ndarray
    inputs: Tensor
    instances: Instances
    meta: Meta


def choose_images(dataset: DetectionDataset, count: int) -> list[int]:
    """Return the indices of `count` images with objects, spread evenly; all, if there are fewer.

    Of each of the `count` equal parts of the data set, the first image with an object is taken.
    """
    total = len(dataset)
    bounds = [total * part // count for part in range(count + 1)]
    found = []
    for first, last in itertools.pairwise(bounds):
        places = (index for index in range(first, last) if _objects(dataset, index))
        found += list(next(([index] for index in places), []))
    return found


def load_image(dataset: DetectionDataset, index: int, model: nn.Module) -> FixedImage:
    """Return an image of a data set as it is evaluated, with its objects.

    A pipeline of an evaluation resizes the image but not the objects, if it has them at all: they
    are taken from the annotations, and scaled as the image is.
    """
    item: Any = dataset[index]
    preprocessor: Any = model.data_preprocessor
    batch = {"inputs": [item["inputs"]], "data_samples": [item["data_samples"]]}
    prepared = preprocessor(batch, False)
    inputs, meta = prepared["inputs"], prepared["data_samples"][0].metainfo
    width, height = meta.get("scale_factor", (1.0, 1.0))
    rows = _objects(dataset, index)
    boxes = [np.multiply(row["bbox"], (width, height, width, height)).tolist() for row in rows]
    shape = (int(meta["img_shape"][0]), int(meta["img_shape"][1]))
    sample: Any = data_sample(boxes, [row["bbox_label"] for row in rows], shape, shape)
    pixels = item["inputs"].permute(1, 2, 0).numpy()
    return FixedImage(
        index,
        np.ascontiguousarray(pixels[..., ::-1]),
        inputs,
        sample.gt_instances.to(inputs.device),
        meta,
    )


def _objects(dataset: DetectionDataset, index: int) -> list[Any]:
    instances = dataset.get_data_info(index)["instances"]
    return [row for row in instances if not row.get("ignore_flag", 0)]
