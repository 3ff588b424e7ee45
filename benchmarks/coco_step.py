"""What a training step of a COCO config costs at full size: time, memory, loss terms.

    python benchmarks/coco_step.py trainables/configs/coco/gfl_r50_tid.py --batch 1 --iterations 2
    python benchmarks/coco_step.py CONFIG --device cuda --amp bf16 --iterations 20 --warmup 5

Drives the real trial (data loading, hooks, optimizer; no evaluation, no Ray) on images of 1333x800
pixels drawn here, in COCO 2017's layout, in a temporary folder. All weights are random: time and
memory do not depend on them, and nothing is downloaded. Prints one JSON object.
"""

from __future__ import annotations

import argparse
import json
import platform
import resource
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch

from tid_tune.openmmlab.configs import load_config
from tid_tune.searchfile.model import Interval
from tid_tune.trial.assembly import pick_device
from tid_tune.trial.trial import Trial

WIDTH, HEIGHT = 1333, 800
OBJECTS = 7
"""Per image; the mean of COCO."""
CATEGORY_IDS = sorted(set(range(1, 91)) - {12, 26, 29, 30, 45, 66, 68, 69, 71, 83})

PRECISIONS = {"bf16": "bfloat16", "fp16": "float16"}


def write_coco(root: Path, images: int) -> None:
    """Noise with boxes of 8 to 512 pixels, as train2017 and, the first image only, val2017."""
    from mmdet.datasets import CocoDataset

    names = CocoDataset.METAINFO["classes"]
    categories = [{"id": i, "name": n} for i, n in zip(CATEGORY_IDS, names, strict=True)]
    rng = np.random.default_rng(0)
    (root / "annotations").mkdir(parents=True)
    for split, count in (("train2017", images), ("val2017", 1)):
        (root / split).mkdir()
        shown, annotations = [], []
        for number in range(1, count + 1):
            name = f"{number:012d}.jpg"
            pixels = rng.integers(0, 256, (HEIGHT, WIDTH, 3), dtype=np.uint8)
            cv2.imwrite(str(root / split / name), pixels)
            shown.append({"id": number, "file_name": name, "width": WIDTH, "height": HEIGHT})
            annotations += [
                draw_object(rng, number, OBJECTS * number + index) for index in range(OBJECTS)
            ]
        document = {"images": shown, "annotations": annotations, "categories": categories}
        (root / "annotations" / f"instances_{split}.json").write_text(json.dumps(document))


def draw_object(rng: np.random.Generator, image: int, number: int) -> dict[str, Any]:
    width, height = np.exp(rng.uniform(np.log(8), np.log(512), 2)).round()
    left = int(rng.integers(0, WIDTH - int(width)))
    top = int(rng.integers(0, HEIGHT - int(height)))
    return {
        "id": number,
        "image_id": image,
        "category_id": int(rng.choice(CATEGORY_IDS)),
        "bbox": [left, top, width, height],
        "area": width * height,
        "iscrowd": 0,
    }


def edits(config: Any, root: Path, options: argparse.Namespace) -> dict[str, Any]:
    """Values that lead the config to these data, and to random weights."""
    found: dict[str, Any] = {
        "train_dataloader.batch_size": options.batch or config.train_dataloader.batch_size,
        "train_dataloader.dataset.data_root": str(root),
        "val_dataloader.dataset.data_root": str(root),
        "val_evaluator.ann_file": str(root / "annotations" / "instances_val2017.json"),
    }
    for name in ("train_dataloader", "val_dataloader"):
        found |= {f"{name}.num_workers": options.workers}
        found |= {f"{name}.persistent_workers": options.workers > 0}
    if config.model.type == "Distiller":
        teacher = load_config(config.model.teacher.config).model
        found["model.teacher"] = {"model": teacher, "checkpoint": None}
        found["model.student.backbone.init_cfg"] = None
    else:
        found["model.backbone.init_cfg"] = None
    if options.amp:
        amp = {"type": "AmpOptimWrapper", "dtype": PRECISIONS[options.amp]}
        found["optim_wrapper"] = {**config.optim_wrapper, **amp}
    return found


def measure(options: argparse.Namespace) -> dict[str, Any]:
    config = load_config(options.config)
    steps = options.warmup + options.iterations
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        values = edits(config, root / "coco", options)
        batch = values["train_dataloader.batch_size"]
        write_coco(root / "coco", steps * batch)
        trial = Trial(
            options.config,
            values,
            seed=0,
            epochs=1,
            report_every=Interval(),
            work_dir=root / "work",
            device=options.device,
        )
        with trial:
            seconds = [timed_step(trial, number + 1) for number in range(steps)]
            losses = trial.runner.train_loop.take_averages()
            return {
                "config": str(options.config),
                "device": device_name(trial.runner.device),
                "threads": torch.get_num_threads(),
                "amp": options.amp,
                "batch": batch,
                "image": [WIDTH, HEIGHT],
                "seconds_per_iteration": statistics.median(seconds[options.warmup :]),
                "seconds": seconds[options.warmup :],
                **peak_memory(trial.runner.device),
                "losses": {k: v for k, v in losses.items() if "loss" in k},
                "distill": {k: v for k, v in losses.items() if k.startswith("distill/")},
            }


def timed_step(trial: Trial, until: int) -> float:
    """Seconds of one iteration, its data loading included."""
    start = time.perf_counter()
    trial.runner.train_loop.advance(until)
    trial.runner.train_loop.check_finite()  # looks at the loss, so waits for the device
    if trial.runner.device.type == "cuda":
        torch.cuda.synchronize(trial.runner.device)
    return time.perf_counter() - start


def peak_memory(device: torch.device) -> dict[str, float]:
    """The process's largest resident set and, on a GPU, the most that torch had allocated."""
    unit = 1 if platform.system() == "Darwin" else 1024
    found = {"peak_rss_gib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 2**30}
    if device.type == "cuda":
        found["peak_gpu_gib"] = torch.cuda.max_memory_allocated(device) / 2**30
    return found


def device_name(device: torch.device) -> str:
    return torch.cuda.get_device_name(device) if device.type == "cuda" else device.type


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("config", type=Path)
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda, cuda:1, ...")
    parser.add_argument("--batch", type=int, help="images per step; default: the config's")
    parser.add_argument("--iterations", type=int, default=10, help="steps that are timed")
    parser.add_argument("--warmup", type=int, default=1, help="steps before those")
    parser.add_argument(
        "--amp", choices=tuple(PRECISIONS), help="mixed precision; default: float32"
    )
    parser.add_argument("--workers", type=int, default=0, help="data-loading processes")
    options = parser.parse_args()
    if options.amp and pick_device(options.device).type == "cpu":
        parser.error("--amp needs a GPU: mmengine's AmpOptimWrapper trains on no CPU")
    print(json.dumps(measure(options), indent=2))


if __name__ == "__main__":
    main()
