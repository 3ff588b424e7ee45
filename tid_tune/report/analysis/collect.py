"""Run a detector over a split of its config's data and collect ground truth and detections."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch

from tid_tune.data.coco import load_document
from tid_tune.errors import ConfigError, DataError
from tid_tune.openmmlab.configs import Config
from tid_tune.openmmlab.detector_types import (
    DetectionDataset,
    DetectionLoader,
    Detector,
    InstanceInfo,
    Sample,
)
from tid_tune.openmmlab.runner import Runner
from tid_tune.openmmlab.setup import prepare, quiet
from tid_tune.report.analysis.columns import (
    Detections,
    Floats,
    ImageId,
    Ints,
    Truth,
    corners_to_sides,
    truth_from_coco,
    truth_from_instances,
)
from tid_tune.searchfile.checks.data import annotation_files

Columns = tuple[Floats, Floats, Ints]
"""Corners [D, 4], scores [D] and labels [D] of one image's detections."""

Split = Literal["val", "test"]
Watch = Callable[[int, int], None]
"""Called with the number of images that are done, and of all images."""


@dataclass(frozen=True)
class Collected:
    """A detector's output on a split.

    `voc` says that the config evaluates by VOC's rules; `files` are those of the images of `truth`,
    empty texts where they are unknown, and `total` is the number of images of the split.
    """

    truth: Truth
    detections: Detections
    voc: bool
    files: tuple[str, ...]
    total: int


def collect(
    detector: Detector,
    config: Config,
    split: Split,
    limit: int | None,
    watch: Watch = lambda done, total: None,
) -> Collected:
    """Run `detector`, in evaluation mode, over the config's dataloader of `split`.

    At most the first `limit` images are used, and the ground truth is that of the images used.

    Raises:
        ConfigError: the config has no such dataloader.
        DataError: the data cannot be read.
    """
    loader = _build_loader(config, split)
    dataset = loader.dataset
    truth, voc = _truth(config, split, dataset)
    index_of = {image_id: index for index, image_id in enumerate(truth.image_ids)}
    columns: dict[int, Columns] = {}
    files: dict[int, str] = {}
    total = min(len(dataset), limit or len(dataset))
    watch(0, total)
    for sample in _samples(detector, loader, limit):
        index = index_of.get(sample.img_id)
        if index is None:
            raise DataError(
                f"image {sample.img_id!r} of the {split} split is not in the annotations that "
                f"`{split}_evaluator` names"
            )
        found = sample.pred_instances
        columns[index] = tuple(
            getattr(found, name).detach().cpu().numpy() for name in ("bboxes", "scores", "labels")
        )
        files[index] = str(sample.metainfo.get("img_path", ""))
        watch(len(columns), total)
    if not columns:
        raise DataError(f"the {split} split has no images")
    used = np.array(sorted(columns), dtype=np.int64)
    places = used
    # Without a limit all images of the annotations count, as in CocoMetric, found or not.
    if limit is not None:
        truth, places = truth.only(used), np.arange(len(used))
    images = range(len(truth.image_ids)) if limit is None else used.tolist()
    return Collected(
        truth,
        _stack(places, [columns[index] for index in used.tolist()]),
        voc,
        tuple(files.get(index, "") for index in images),
        len(dataset),
    )


def _stack(images: Ints, columns: list[Columns]) -> Detections:
    lengths = [len(scores) for _, scores, _ in columns]
    corners = np.concatenate([boxes for boxes, _, _ in columns]).astype(np.float64)
    return Detections(
        np.repeat(images, lengths),
        np.concatenate([labels for _, _, labels in columns]).astype(np.int64),
        corners_to_sides(corners.reshape(-1, 4)),
        np.concatenate([scores for _, scores, _ in columns]).astype(np.float64),
    )


def _samples(detector: Detector, loader: DetectionLoader, limit: int | None) -> Iterator[Sample]:
    count = 0
    for batch in loader:
        with torch.no_grad():
            results = detector.test_step(batch)
        for sample in results:
            if limit is not None and count >= limit:
                return
            count += 1
            yield sample


def _build_loader(config: Config, split: Split) -> DetectionLoader:
    prepare()
    settings = config.get(f"{split}_dataloader")
    if not settings:
        raise ConfigError(
            f"{config.filename or 'the config'} has no `{split}_dataloader`, so there is no "
            f"{split} split to evaluate"
        )
    try:
        with quiet():
            loader: DetectionLoader = Runner.build_dataloader(settings, seed=0)
            return loader
    except FileNotFoundError as error:
        raise DataError(
            f"the {split} split cannot be read: {error}. Paths in a config are relative to the "
            "current folder."
        ) from error


def annotation_file(config: Config, split: Split) -> Path | None:
    """Return the file that detections are compared with: the evaluator's, or else the dataset's."""
    found = _evaluator_file(config, split)
    if found is not None:
        return found
    files = annotation_files(config, [f"{split}_dataloader"])
    return next((path for _, path in files), None)


def _truth(config: Config, split: Split, dataset: DetectionDataset) -> tuple[Truth, bool]:
    voc = any(evaluator.get("type") == "VOCMetric" for evaluator in _evaluators(config, split))
    classes = dataset.metainfo["classes"]
    path = _evaluator_file(config, split)
    if path is not None:
        return truth_from_coco(load_document(path, polygons=False), classes), voc
    return truth_from_instances(_records(dataset), classes), voc


def _evaluators(config: Config, split: Split) -> Sequence[Mapping[str, Any]]:
    found = config.get(f"{split}_evaluator") or ()
    return (found,) if isinstance(found, Mapping) else found


def _evaluator_file(config: Config, split: Split) -> Path | None:
    files = [evaluator.get("ann_file") for evaluator in _evaluators(config, split)]
    return next((Path(file) for file in files if file), None)


def _records(dataset: DetectionDataset) -> Iterator[tuple[ImageId, Sequence[InstanceInfo]]]:
    for index in range(len(dataset)):
        record = dataset.get_data_info(index)
        yield record["img_id"], record["instances"]
