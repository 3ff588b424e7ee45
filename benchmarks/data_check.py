"""Time `tid-tune data check` on synthetic data of COCO train2017's size, against plain json.load.

    python benchmarks/data_check.py --out data_check.json

Writes a json of 118,287 images and 860,001 boxes with polygons (about 0.5 GB) and as many image
files (hard links to a few JPEGs) into a temporary folder, then runs each of these `--rounds` times
in turn: json.load, the check of the annotations alone, the check with image headers. The file
system's cache is warm: on a cold or remote disk, reading 118,287 headers costs what the disk costs.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from publishing import publish

from tid_tune.data.check import check
from tid_tune.data.check_boxes import check_boxes
from tid_tune.data.coco import load_document, tabulate
from tid_tune.data.digits import write_digits
from tid_tune.data.findings import Findings

IMAGES, BOXES, CLASSES, SIDE = 118_287, 860_001, 80, 128


def write_annotations(path: Path, images: int, boxes: int) -> None:
    """Write random boxes; the polygons (44 numbers each, as in COCO on average) are a few texts."""
    rng = np.random.default_rng(0)
    polygons = [json.dumps(rng.uniform(0, SIDE, (1, 44)).round(2).tolist()) for _ in range(500)]
    corners = rng.uniform(0, SIDE / 2, (boxes, 4)).round(2).tolist()
    owners = rng.integers(0, images, boxes).tolist()
    labels = rng.integers(1, CLASSES + 1, boxes).tolist()
    with path.open("w") as file:
        file.write('{"images": [')
        url = "http://images.cocodataset.org/train2017/"
        file.write(
            ", ".join(
                f'{{"license": 3, "file_name": "{number:012d}.jpg", "coco_url": "{url}{number:012d}'
                f'.jpg", "height": {SIDE}, "width": {SIDE}, "date_captured": "2013-11-14", '
                f'"id": {number}}}'
                for number in range(images)
            )
        )
        file.write('], "annotations": [')
        for number, (box, owner, label) in enumerate(zip(corners, owners, labels, strict=True)):
            file.write(", " if number else "")
            file.write(
                f'{{"segmentation": {polygons[number % 500]}, "area": 9.5, "iscrowd": 0, '
                f'"image_id": {owner}, "bbox": {box}, "category_id": {label}, "id": {number}}}'
            )
        categories = [{"id": number + 1, "name": f"class {number}"} for number in range(CLASSES)]
        file.write(f'], "categories": {json.dumps(categories)}}}')


def link_images(root: Path, images: int) -> None:
    write_digits(root / "digits", images=100, val_images=1)
    sources = sorted((root / "digits" / "train").iterdir())
    (root / "train2017").mkdir()
    for number in range(images):
        os.link(sources[number % 100], root / "train2017" / f"{number:012d}.jpg")


def plain(ann: Path) -> None:
    with ann.open() as file:
        json.load(file)


def annotations_only(ann: Path) -> None:
    findings = Findings()
    check_boxes(tabulate(load_document(ann, polygons=False), findings, "train"), findings, "train")


def timed(work: Callable[[], object]) -> dict[str, float]:
    """Seconds on the clock, and seconds of the processor, which hold on a busy machine too."""
    gc.collect()
    wall, cpu = time.perf_counter(), time.process_time()
    work()
    return {"wall": time.perf_counter() - wall, "cpu": time.process_time() - cpu}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--images", type=int, default=IMAGES)
    parser.add_argument("--boxes", type=int, default=BOXES)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        ann = root / "annotations" / "instances_train2017.json"
        ann.parent.mkdir()
        write_annotations(ann, options.images, options.boxes)
        link_images(root, options.images)
        works: dict[str, Callable[[], object]] = {
            "json.load": lambda: plain(ann),
            "check annotations": lambda: annotations_only(ann),
            "check annotations and image headers": lambda: check(root),
        }
        rounds: dict[str, list[dict[str, float]]] = {name: [] for name in works}
        for _ in range(options.rounds):
            for name, work in works.items():
                rounds[name].append(timed(work))
        result = {
            "images": options.images,
            "boxes": options.boxes,
            "megabytes": round(ann.stat().st_size / 1e6),
            "rounds": options.rounds,
            "median_seconds": {
                name: {
                    clock: round(statistics.median(run[clock] for run in runs), 2)
                    for clock in ("wall", "cpu")
                }
                for name, runs in rounds.items()
            },
        }
    publish(result, options.out)


if __name__ == "__main__":
    main()
