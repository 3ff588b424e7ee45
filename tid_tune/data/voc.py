"""Read PASCAL VOC: the VOCdevkit of 2007 and 2012 as downloaded, or the same form with own classes.

VOC counts pixels from 1 and includes xmax and ymax; a `Table` counts from 0 and holds width and
height. `difficult` objects are neither rewarded nor punished in VOC's evaluation, which is what
COCO's crowd boxes are for.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from math import isfinite
from pathlib import Path
from xml.etree import ElementTree

import numpy as np

from tid_tune.data.coco import Document
from tid_tune.data.findings import Findings
from tid_tune.data.headers import read_header
from tid_tune.data.table import Table
from tid_tune.data.voc_lists import FLAGGED, read_image_set
from tid_tune.errors import DataError

VOC_CLASSES = (
    *("aeroplane", "bicycle", "bird", "boat", "bottle", "bus", "car", "cat", "chair", "cow"),
    *("diningtable", "dog", "horse", "motorbike", "person", "pottedplant", "sheep", "sofa"),
    *("train", "tvmonitor"),
)
"""The 20 classes in the order of mmdet's VOCDataset."""

Classes = Sequence[str] | Callable[[Iterable[str]], Sequence[str]]
"""Class names in order, or a function of the names found, such as `sorted`."""

_EDGES = ("xmin", "ymin", "xmax", "ymax")


@dataclass(frozen=True, slots=True)
class VocObject:
    """One object: class name, xmin, ymin, xmax, ymax as in the file, and the difficult flag."""

    name: str
    corners: tuple[float, float, float, float]
    difficult: bool


@dataclass(frozen=True, slots=True)
class VocAnnotation:
    """One xml file: width and height in pixels, None where the file does not say, and objects."""

    size: tuple[int, int] | None
    objects: tuple[VocObject, ...]


def read_annotation(path: Path) -> VocAnnotation:
    """Read one xml file of an Annotations folder.

    Raises:
        DataError: the file is missing, is not xml (naming the line), or an object lacks its class
            or a corner.
    """
    try:
        root = ElementTree.parse(path).getroot()
    except FileNotFoundError:
        raise DataError(f"{path}: no such annotation file") from None
    except (OSError, ElementTree.ParseError) as error:
        raise DataError(f"{path}: cannot read the xml: {error}") from None
    try:
        size = root.find("size")
        shape = None if size is None else (_whole(size, "width"), _whole(size, "height"))
        return VocAnnotation(shape, tuple(_object(item) for item in root.iterfind("object")))
    except ValueError as error:
        raise DataError(f"{path}: {error}") from None


def _object(item: ElementTree.Element) -> VocObject:
    name = item.findtext("name")
    if not name:
        raise ValueError("an object has no name")
    corners = item.find("bndbox")
    if corners is None:
        raise ValueError(f"an object of class {name} has no bndbox")
    xmin, ymin, xmax, ymax = (_number(corners, edge) for edge in _EDGES)
    difficult = item.find("difficult") is not None and _whole(item, "difficult") != 0
    return VocObject(name, (xmin, ymin, xmax, ymax), difficult)


def _whole(parent: ElementTree.Element, key: str) -> int:
    """Return what mmdet reads by `int`, which takes no point."""
    text = parent.findtext(key)
    try:
        return int(text or "")
    except ValueError:
        raise ValueError(f"{key} of {parent.tag} is {text!r}, not a whole number") from None


def _number(parent: ElementTree.Element, key: str) -> float:
    text = parent.findtext(key)
    if text is None:
        raise ValueError(f"{parent.tag} has no {key}")
    try:
        value = float(text)
    except ValueError:
        value = float("nan")
    if not isfinite(value):
        raise ValueError(f"{key} of {parent.tag} is {text!r}, not a number")
    return value


def read_voc(lists: Sequence[Path], classes: Classes = VOC_CLASSES) -> Table:
    """Read the images of image lists, which may be of several years of one VOCdevkit.

    The files of the table are relative to the VOCdevkit: `VOC2007/JPEGImages/000005.jpg`.

    Raises:
        DataError: a list or xml cannot be used, or an object's class is not among `classes`.
    """
    findings = Findings()
    sets = [read_image_set(path) for path in lists]
    if len({image_set.home.parent for image_set in sets}) > 1:
        raise DataError("the image lists are of different VOCdevkit folders; name lists of one")
    members = dict.fromkeys(
        (image_set.home, name) for image_set in sets for name in image_set.names
    )
    table = tabulate_voc(list(members), classes, findings, "voc")
    findings.raise_first(", ".join(map(str, lists)))
    return table


def tabulate_voc(
    members: Sequence[tuple[Path, str]],
    classes: Classes,
    findings: Findings,
    split: str,
) -> Table:
    """Turn the xml files of images (home of the year, name) into columns.

    Images whose xml is missing or wrong and objects of other classes go to `findings` and are
    left out. Where an xml does not give the size of the image, the image does, as in mmdet.
    """
    found = _read_members(members, findings, split)
    if callable(classes):
        classes = classes({item.name for _, _, annotation in found for item in annotation.objects})
    class_index = {name: index for index, name in enumerate(classes)}
    rows: list[tuple[float, ...]] = []
    for index, (_, name, annotation) in enumerate(found):
        for item in annotation.objects:
            if item.name not in class_index:
                findings.add("unknown-class", split, f"{name}.xml: {item.name!r}")
                continue
            left, top, right, bottom = item.corners
            box = (left - 1, top - 1, right - left + 1, bottom - top + 1)
            rows.append((index, class_index[item.name], *box, item.difficult))
    columns = np.array(rows, np.float64).reshape(-1, 7)
    return Table(
        classes=tuple(classes),
        files=[f"{home.name}/JPEGImages/{name}.jpg" for home, name, _ in found],
        sizes=np.array([annotation.size for *_, annotation in found], np.int64).reshape(-1, 2),
        box_ids=(),
        box_image=columns[:, 0].astype(np.int64),
        box_class=columns[:, 1].astype(np.int64),
        boxes=columns[:, 2:6],
        areas=columns[:, 4] * columns[:, 5],
        crowd=columns[:, 6].astype(bool),
        untrained=np.zeros(len(rows), bool),
    )


def _read_members(
    members: Sequence[tuple[Path, str]], findings: Findings, split: str
) -> list[tuple[Path, str, VocAnnotation]]:
    """Return the annotations that can be read, each with a size."""
    found = []
    for home, name in members:
        path = home / "Annotations" / f"{name}.xml"
        if not path.is_file():
            fault = ("missing-annotation", f"{home.name}/Annotations/{name}.xml")
            if FLAGGED.fullmatch(name):
                fault = ("image-list", f"{name!r} is not just a name")
            findings.add(fault[0], split, fault[1])
            continue
        try:
            annotation = read_annotation(path)
            if annotation.size is None:
                size = image_size(home / "JPEGImages" / f"{name}.jpg")
                annotation = replace(annotation, size=size)
        except DataError as error:
            findings.add("annotation-file", split, str(error))
            continue
        found.append((home, name, annotation))
    return found


def image_size(path: Path) -> tuple[int, int]:
    """Return width and height of an image file as a reader loads it.

    Raises:
        DataError: the file is missing or not an image.
    """
    try:
        return read_header(path).loaded_size
    except FileNotFoundError:
        raise DataError(f"{path}: no such image file") from None


def likely_classes(found: Iterable[str]) -> Sequence[str]:
    """Return the 20 VOC classes if any of them was found, else the names found, sorted."""
    names = sorted(found)
    return VOC_CLASSES if set(names) & set(VOC_CLASSES) else names


def to_coco(table: Table) -> Document:
    """Return a table as COCO json: ids count from 1, difficult objects become crowd boxes."""
    images = [
        {"id": index, "file_name": name, "width": width, "height": height}
        for index, (name, (width, height)) in enumerate(
            zip(table.files, table.sizes.tolist(), strict=True), start=1
        )
    ]
    columns = (table.box_image, table.box_class, table.boxes, table.areas, table.crowd)
    annotations = [
        {
            "id": index,
            "image_id": image + 1,
            "category_id": label + 1,
            "bbox": box,
            "area": area,
            "iscrowd": int(crowd),
        }
        for index, (image, label, box, area, crowd) in enumerate(
            zip(*(column.tolist() for column in columns), strict=True), start=1
        )
    ]
    categories = [{"id": index, "name": name} for index, name in enumerate(table.classes, start=1)]
    return {"images": images, "annotations": annotations, "categories": categories}
