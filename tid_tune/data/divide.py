"""Hold out a part of a training set for selection, or take a subset of it, keeping class shares."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tid_tune.data.coco import Document, load_document, strict_table
from tid_tune.data.files import is_new, write_file
from tid_tune.data.stratify import choose, choose_nested
from tid_tune.data.table import Table
from tid_tune.data.verify import coco_images, verify
from tid_tune.data.voc import read_voc
from tid_tune.data.voc_lists import read_image_set
from tid_tune.errors import DataError


@dataclass(frozen=True)
class Part:
    """One file of a division.

    Attributes:
        path: the file.
        images: how many images it lists.
        shows: how many of them show each label.
        written: False if the file was there already, with the same content.
    """

    path: Path
    images: int
    shows: tuple[int, ...]
    written: bool


@dataclass(frozen=True)
class Division:
    """What `split` or `subset` made: the parts, and the labels they are stratified by."""

    labels: tuple[str, ...]
    parts: tuple[Part, ...]

    def lines(self) -> Iterator[str]:
        """Yield a table: for each label, how many images of each part show it, and their share."""
        width = max(len(label) for label in (*self.labels, "images"))
        column = max(17, *(len(part.path.stem) for part in self.parts))
        yield "  ".join([" " * width, *(f"{part.path.stem:>{column}}" for part in self.parts)])
        yield "  ".join(
            [f"{'images':{width}}", *(f"{part.images:>{column}}" for part in self.parts)]
        )
        for index, label in enumerate(self.labels):
            if any(part.shows[index] for part in self.parts):
                cells = (
                    f"{part.shows[index]:>{column - 8}} {part.shows[index] / part.images:>7.1%}"
                    for part in self.parts
                )
                yield "  ".join([f"{label:{width}}", *cells])


def split(
    path: Path, fraction: float, seed: int, out: Path, *, boxes_only: bool = False
) -> Division:
    """Hold out a part of a training set, so that selection does not touch the val set.

    Writes `<name>_fit` and `<name>_select` (json like `path`, or txt for a VOC image list) into
    `out`; every image is in exactly one of them.

    Args:
        path: a COCO json, or a VOC image list (ImageSets/Main/trainval.txt).
        fraction: the share of images in the `select` part, between 0 and 1.
        seed: another seed holds out other images.
        out: the folder of the two files; made if missing.
        boxes_only: leave the polygons of a COCO json out: faster to load, enough for boxes.

    Raises:
        DataError: the input cannot be used, the fraction leaves a part empty, or a file of that
            name but other content exists.
    """
    source = _open(path, boxes_only)
    total = len(source.table.files)
    count = round(_checked(fraction) * total)
    if not 0 < count < total:
        raise DataError(
            f"fraction {fraction} of {total} images leaves one part empty; choose another fraction"
        )
    selected = set(choose(source.table.image_labels(), count, seed))
    members = {
        "fit": [index for index in range(total) if index not in selected],
        "select": sorted(selected),
    }
    texts = {
        out / f"{path.stem}_{part}{path.suffix}": source.text(
            indices, {"part": part, "fraction": fraction, "seed": seed}
        )
        for part, indices in members.items()
    }
    return _write(source.table, list(members.values()), texts)


def subset(
    path: Path,
    seed: int,
    out: Path,
    *,
    images: int | None = None,
    fraction: float | None = None,
    boxes_only: bool = False,
) -> Division:
    """Take some images of a training set; a smaller subset of the same seed is part of a larger.

    Args:
        path: a COCO json, or a VOC image list.
        seed: another seed takes other images.
        out: the file to write.
        images: how many images to take; or
        fraction: the share to take, above 0 and at most 1.
        boxes_only: leave the polygons of a COCO json out: faster to load, enough for boxes.

    Raises:
        DataError: the input cannot be used, there are too few images, or `out` exists with other
            content.
    """
    if (images is None) == (fraction is None):
        raise DataError(
            "a subset takes either a number of images (--images) or a --fraction; give one of them"
        )
    if out.resolve() == path.resolve():
        raise DataError(f"{out} is the file to take images from; write the subset to another file")
    source = _open(path, boxes_only)
    total = len(source.table.files)
    count = max(1, round(_checked(fraction) * total)) if fraction is not None else images or 0
    if not 0 < count <= total:
        raise DataError(f"{path}: a subset of {count} images was asked for; it has {total}")
    chosen = choose_nested(source.table.image_labels(), count, seed)
    text = source.text(chosen, {"images": count, "seed": seed})
    return _write(source.table, [list(range(total)), chosen], {path: None, out: text})


def _checked(fraction: float) -> float:
    if not 0 < fraction <= 1:
        raise DataError(f"fraction is {fraction}; it must be above 0 and at most 1")
    return fraction


class _Source(ABC):
    """A file that lists images, and how to write one that lists some of them."""

    def __init__(self, path: Path, table: Table) -> None:
        self.path = path
        self.table = table

    @abstractmethod
    def text(self, indices: Sequence[int], origin: Mapping[str, object]) -> str:
        """Return the content of a file with these images, and `origin` if the form allows it."""


class _Coco(_Source):
    def __init__(self, path: Path, boxes_only: bool) -> None:
        self._document = load_document(path, polygons=not boxes_only)
        self._boxes_only = boxes_only
        super().__init__(path, strict_table(self._document, path))
        verify(self.table, coco_images(path, list(self.table.files)), str(path))

    def text(self, indices: Sequence[int], origin: Mapping[str, object]) -> str:
        images = [self._document["images"][index] for index in indices]
        kept = {image["id"] for image in images}
        info = self._document.get("info")
        part: Document = {
            **self._document,
            "info": {
                **(info if isinstance(info, dict) else {}),
                "tid_tune": {"derived_from": self.path.name, **origin},
            },
            "images": images,
            "annotations": [
                self._annotation(box)
                for box in self._document["annotations"]
                if box["image_id"] in kept
            ],
        }
        return json.dumps(part) + "\n"

    def _annotation(self, box: Document) -> Document:
        if not self._boxes_only:
            return box
        return {key: value for key, value in box.items() if key != "segmentation"}


class _Voc(_Source):
    def __init__(self, path: Path) -> None:
        self._names = read_image_set(path).names
        super().__init__(path, read_voc([path], classes=sorted))
        verify(self.table, path.absolute().parents[3], str(path))

    def text(self, indices: Sequence[int], origin: Mapping[str, object]) -> str:
        return "".join(f"{self._names[index]}\n" for index in indices)


def _open(path: Path, boxes_only: bool) -> _Source:
    if path.suffix == ".json":
        return _Coco(path, boxes_only)
    if path.suffix == ".txt":
        return _Voc(path)
    raise DataError(f"{path}: neither a COCO json nor a VOC image list (.txt)")


def _write(
    table: Table, members: Sequence[Sequence[int]], texts: Mapping[Path, str | None]
) -> Division:
    """Write the texts, all or none; None means that the file is there already."""
    labels = table.image_labels()
    names = table.label_names()
    fresh = {path: text is not None and is_new(path, text) for path, text in texts.items()}
    parts = []
    for indices, (path, text) in zip(members, texts.items(), strict=True):
        if text is not None and fresh[path]:
            write_file(path, text)
        shows = Counter(label for index in indices for label in labels[index])
        counts = tuple(shows[label] for label in range(len(names)))
        parts.append(Part(path, len(indices), counts, fresh[path]))
    return Division(names, tuple(parts))
