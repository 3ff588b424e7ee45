"""Read COCO json: as downloaded from COCO, or of the same form with classes of one's own."""

from __future__ import annotations

import gc
import json
import math
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import chain
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from tid_tune.data.findings import Findings
from tid_tune.data.records import (
    Id,
    box_fault,
    category_fault,
    check_flags,
    check_ids,
    first_of_id,
    image_fault,
    known,
    well_formed,
)
from tid_tune.data.table import Table
from tid_tune.errors import DataError

Document = dict[str, Any]
"""The parsed json: `images`, `annotations` and `categories` are lists of objects."""

Scalar = TypeVar("Scalar", bound=np.generic)
_PARTS = ("images", "annotations", "categories")

# Polygons are most of COCO's bytes and none of its boxes. Only a list of numbers is cut, so
# nothing inside a string can match: a quote in a string would be escaped.
_POLYGONS = re.compile(rb'"segmentation"\s*:\s*\[[\[\]\d.,\seE+-]*\]')


def load_document(path: Path, *, polygons: bool = True) -> Document:
    """Parse a COCO json and check its outermost form.

    Args:
        path: the json file.
        polygons: False leaves polygons out, which is several times as fast on COCO.

    Raises:
        DataError: the file is missing, is no json (naming the line), or lacks one of the lists.
    """
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        raise DataError(f"{path}: no such annotation file") from None
    except OSError as error:
        raise DataError(f"{path}: cannot read the annotation file: {error}") from None
    check_encoding(path, data)
    document = _parse(path, data if polygons else _POLYGONS.sub(b'"segmentation":0', data), data)
    if not isinstance(document, dict):
        kind = "a list" if isinstance(document, list) else f"a {type(document).__name__}"
        hint = "; detection results are such a list" if isinstance(document, list) else ""
        raise DataError(f"{path}: COCO json is an object at the top, this is {kind}{hint}")
    for part in _PARTS:
        if not isinstance(document.get(part), list):
            state = "is not a list" if part in document else "is missing"
            raise DataError(f"{path}: '{part}' {state}; COCO json has {', '.join(_PARTS)}")
    return document


def check_encoding(path: Path, data: bytes) -> None:
    """Check that pycocotools and mmdet can read a text; its first four bytes tell.

    Raises:
        DataError: it has a byte order mark, or is in UTF-16 or UTF-32.
    """
    encoding = json.detect_encoding(data)
    if encoding != "utf-8":
        found = "begins with a byte order mark" if encoding == "utf-8-sig" else f"is {encoding}"
        raise DataError(
            f"{path}: the text {found}, which pycocotools and mmdet cannot read; save the file as "
            "UTF-8 without a byte order mark"
        )


def _parse(path: Path, data: bytes, original: bytes) -> object:
    try:
        with _no_garbage_collection():
            return json.loads(data)
    except json.JSONDecodeError as error:
        if data is not original:
            # Cutting moved the columns; the whole file gives the place the user will look at.
            return _parse(path, original, original)
        if error.pos >= len(error.doc.rstrip()):
            raise DataError(
                f"{path}: the json ends early, at line {error.lineno}, column {error.colno}; "
                "the file is incomplete, write or download it again"
            ) from None
        raise DataError(
            f"{path}: broken json at line {error.lineno}, column {error.colno}: {error.msg}"
        ) from None
    except UnicodeDecodeError as error:
        raise DataError(
            f"{path}: the text is not UTF-8 ({error.reason} at byte {error.start}); save the file "
            "as UTF-8 without a byte order mark"
        ) from None
    except RecursionError as error:
        raise DataError(f"{path}: no json: {error}") from None


@contextmanager
def _no_garbage_collection() -> Iterator[None]:
    """Suspend garbage collection: reading makes millions of objects, and no garbage.

    Collecting would double the time.
    """
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def read_coco(path: Path) -> Table:
    """Read images, boxes and classes of a COCO json.

    Raises:
        DataError: the file cannot be used, or a record contradicts the others.
    """
    return strict_table(load_document(path, polygons=False), path)


def strict_table(document: Document, path: Path) -> Table:
    """Turn a document into columns; anything that does not fit raises a DataError."""
    findings = Findings()
    table = tabulate(document, findings, path.stem)
    findings.raise_first(str(path))
    return table


def coco_classes(path: Path | str) -> tuple[str, ...]:
    """Return the class names of a COCO json as mmdet numbers them, for `metainfo.classes`.

    mmdet numbers the classes in the order of the file's categories, whatever the order of
    `metainfo.classes`, so only this order names the labels rightly.

    Raises:
        DataError: the file cannot be used, or its categories contradict each other.
    """
    path = Path(path)
    categories = _find_categories(path)
    if categories is None:
        categories = load_document(path, polygons=False)["categories"]
    findings = Findings()
    names = tuple(_categories(categories, findings, path.stem).values())
    findings.raise_first(str(path))
    return names


def _find_categories(path: Path) -> list[object] | None:
    """Return the categories without parsing the rest, where they can be found beyond doubt."""
    try:
        data = path.read_bytes()
    except OSError:
        return None
    keys = list(re.finditer(rb'"categories"\s*:\s*(?=\[)', data))
    if len(keys) != 1:
        return None
    tail = data[keys[0].end() :].decode("utf-8", errors="replace")
    try:
        found, _ = json.JSONDecoder().raw_decode(tail)
    except json.JSONDecodeError:
        return None
    return found if isinstance(found, list) else None


def metainfo(path: Path | str) -> dict[str, object]:
    """Return the `metainfo` of mmdet's CocoDataset for this file: its classes and a color for each.

    Raises:
        DataError: as `coco_classes`.
    """
    classes = coco_classes(path)
    return {"classes": classes, "palette": palette(len(classes))}


def palette(count: int) -> list[tuple[int, int, int]]:
    """`count` RGB colors; neighbors differ, because hues are a golden section apart."""
    from colorsys import hsv_to_rgb

    golden = (math.sqrt(5) - 1) / 2
    colors = (hsv_to_rgb(index * golden % 1, 0.75, 0.95) for index in range(count))
    return [(round(255 * r), round(255 * g), round(255 * b)) for r, g, b in colors]


@_no_garbage_collection()
def tabulate(document: Document, findings: Findings, split: str) -> Table:
    """Turn the lists of a document into columns; what does not fit goes to `findings`.

    Records with wrong fields, later ones of the same id, and boxes of unknown images or
    categories are left out of the table.
    """
    categories = _categories(document["categories"], findings, split)
    images = well_formed(document["images"], image_fault, "image", findings, split)
    images = first_of_id(images, "duplicate-image-id", findings, split)
    boxes = well_formed(document["annotations"], box_fault, "annotation", findings, split)
    boxes = first_of_id(boxes, "duplicate-annotation-id", findings, split)
    check_ids(images, "image", findings, split)
    image_index = {image["id"]: index for index, image in enumerate(images)}
    class_index = {identity: index for index, identity in enumerate(categories)}
    boxes = known(boxes, "image_id", image_index, "unknown-image", findings, split)
    boxes = known(boxes, "category_id", class_index, "unknown-category", findings, split)
    check_flags(boxes, findings, split)
    xywh = np.fromiter(
        chain.from_iterable(box["bbox"] for box in boxes), np.float64, 4 * len(boxes)
    )
    return Table(
        classes=tuple(categories.values()),
        files=[image["file_name"] for image in images],
        sizes=np.array([(image["width"], image["height"]) for image in images], np.int64).reshape(
            -1, 2
        ),
        box_ids=[box["id"] for box in boxes],
        box_image=_column(boxes, lambda box: image_index[box["image_id"]], np.int64),
        box_class=_column(boxes, lambda box: class_index[box["category_id"]], np.int64),
        boxes=xywh.reshape(-1, 4),
        areas=_column(boxes, lambda box: box["area"], np.float64),
        crowd=_column(boxes, lambda box: bool(box.get("iscrowd")), np.bool_),
        untrained=_column(boxes, lambda box: bool(box.get("ignore")), np.bool_),
    )


def _column(
    records: list[Document], value: Callable[[Document], object], dtype: type[Scalar]
) -> NDArray[Scalar]:
    return np.fromiter((value(record) for record in records), dtype, len(records))


def _categories(records: Sequence[object], findings: Findings, split: str) -> dict[Id, str]:
    """Names by id, in the order of the file."""
    kept = well_formed(records, category_fault, "category", findings, split)
    check_ids(kept, "category", findings, split)
    names: dict[Id, str] = {}
    for record in first_of_id(kept, "duplicate-category-id", findings, split):
        if record["name"] in names.values():
            example = f"category {record['id']}: {record['name']!r}"
            findings.add("duplicate-class-name", split, example)
        names[record["id"]] = record["name"]
    return names
