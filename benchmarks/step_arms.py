"""How trial_step.py trains a student: arms, each another way.

An arm is a function with `@arm(name)`: it takes a workload and returns a step, which trains on one
batch. A step of several students gives their number, as in `@arm("pack of 2", students=2)`. Every
step gets images and objects of its own, as from a data loader; several students that are to share
something are given the same ones by their arm.
"""

from __future__ import annotations

import atexit
import itertools
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from step_workloads import Batch, Workload

from tid_tune.distill.cache.content import CONTENT, sample_digest
from tid_tune.distill.cache.settings import CacheSettings
from tid_tune.distill.distiller import Distiller
from tid_tune.openmmlab.models import build_model, shared_prepared
from tid_tune.openmmlab.setup import quiet

BY_DEFAULT = ("digits", "r18_r50", "r18_r50_b8")


Step = Callable[[Batch], None]


@dataclass(frozen=True)
class Arm:
    """One way to train."""

    name: str
    build: Callable[[Workload], Step]
    students: int


ARMS: dict[str, Arm] = {}


def arm(name: str, students: int = 1) -> Callable[[Callable[[Workload], Step]], Any]:
    """Register a function that builds the step of an arm."""

    def register(build: Callable[[Workload], Step]) -> Callable[[Workload], Step]:
        ARMS[name] = Arm(name, build, students)
        return build

    return register


def training(work: Workload, model: Any) -> Step:
    """Return the step of one model: losses, their gradients, and the optimizer."""
    model = model.to(work.device).train()
    optimizer = work.optimizer(model)
    kind = work.device.split(":")[0]

    def step(batch: Batch) -> None:
        optimizer.zero_grad(set_to_none=True)
        with torch.autocast(kind, dtype=work.precision, enabled=work.precision is not None):
            losses = model.loss(batch.images, batch.samples)
        model.parse_losses(losses)[0].backward()
        optimizer.step()

    return step


def distiller(work: Workload, method: str, precision: str = "float32") -> Distiller:
    """Return a Distiller; all arms have the same student."""
    torch.manual_seed(0)
    teacher = {"model": work.teacher(), "checkpoint": None, "precision": precision}
    with quiet():
        return Distiller(work.student(), teacher, {"method": method})


def plain_student(work: Workload) -> Any:
    torch.manual_seed(0)
    with quiet():
        return build_model(work.student())


@arm("plain")
def plain(work: Workload) -> Step:
    return training(work, plain_student(work))


@arm("none")
def none(work: Workload) -> Step:
    return training(work, distiller(work, "none"))


@arm("mimic")
def mimic(work: Workload) -> Step:
    return training(work, distiller(work, "mimic"))


@arm("mmdet_ld")
def mmdet_ld(work: Workload) -> Step:
    """Build mmdet's own localization distillation, with the loss weight of its configs."""
    student = work.student()
    student["type"] = "KnowledgeDistillationSingleStageDetector"
    student["bbox_head"]["type"] = "LDHead"
    student["bbox_head"]["loss_ld"] = {
        "type": "KnowledgeDistillationKLDivLoss",
        "loss_weight": 0.25,
        "T": 10,
    }
    student["teacher_config"] = {"model": work.teacher()}
    torch.manual_seed(0)
    with quiet():
        model: Any = build_model(student)
    model.to(work.device)
    return training(work, _Chained(model))


class _Chained:
    """mmdet's detector, whose `train` and `to` return nothing or do not chain."""

    def __init__(self, model: Any) -> None:
        self._model = model

    def to(self, device: str) -> _Chained:
        return self

    def train(self) -> Any:
        self._model.train()
        return self._model


@arm("tid")
def tid(work: Workload) -> Step:
    return training(work, distiller(work, "tid"))


@arm("tid_bf16")
def tid_bfloat16(work: Workload) -> Step:
    return training(work, distiller(work, "tid", "bfloat16"))


@arm("tid_at_hand")
def tid_at_hand(work: Workload) -> Step:
    """Train with TID where the teacher's maps and outputs cost nothing, as from a perfect cache."""
    model = distiller(work, "tid").to(work.device)
    teacher: Any = model.teacher
    with torch.no_grad():
        features = teacher.extract_feat(work.make_batch().images)
        outputs = teacher.bbox_head(features)
    features = [item.contiguous() for item in features]
    outputs = [[item.contiguous() for item in kind] for kind in outputs]
    teacher.extract_feat = lambda _: features
    teacher.bbox_head.forward = lambda _: outputs
    return training(work, model)


@arm("cache_hit")
def cache_hit(work: Workload) -> Step:
    """Train with TID where the cache has all images; their digests are part of the step."""
    return _cached(work, lambda number: 0)


@arm("cache_miss")
def cache_miss(work: Workload) -> Step:
    """Train with TID where the cache has none of the images, and keeps them all."""
    return _cached(work, lambda number: number)


def _cached(work: Workload, content: Callable[[int], int]) -> Step:
    """Return the step of a Distiller with a cache; `content` names the images of a step."""
    from tid_tune.distill.cache.recall import TeacherCache  # with its database

    model = distiller(work, "tid")
    folder = tempfile.mkdtemp()
    atexit.register(shutil.rmtree, folder)  # after the database has been closed
    settings = CacheSettings(dir=folder, gib=20)
    model._teacher.cache = TeacherCache(settings, model._teacher.detector, work.teacher(), {})
    step = training(work, model)
    pixels, numbers = torch.zeros(3, *work.size, dtype=torch.uint8), itertools.count()
    objects = [{"inputs": pixels, "data_samples": item.cpu()} for item in work.make_batch().samples]

    def cached(batch: Batch) -> None:
        number = content(next(numbers))
        for index, sample in enumerate(batch.samples):
            digest = sample_digest(objects[index], f"{number} {index}".encode())
            sample.set_metainfo({CONTENT: digest, "batch_input_shape": work.size})
        step(batch)

    return cached


@arm("tid_batch_at_hand")
def tid_batch_at_hand(work: Workload) -> Step:
    """Train with TID on a batch that another student of a pack has been given before."""
    step, first = training(work, distiller(work, "tid")), work.make_batch()
    return lambda _: step(first)


@arm("pack_of_2", students=2)
def pack_of_2(work: Workload) -> Step:
    return _pack(work, 2)


@arm("pack_of_4", students=4)
def pack_of_4(work: Workload) -> Step:
    return _pack(work, 4)


def _pack(work: Workload, students: int) -> Step:
    """Return a step of students with TID that share the teacher, as the members of a pack do."""
    models = [distiller(work, "tid") for _ in range(students)]
    for model in models[1:]:
        model._teacher = models[0]._teacher
    steps = [training(work, model) for model in models]

    def together(batch: Batch) -> None:
        for step in steps:
            own = shared_prepared({"inputs": batch.images, "data_samples": list(batch.samples)})
            step(Batch(own["inputs"], own["data_samples"] or []))

    return together


@arm("plain_channels_last")
def plain_channels_last(work: Workload) -> Step:
    model = plain_student(work)
    return training(work, model.to(memory_format=torch.channels_last))


@arm("tid_channels_last")
def tid_channels_last(work: Workload) -> Step:
    model = distiller(work, "tid")
    return training(work, model.to(memory_format=torch.channels_last))
