"""What mmdet will make of a dataset's config: its form and its class names; reads no data."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from tid_tune.openmmlab.registries import DATASETS
from tid_tune.openmmlab.setup import mmdet_ready, quiet

with mmdet_ready():
    from mmdet.datasets import CocoDataset, XMLDataset

Form = Literal["coco", "voc"]

_READERS: dict[type, Form] = {CocoDataset: "coco", XMLDataset: "voc"}


def dataset_class(config: Mapping[str, object]) -> type | None:
    """Return the class of a dataset's `type`, a name or a class; None if there is no such class."""
    kind = config.get("type")
    if isinstance(kind, str):
        found = DATASETS.get(kind)
        return found if isinstance(found, type) else None
    return kind if isinstance(kind, type) else None


def dataset_form(config: Mapping[str, object]) -> Form | None:
    """Return how the dataset reads its annotations; None where it does so in its own way.

    Classes derived from mmdet's CocoDataset and XMLDataset count unless they read files themselves.
    """
    kind = dataset_class(config)
    for reader, form in _READERS.items():
        if kind is not None and issubclass(kind, reader):
            same = all(
                getattr(kind, name) is getattr(reader, name)
                for name in ("load_data_list", "parse_data_info", "filter_data")
            )
            return form if same else None
    return None


def dataset_classes(config: Mapping[str, object]) -> object:
    """Return `metainfo['classes']` as the dataset will have it, of whatever type it is.

    mmdet takes the names of the dataset's type where the config has none, and reads a text as the
    name of a file with one class a line.

    Raises:
        TypeError: `metainfo` is not a dict.
        OSError: the file of the classes cannot be read.
    """
    kind = dataset_class(config)
    load = getattr(kind, "_load_metainfo", None)
    if load is None:
        return None
    with quiet():
        return load(config.get("metainfo")).get("classes")
