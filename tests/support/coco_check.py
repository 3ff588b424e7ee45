"""A small COCO dataset on disk, ways to break it, and what `check` finds in it."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from tid_tune.data.check import check

Document = dict[str, Any]
WIDTH, HEIGHT = 40, 30


def picture(seed: int, width: int = WIDTH, height: int = HEIGHT) -> Image.Image:
    pixels = np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
    return Image.fromarray(pixels)


def jpeg(seed: int, **options: Any) -> bytes:
    buffer = io.BytesIO()
    picture(seed).save(buffer, "JPEG", **options)
    return buffer.getvalue()


class Data:
    """A good dataset on disk, small enough to break in every way."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.documents: dict[str, Document] = {}
        for offset, split in ((0, "train"), (100, "val")):
            (root / split).mkdir(parents=True)
            images, boxes = [], []
            for number in range(1, 5):
                name = f"{number}.jpg"
                (root / split / name).write_bytes(jpeg(offset + number))
                size = {"width": WIDTH, "height": HEIGHT}
                images.append({"id": number, "file_name": name, **size})
                box = {"bbox": [number, 2, 10, 12], "area": 120, "iscrowd": 0}
                boxes.append({"id": number, "image_id": number, "category_id": 2, **box})
            boxes[0]["category_id"] = 5
            self.documents[split] = {
                "images": images,
                "annotations": boxes,
                "categories": [{"id": 5, "name": "cat"}, {"id": 2, "name": "dog"}],
            }
        self.train = self.documents["train"]
        self.save()

    def save(self) -> None:
        for split, document in self.documents.items():
            path = self.root / "annotations" / f"instances_{split}.json"
            path.parent.mkdir(exist_ok=True)
            path.write_text(json.dumps(document))

    def add_box(self, **changes: Any) -> None:
        box = {**self.train["annotations"][1], "id": 9, **changes}
        self.train["annotations"].append(box)

    def file(self, name: str) -> Path:
        return self.root / "train" / name


def found(data: Data, **options: Any) -> dict[str, tuple[int, str]]:
    """Count and examples by code."""
    report = check(data.root, **options)
    return {
        finding.rule.code: (finding.count, "\n".join(finding.examples))
        for finding in report.findings.all()
    }


Break = Callable[[Data], object]


def set_first(part: str, **changes: Any) -> Break:
    return lambda data: data.train[part][0].update(changes)


def drop_first(part: str, key: str) -> Break:
    return lambda data: data.train[part][0].pop(key)


def box(*bbox: float, **changes: Any) -> Break:
    area = abs(bbox[2] * bbox[3])
    return lambda data: data.add_box(**{"bbox": list(bbox), "area": area, **changes})


def again(part: str, **changes: Any) -> Break:
    return lambda data: data.train[part].append({**data.train[part][0], **changes})


def rewrite(name: str, content: bytes) -> Break:
    return lambda data: data.file(name).write_bytes(content)


def find_defect(data: Data, code: str, break_it: Break, example: str) -> None:
    """Break the dataset, and check that this is found, and nothing else but what follows."""
    break_it(data)
    data.save()
    findings = found(data)
    assert findings[code][0] == 1
    assert example in findings[code][1]
    # A record left out leaves its image, its class or its boxes without partners, and splits that
    # differ.
    follows = {"unknown-image", "unknown-category", "unused-class", "empty-image", "classes-differ"}
    assert findings.keys() - {code} <= follows | {"duplicate-file-name"}
