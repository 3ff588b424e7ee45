"""A COCO dataset of a few drawn images in a folder, and the config that trains on it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from mmengine.config import Config
from PIL import Image

WIDTH, HEIGHT = 64, 48
NAMES = ("cat", "person", "quokka")

Document = dict[str, Any]


def document(names: Sequence[str] = NAMES, images: int = 4) -> Document:
    """Return annotations with one box of every category in each image; ids are 7, 10, 13, ..."""
    return {
        "images": [
            {"id": index + 1, "file_name": f"{index}.png", "width": WIDTH, "height": HEIGHT}
            for index in range(images)
        ],
        "annotations": [
            {
                "id": 1 + image * len(names) + place,
                "image_id": image + 1,
                "category_id": 7 + 3 * place,
                "bbox": [2 + 4 * place, 3, 20, 16],
                "area": 320,
                "iscrowd": 0,
            }
            for image in range(images)
            for place in range(len(names))
        ],
        "categories": [{"id": 7 + 3 * place, "name": name} for place, name in enumerate(names)],
    }


def write_data(folder: Path, train: Document, val: Document) -> None:
    """Write train.json and val.json, and a picture for every image they list."""
    for seed, (part, content) in enumerate({"train": train, "val": val}.items()):
        (folder / part).mkdir(parents=True, exist_ok=True)
        (folder / f"{part}.json").write_text(json.dumps(content))
        for image in content["images"]:
            rng = np.random.default_rng([seed, len(image["file_name"]), int(image["id"])])
            size = (image["height"], image["width"], 3)
            pixels = rng.integers(0, 255, size, dtype=np.uint8)
            Image.fromarray(pixels).save(folder / part / image["file_name"])


def config(folder: Path, names: Sequence[str] = NAMES, **changes: Any) -> Config:
    """Return a config of the data in `folder`; `changes` go into both datasets."""

    def dataset(part: str) -> Document:
        return {
            "type": "CocoDataset",
            "data_root": str(folder),
            "ann_file": f"{part}.json",
            "data_prefix": {"img": f"{part}/"},
            "metainfo": {"classes": tuple(names)},
            **changes,
        }

    return Config(
        {
            "model": {"type": "GFL", "bbox_head": {"type": "GFLHead", "num_classes": len(names)}},
            "train_dataloader": {"dataset": dataset("train")},
            "val_dataloader": {"dataset": {**dataset("val"), "test_mode": True}},
            "val_evaluator": {"type": "CocoMetric", "ann_file": str(folder / "val.json")},
        }
    )
