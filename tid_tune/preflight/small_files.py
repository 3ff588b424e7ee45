"""Small stand-ins for large annotation files: reading COCO's takes longer than all else here."""

from __future__ import annotations

import contextlib
import json
import mmap
import re
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tid_tune.openmmlab.configs import Config

LARGE = 20 * 2**20
"""Bytes of an annotation file that is read as it is, at most: about a second's work."""


@contextlib.contextmanager
def with_small_files(config: Config) -> Iterator[Config]:
    """Yield the config with a file of one image in place of each large COCO json."""
    with tempfile.TemporaryDirectory() as folder:
        for name in ("train_dataloader", "val_dataloader", "val_evaluator"):
            _replace(config.get(name), Path(folder))
        yield config


def _replace(node: Any, folder: Path) -> None:
    if isinstance(node, dict):
        file = node.get("ann_file")
        if isinstance(file, str) and file.endswith(".json") and "://" not in file:
            root = node.get("data_root")
            path = Path(root if isinstance(root, str) else "", file)
            if path.is_file() and path.stat().st_size > LARGE:
                node["ann_file"] = str(_small(path, folder).resolve())
        for value in node.values():
            _replace(value, folder)
    elif isinstance(node, list | tuple):
        for value in node:
            _replace(value, folder)


def _small(path: Path, folder: Path) -> Path:
    """Write the first image of a COCO json, with an object, and all categories."""
    small = folder / f"{abs(hash(path.resolve()))}.json"
    if not small.exists():
        with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as text:
            image = _first(text, b"images", "{")
            categories = _first(text, b"categories", "[")
        width, height = image.get("width", 64), image.get("height", 64)
        box = [width / 4, height / 4, width / 2, height / 2]
        outline = [[box[0], box[1], box[0] + box[2], box[1], box[0], box[1] + box[3]]]
        sides = {"bbox": box, "area": box[2] * box[3], "iscrowd": 0, "segmentation": outline}
        first = categories[0]["id"] if categories else 1
        item = {"id": 1, "image_id": image.get("id"), "category_id": first, **sides}
        found = {"images": [image], "annotations": [item], "categories": categories}
        small.write_text(json.dumps(found))
    return small


def _first(text: mmap.mmap, key: bytes, opening: str) -> Any:
    """Return the list at a key of the file, or the first entry of it."""
    start = re.search(rb'"' + key + rb'"\s*:\s*\[', text)
    if start is None:
        return {} if opening == "{" else []
    place = start.end() - 1 if opening == "[" else text.find(b"{", start.end())
    piece = text[place : place + 2**20].decode("utf-8", "replace")
    return json.JSONDecoder().raw_decode(piece)[0]
