"""What a trial's start costs: a cold one under Ray, and warm ones in a worker that has run others.

    python benchmarks/trial_start.py --out benchmarks/results/trial_start.json

Cold: `tid-tune run` of a one-trial search on the digits, until the first step is done; seconds on
the clock, and seconds of the processor of the command and all processes below it. Warm: trials one
after the other in one process, each until its first step is done, on the digits and on annotations
of COCO's size (118,287 images with 860,001 boxes to train on, 5,000 with 36,335 to validate on; a
ResNet-18 GFL learns from a ResNet-50 GFL, at 320 pixels, 2 images a step). The first trial of each
kind parses and builds what the others share. All weights are random, nothing is downloaded. Linux
only.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import process_tree
import yaml
from data_check import link_images, write_annotations
from publishing import publish

ROOT = Path(__file__).resolve().parents[1]
IMAGES, BOXES, VAL_IMAGES, VAL_BOXES = 118_287, 860_001, 5_000, 36_335
SIDE = 320
DIGITS = "trainables/configs/digits/gfl_r18_tid.py"
COCO = "trainables/configs/coco/gfl_r18_tid.py"
Times = dict[str, float]


@contextmanager
def clock(times: list[Times]) -> Iterator[None]:
    """Append the seconds on the clock and of the processor that the block took."""
    wall, cpu = time.perf_counter(), time.process_time()
    yield
    times.append({"wall": time.perf_counter() - wall, "cpu": time.process_time() - cpu})


def warm_starts(config: str, edits: Mapping[str, Any], folder: Path, trials: int) -> list[Times]:
    """Return what each of so many trials in this process took until its first step was done.

    And what a further step takes: on a slow processor, that is most of a warm start.
    """
    from tid_tune.searchfile.model import Interval
    from tid_tune.trial.trial import Trial

    times: list[Times] = []
    for number in range(trials):
        with clock(times):
            trial = Trial(
                ROOT / config,
                edits,
                seed=number,
                epochs=1,
                report_every=Interval(),
                work_dir=folder / f"work-{number}",
            )
            trial.runner.train_loop.advance(1)
        steps: list[Times] = []
        with clock(steps):
            trial.runner.train_loop.advance(2)
        trial.close()
        times[-1]["cpu_of_a_step"] = steps[0]["cpu"]
    return times


def with_teacher(edits: Mapping[str, Any], config: str, folder: Path) -> dict[str, Any]:
    """Return the edits with a teacher whose random weights are in a file, as a real one's are."""
    import torch

    from tid_tune.openmmlab.configs import load_config
    from tid_tune.openmmlab.models import build_detector

    checkpoint = folder / f"{Path(config).stem}.pth"
    detector: Any = build_detector(load_config(config).model)  # its protocol has no weights
    torch.save({"state_dict": detector.state_dict()}, checkpoint)
    return {**edits, "model.teacher": {"config": config, "checkpoint": str(checkpoint)}}


def digits(folder: Path) -> dict[str, Any]:
    """Write the demo's digits; return the edits that lead the config to them."""
    from tid_tune.data.digits import write_digits

    write_digits(folder / "digits", images=300, val_images=100)
    return with_teacher(
        {
            "train_dataloader.dataset.data_root": str(folder / "digits"),
            "val_dataloader.dataset.data_root": str(folder / "digits"),
            "val_evaluator.ann_file": str(folder / "digits/annotations/instances_val.json"),
        },
        str(ROOT / "trainables/configs/digits/gfl_teacher.py"),
        folder,
    )


def coco(folder: Path) -> dict[str, Any]:
    """Write annotations of COCO's size; return the edits that lead the config to them."""
    from tid_tune.openmmlab.configs import load_config

    root = folder / "coco"
    (root / "annotations").mkdir(parents=True)
    sizes = {"train2017": (IMAGES, BOXES), "val2017": (VAL_IMAGES, VAL_BOXES)}
    for split, (images, boxes) in sizes.items():
        write_annotations(root / f"annotations/instances_{split}.json", images, boxes)
    link_images(root, IMAGES)
    config = load_config(ROOT / COCO)
    names = {"classes": tuple(f"class {number}" for number in range(80))}
    edits: dict[str, Any] = {
        "model.student.backbone.init_cfg": None,
        "val_evaluator.ann_file": str(root / "annotations/instances_val2017.json"),
    }
    edits["train_dataloader.batch_size"] = 2
    for loader in ("train_dataloader", "val_dataloader"):
        dataset = {**config[loader].dataset, "data_root": str(root), "metainfo": names}
        dataset["pipeline"] = [
            {**step, "scale": (SIDE, SIDE)} if step["type"] == "Resize" else step
            for step in dataset["pipeline"]
        ]
        edits |= {
            f"{loader}.dataset": dataset,
            f"{loader}.num_workers": 0,
            f"{loader}.persistent_workers": False,
        }
    return with_teacher(edits, str(ROOT / "trainables/configs/coco/gfl_r50.py"), folder)


def cold_start(folder: Path, number: int) -> Times:
    """Return what `tid-tune run` takes until the first step of its first trial is done."""
    from tid_tune.openmmlab.configs import load_config

    file, root = folder / f"step-{number}.json", os.getpid()
    config = load_config(ROOT / DIGITS, digits(folder))
    config.custom_imports["imports"] = [*config.custom_imports["imports"], "first_step"]
    config.custom_hooks = [{"type": "FirstStep", "file": str(file), "root": root}]
    config.dump(folder / "cold.py")
    search = {
        "name": f"cold-{number}",
        "trial": "cold.py",
        "epochs": 1,
        "trials": 1,
        "baseline": False,
        "tracking": {"enabled": False},
        "space": {"model.distillation.loss_weight": {"uniform": [1, 2]}},
    }
    (folder / "cold.yaml").write_text(yaml.safe_dump(search))
    paths = os.pathsep.join([str(ROOT), str(ROOT / "benchmarks")])
    environment = {"PYTHONPATH": paths, "OMP_NUM_THREADS": "1"}
    wall, cpu = time.time(), process_tree.tree_cpu(root)
    command = [sys.executable, "-P", "-m", "tid_tune", "run", "cold.yaml"]
    process_tree.run(command, folder, environment, folder / "cold.log")
    found = json.loads(file.read_text())
    return {"wall": found["time"] - wall, "cpu": found["cpu"] - cpu}


def median(times: list[Times]) -> Times:
    return {name: round(statistics.median(t[name] for t in times), 2) for name in times[0]}


def warm(kind: str, trials: int) -> dict[str, Any]:
    """Return the first start of a kind in a process, and the median of those that follow."""
    config, prepare = KINDS[kind]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        times = warm_starts(config, prepare(folder), folder, trials)
    return {"first": median(times[:1]), "warm": median(times[1:]), "runs": times}


def cold(rounds: int) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as name:
        times = [cold_start(Path(name), number) for number in range(rounds)]
    return {"median": median(times), "runs": times}


KINDS = {"digits": (DIGITS, digits), "coco": (COCO, coco)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--parts", nargs="+", default=["cold", *KINDS])
    parser.add_argument("--trials", type=int, default=4, help="warm starts, and the one before")
    parser.add_argument("--rounds", type=int, default=3, help="cold starts")
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    result: dict[str, Any] = {"load_average": round(os.getloadavg()[1], 1)}
    for part in options.parts:
        result[part] = cold(options.rounds) if part == "cold" else warm(part, options.trials)
    publish(result, options.out)


if __name__ == "__main__":
    main()
