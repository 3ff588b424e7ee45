"""The file of a trial that holds its key and weak areas of a few images over the epochs."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from tid_tune.distill.area_codes import AreaMaps, Codes

MOMENTS = 12
"""Epochs that a record holds; between the first and the last one, the others are spread evenly."""
BOXES = 100
"""Objects of an image that a record holds, the largest ones."""
MAX_BYTES = 256 * 1024
"""Of the file of a trial; of one that would be larger, every second epoch is left out."""


@dataclass(frozen=True)
class RecordedImage:
    """An image of a record.

    Attributes:
        index: in the validation set.
        file: of the image; empty: unknown.
        shape: (height, width) of the network's input without padding.
        boxes: left, top, right, bottom of its objects in pixels of that; at most `BOXES`.
        levels: (height, width) of each level's map.
        strides: of each level, in pixels.
        image_id: as it is written in the annotations.
    """

    index: int
    file: str
    shape: tuple[int, int]
    boxes: tuple[tuple[float, ...], ...]
    levels: tuple[tuple[int, int], ...]
    strides: tuple[int, ...]
    image_id: str

    @property
    def points(self) -> int:
        """Points of all levels."""
        return sum(height * width for height, width in self.levels)


@dataclass(frozen=True)
class AreaRecord:
    """What was recorded of a trial.

    Attributes:
        images: in the order in which they were recorded.
        epochs: E ascending epochs.
        codes: (E, points of all images) uint8; see `distill.area_codes`.
        first: the area, `key` or `weak`, that a point of both belongs to in the loss.
    """

    images: tuple[RecordedImage, ...]
    epochs: tuple[float, ...]
    codes: Codes
    first: str

    def maps(self, moment: int, image: int) -> AreaMaps:
        """Return the areas of an image at one of `epochs`, both by their places."""
        seen = self.images[image]
        start = sum(item.points for item in self.images[:image])
        sizes = [height * width for height, width in seen.levels]
        row = self.codes[moment, start : start + seen.points]
        parts = np.split(row, np.cumsum(sizes)[:-1])
        levels = (part.reshape(size) for part, size in zip(parts, seen.levels, strict=True))
        return AreaMaps(tuple(levels), seen.strides)

    def level(self, moment: int, level: int) -> Codes:
        """Return the codes of a level at one of `epochs`, those of all images in a row."""
        maps = (self.maps(moment, image) for image in range(len(self.images)))
        return np.concatenate([item.levels[level].ravel() for item in maps])

    def with_moment(self, epoch: float, codes: Codes) -> AreaRecord:
        """Return the record with an epoch added; later ones, of an interrupted run, are dropped."""
        kept = [place for place, earlier in enumerate(self.epochs) if earlier < epoch]
        epochs = [*(self.epochs[place] for place in kept), epoch]
        rows = np.concatenate([self.codes[kept], codes[None]])
        while len(epochs) > MOMENTS:
            spare = _most_crowded(epochs)
            epochs.pop(spare)
            rows = np.delete(rows, spare, axis=0)
        return replace(self, epochs=tuple(epochs), codes=rows)

    def to_bytes(self) -> bytes:
        """Return the content of the file."""
        about = {"first": self.first, "images": [asdict(image) for image in self.images]}
        buffer = io.BytesIO()
        np.savez_compressed(
            buffer,
            about=np.frombuffer(json.dumps(about).encode(), dtype=np.uint8),
            epochs=np.array(self.epochs, dtype=np.float64),
            codes=self.codes,
        )
        return buffer.getvalue()

    def within(self, limit: int) -> bytes:
        """Return the content of the file, with fewer epochs if it would exceed `limit` bytes."""
        record, content = self, self.to_bytes()
        while len(content) > limit and len(record.epochs) > 1:
            kept = list(range(len(record.epochs) - 1, -1, -2))[::-1]
            epochs = tuple(record.epochs[place] for place in kept)
            record = replace(record, epochs=epochs, codes=record.codes[kept])
            content = record.to_bytes()
        return content


def read_record(path: Path) -> AreaRecord | None:
    """Return the record in a file; None: there is none that can be read."""
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as content:
            about = json.loads(content["about"].tobytes())
            epochs, codes = content["epochs"], content["codes"]
        images = tuple(map(_image, about["images"]))
    except (OSError, EOFError, ValueError, KeyError, TypeError, zipfile.BadZipFile):
        return None
    whole = codes.shape == (len(epochs), sum(image.points for image in images))
    return AreaRecord(images, tuple(epochs.tolist()), codes, about["first"]) if whole else None


def _image(row: dict[str, Any]) -> RecordedImage:
    levels = tuple((int(height), int(width)) for height, width in row["levels"])
    height, width = row["shape"]
    boxes = tuple(tuple(map(float, box)) for box in row["boxes"])
    strides = tuple(row["strides"])
    index, name = row["index"], row.get("image_id", str(row["index"]))
    return RecordedImage(index, row["file"], (height, width), boxes, levels, strides, name)


def _most_crowded(epochs: Sequence[float]) -> int:
    """Return the place of the epoch, not at an end, whose neighbours are closest to each other."""
    inner = range(1, len(epochs) - 1)
    return min(inner, key=lambda place: (epochs[place + 1] - epochs[place - 1], place))
