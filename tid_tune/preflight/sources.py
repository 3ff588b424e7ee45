"""The datasets and annotation files that a config names, as mmdet will open them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from tid_tune.openmmlab.datasets import Form, dataset_classes, dataset_form
from tid_tune.preflight.findings import Finding, error
from tid_tune.searchfile.checks.data import local_paths, placed_datasets

Part = Literal["train", "val", "test"]


@dataclass(frozen=True)
class Source:
    """One annotation file, and what is read from it.

    Attributes:
        place: where the config names it, as messages show it: `train_dataloader.dataset`.
        path: the dotted path of the dataset's or the evaluator's dict.
        form: how mmdet reads it.
        annotations: the COCO json, or the VOC image list.
        images: the folder that its image names are relative to; for VOC, the folder of the year;
            None for an evaluator, which opens no image.
        classes: the class names that mmdet looks for.
        named: whether the config has the names; else they are those of the dataset's type.
        settings: the dataset's config; empty for the file of an evaluator.
    """

    place: str
    path: str
    form: Form
    annotations: Path
    images: Path | None
    classes: tuple[str, ...]
    named: bool
    settings: Mapping[str, object]

    @property
    def trains(self) -> bool:
        """Whether this is training data."""
        return self.place.startswith("train")


def dataset_sources(config: Mapping[str, object], part: Part) -> Iterator[Source | Finding]:
    """Yield the datasets of a dataloader whose files are local and whose form we know."""
    place = f"{part}_dataloader.dataset"
    for path, dataset in placed_datasets(config.get(f"{part}_dataloader"), f"{part}_dataloader"):
        form, paths = dataset_form(dataset), dict(local_paths(dataset))
        file = paths.get("annotation file")
        if form is None or file is None or not file.is_file() or _moved(dataset):
            continue
        try:
            classes = dataset_classes(dataset)
        except (TypeError, OSError, ValueError) as problem:
            yield error(f"{place}.metainfo cannot be used: {problem}", f"{path}.metainfo")
            continue
        fault = _classes_fault(dataset, classes)
        if fault is not None:
            yield error(f"{place}.{fault}", f"{path}.metainfo")
            continue
        prefix = _mapping(dataset.get("data_prefix")).get(
            "img" if form == "coco" else "sub_data_root"
        )
        images = Path(str(dataset.get("data_root") or ""), str(prefix or ""))
        named = "classes" in _mapping(dataset.get("metainfo"))
        names = tuple(map(str, classes)) if isinstance(classes, list | tuple) else ()
        yield Source(place, path, form, file, images, names, named, dataset)


def evaluator_sources(
    config: Mapping[str, object], part: Part, dataset: Source
) -> Iterator[Source]:
    """Yield the annotation files of COCO evaluators; they are given the dataset's class names."""
    evaluators = config.get(f"{part}_evaluator")
    for evaluator in evaluators if isinstance(evaluators, list | tuple) else [evaluators]:
        settings = _mapping(evaluator)
        kind = settings.get("type")
        name = kind.__name__ if isinstance(kind, type) else str(kind).rpartition(".")[2]
        file = settings.get("ann_file")
        if name in ("CocoMetric", "FastCocoMetric") and isinstance(file, str) and file:
            path = Path(file)
            if "://" not in file and path.is_file():
                place = f"{part}_evaluator"
                yield Source(place, place, "coco", path, None, dataset.classes, dataset.named, {})


def _classes_fault(dataset: Mapping[str, object], classes: object) -> str | None:
    """Return what is wrong with class names, beginning with `metainfo`, or None."""
    old = [key for key in _mapping(dataset.get("metainfo")) if key in ("CLASSES", "class", "names")]
    if old and "classes" not in _mapping(dataset.get("metainfo")):
        return f"metainfo has the key {old[0]!r}, which mmdet does not read; rename it to 'classes'"
    if isinstance(classes, str):
        return (
            f"metainfo.classes is the text {classes!r}; write a tuple of names, ({classes!r},), or "
            "the name of a text file with one name a line"
        )
    if not isinstance(classes, list | tuple) or not classes:
        return f"metainfo.classes is {classes!r}; write a tuple of class names"
    wrong = next((name for name in classes if not isinstance(name, str)), None)
    if wrong is not None:
        return f"metainfo.classes has {wrong!r}, which is not a text; class names are texts"
    twice = next((name for name in classes if classes.count(name) > 1), None)
    if twice is not None:
        return f"metainfo.classes has {twice!r} twice; mmdet finds classes by name, keep one"
    return None


def _moved(dataset: Mapping[str, object]) -> bool:
    """Whether a VOC dataset has its images or xml files in folders of other names."""
    usual = {"img_subdir": "JPEGImages", "ann_subdir": "Annotations"}
    return any(dataset.get(key, name) != name for key, name in usual.items())


def _mapping(value: object) -> Mapping[str, object]:
    return value if isinstance(value, Mapping) else {}
