"""What TID costs per training step, next to the student alone.

    python benchmarks/method_cost.py                        # digits size, on the CPU
    python benchmarks/method_cost.py --size coco --device cuda --amp bf16 --batch 8

Steps of both kinds take turns, so that a busy machine slows both alike; the ratio is the median of
the ratios of neighbours. Shares are of the step with TID. Weights are random: only time counts.
Prints one JSON object.
"""

from __future__ import annotations

import argparse
import copy
import json
import statistics
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from mmengine.hub import get_config
from mmengine.structures import InstanceData

from tid_tune.distill.context import Batch, Context, View
from tid_tune.distill.distiller import Distiller
from tid_tune.openmmlab.configs import load_config
from tid_tune.openmmlab.setup import quiet

COCO = {
    "gfl": "mmdet::gfl/gfl_r50_fpn_1x_coco.py",
    "atss": "mmdet::atss/atss_r50_fpn_1x_coco.py",
    "retinanet": "mmdet::retinanet/retinanet_r50_fpn_1x_coco.py",
    "fcos": "mmdet::fcos/fcos_r50-caffe_fpn_gn-head_1x_coco.py",
}
DIGITS = "trainables/configs/digits/gfl_r18.py"


def models(size: str, head: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Student and teacher: 8 and 32 base channels for digits, ResNet-50 and -101 for coco."""
    if size == "digits":
        student = load_config(DIGITS).model.to_dict()
        teacher = copy.deepcopy(student)
        teacher["backbone"]["base_channels"] = 32
        teacher["neck"]["in_channels"] = [64, 128, 256]
    else:
        student = get_config(COCO[head]).model.to_dict()
        teacher = copy.deepcopy(student)
        teacher["backbone"]["depth"] = 101
    return student, teacher


def build(options: argparse.Namespace) -> Distiller:
    with quiet():
        student, teacher = models(options.size, options.head)
        source = {"model": teacher, "checkpoint": None}
        model = Distiller(student, source, {"method": "tid"})
    return model.to(options.device).train()


def make_batch(options: argparse.Namespace) -> tuple[torch.Tensor, list[Any]]:
    from mmdet.structures import DetDataSample

    height, width = (128, 128) if options.size == "digits" else (800, 1344)
    generator = torch.Generator().manual_seed(0)
    samples = []
    for _ in range(options.batch):
        center = torch.rand(options.objects, 2, generator=generator)
        half = 0.02 + 0.15 * torch.rand(options.objects, 2, generator=generator)
        boxes = torch.cat([center - half, center + half], 1) * torch.tensor([width, height] * 2)
        labels = torch.randint(10, (options.objects,), generator=generator)
        sample = DetDataSample(
            metainfo={"img_shape": (height, width), "pad_shape": (height, width)}
        )
        sample.gt_instances = InstanceData(bboxes=boxes, labels=labels).to(options.device)
        samples.append(sample)
    images = torch.randn(options.batch, 3, height, width, generator=generator)
    return images.to(options.device), samples


def parts(
    model: Distiller, batch: tuple[torch.Tensor, list[Any]], amp: Callable[[], Any]
) -> dict[str, Callable[[], Any]]:
    """Things to time: two kinds of step, and the two pieces that distillation adds to one."""
    images, samples = batch
    optimizer = torch.optim.SGD(model.student.parameters(), lr=0.0)

    def step(detector: Any) -> None:
        model._teacher.forget()
        optimizer.zero_grad(set_to_none=True)
        with amp():
            losses = detector.loss(images, samples)
        detector.parse_losses(losses)[0].backward()
        optimizer.step()

    with amp():
        features = model.student.extract_feat(images)
        outputs = model.student.bbox_head(features)
        teacher = model._teacher.view(images)
    instances = [item.gt_instances for item in samples]
    metas = [item.metainfo for item in samples]

    def distillation(*, assessment_only: bool) -> None:
        student = View(model.student, model._student_head, features, outputs)
        seen = View(teacher.detector, teacher.head, teacher.features, teacher.outputs)
        context = Context(Batch(images, seen, instances, metas), student, 0, 0)
        with amp():
            if assessment_only:
                model.method.assess(context)
            else:
                model.method(context)

    def teach() -> None:
        with amp():
            model._teacher.view(images)

    return {
        "student": lambda: step(model.student),
        "tid": lambda: step(model),
        "teacher": teach,
        "assessment": lambda: distillation(assessment_only=True),
        "method": lambda: distillation(assessment_only=False),
    }


def seconds(run: Callable[[], Any], device: str) -> float:
    synchronize(device)
    start = time.perf_counter()
    run()
    synchronize(device)
    return time.perf_counter() - start


def synchronize(device: str) -> None:
    if device.startswith("cuda"):
        torch.cuda.synchronize(device)


def measure(options: argparse.Namespace) -> dict[str, Any]:
    kind = options.device.split(":")[0]
    precision = {"bf16": torch.bfloat16, "fp16": torch.float16}.get(options.amp)

    def amp() -> AbstractContextManager[Any]:
        return torch.autocast(kind, dtype=precision) if precision else nullcontext()

    torch.manual_seed(0)
    todo = parts(build(options), make_batch(options), amp)
    times: dict[str, list[float]] = {name: [] for name in todo}
    for turn in range(options.warmup + options.repeats):
        for name, run in todo.items():
            spent = seconds(run, options.device)
            if turn >= options.warmup:
                times[name].append(spent)
    median = {name: statistics.median(values) for name, values in times.items()}
    ratios = [b / a for a, b in zip(times["student"], times["tid"], strict=True)]
    return {
        "setup": vars(options) | {"torch": torch.__version__, "threads": torch.get_num_threads()},
        "milliseconds": {name: round(1000 * value, 2) for name, value in median.items()},
        "tid_over_student": round(statistics.median(ratios), 3),
        "share_of_tid_step": {
            name: round(median[name] / median["tid"], 3)
            for name in ("teacher", "assessment", "method")
        },
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--size", choices=["digits", "coco"], default="digits")
    parser.add_argument("--head", choices=list(COCO), default="gfl", help="with --size coco")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--amp", choices=["none", "bf16", "fp16"], default="none")
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--objects", type=int, default=6, help="in every image")
    parser.add_argument("--repeats", type=int, default=20)
    parser.add_argument("--warmup", type=int, default=3)
    print(json.dumps(measure(parser.parse_args()), indent=2))


if __name__ == "__main__":
    main()
