"""What mmdet will make of a dataset's config: its form and its class names; reads no data."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from tid_tune.openmmlab.registries import DATASETS
from tid_tune.openmmlab.setup import mmdet_ready, quiet

with mmdet_ready():
    from mmdet.datasets import (
        CocoDataset,
        CocoPanopticDataset,
        LVISV05Dataset,
        LVISV1Dataset,
        Objects365V1Dataset,
        Objects365V2Dataset,
        V3DetDataset,
        XMLDataset,
    )

Form = Literal["coco", "voc"]

_COCO_READERS = (
    CocoDataset,
    LVISV05Dataset,
    LVISV1Dataset,
    Objects365V1Dataset,
    Objects365V2Dataset,
)
"""Whose `load_data_list` reads a COCO json."""
_LVIS_READERS = (LVISV05Dataset.load_data_list, LVISV1Dataset.load_data_list)
_LVIS_ADDRESS = "http://images.cocodataset.org/"

Document = dict[str, Any]


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
    if kind is None:
        return None
    if issubclass(kind, CocoDataset) and not issubclass(kind, CocoPanopticDataset):
        readers = [reader.load_data_list for reader in _COCO_READERS]
        return "coco" if getattr(kind, "load_data_list", None) in readers else None
    return "voc" if issubclass(kind, XMLDataset) and _keeps(kind, XMLDataset) else None


def filters_as_usual(config: Mapping[str, object]) -> bool:
    """Return whether the dataset takes boxes and images as mmdet's CocoDataset or XMLDataset."""
    kind = dataset_class(config)
    if kind is None:
        return True
    reader = CocoDataset if issubclass(kind, CocoDataset) else XMLDataset
    return all(
        getattr(kind, name) is getattr(reader, name) for name in ("parse_data_info", "filter_data")
    )


def as_read(config: Mapping[str, object], document: Document) -> None:
    """Change a COCO document as the dataset's class does when it reads one.

    Objects365 sorts the categories (version 1) and keeps the last two parts of image names
    (version 2); LVIS has the images' addresses in place of names (version 1), or names with a
    prefix (version 0.5), and sorts the categories.
    """
    kind = dataset_class(config)
    read = getattr(kind, "load_data_list", None)
    images = [image for image in document["images"] if isinstance(image, dict)]
    if read in (Objects365V1Dataset.load_data_list, *_LVIS_READERS):
        document["categories"].sort(key=_category_id)
    for image in images:
        name, address = image.get("file_name"), image.get("coco_url")
        if read is LVISV1Dataset.load_data_list and isinstance(address, str):
            image["file_name"] = address.replace(_LVIS_ADDRESS, "")
        elif read is LVISV05Dataset.load_data_list and isinstance(name, str):
            image["file_name"] = name[-16:] if name.startswith("COCO") else name
        elif read is Objects365V2Dataset.load_data_list and isinstance(name, str):
            image["file_name"] = "/".join(Path(name).parts[-2:])


def _category_id(category: object) -> int:
    found = category.get("id") if isinstance(category, dict) else None
    return found if isinstance(found, int) else 0


def _keeps(kind: type, reader: type) -> bool:
    return all(
        getattr(kind, name) is getattr(reader, name)
        for name in ("load_data_list", "parse_data_info", "filter_data")
    )


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
    if kind is not None and kind is V3DetDataset and config.get("metainfo") is None:
        default = inspect.signature(kind).parameters["label_file"].default
        file = Path(str(config.get("data_root") or ""), str(config.get("label_file", default)))
        return file.read_text(encoding="utf-8").splitlines()
    with quiet():
        return load(config.get("metainfo")).get("classes")
