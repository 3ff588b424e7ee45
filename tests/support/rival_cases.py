"""Two tiny heads on random feature maps: what a method gets, without backbone and training."""

from __future__ import annotations

from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from mmengine.config import ConfigDict
from torch import Tensor, nn

from support.tiny_detectors import STRIDES, detector, samples
from tid_tune.detectors.heads import HeadAdapter, adapt_head
from tid_tune.distill.context import Context, View
from tid_tune.distill.method import Method, MethodOutput
from tid_tune.distill.registry import build_method
from tid_tune.distill.settings import parse_settings

RIVALS = ("mimic", "defeat", "fgd", "pkd", "frs", "ld", "crosskd")

BATCHES: dict[str, tuple[list[Any], list[tuple[int, int]], tuple[int, int]]] = {
    "square": (
        [[[3.2, 5.1, 30.7, 40.3], [10.6, 20.9, 60.2, 61.4]], [[8.1, 2.2, 44.3, 33.9]]],
        [(64, 64), (64, 64)],
        (64, 64),
    ),
    "padded": (
        [[[2.4, 3.1, 60.2, 90.5], [20.5, 30.2, 34.7, 41.8]], [[4.2, 6.3, 30.1, 37.2]]],
        [(96, 64), (40, 32)],
        (96, 64),
    ),
    "beyond the image": (
        [[[2.4, 3.1, 60.2, 90.5]], [[4.2, 6.3, 64.0, 80.0], [30.0, 38.0, 52.0, 60.0]]],
        [(96, 64), (40, 32)],
        (96, 64),
    ),
    "odd size": ([[[10.1, 12.3, 40.2, 48.7]]], [(50, 70)], (50, 70)),
    "no object": ([[], [[12.2, 7.3, 50.1, 31.4]]], [(64, 64), (64, 64)], (64, 64)),
    "no object at all": ([[], []], [(64, 64), (32, 64)], (64, 64)),
    "nested and touching": (
        [[[8.0, 8.0, 56.0, 56.0], [16.0, 16.0, 32.0, 32.0], [32.0, 16.0, 33.0, 17.0]]],
        [(64, 64)],
        (64, 64),
    ),
}


@dataclass
class Setting:
    """A method, the batch it is given, and where both came from."""

    method: Method
    context: Context
    objects: list[list[list[float]]]
    padded: list[tuple[int, int]]

    def __call__(self) -> MethodOutput:
        return self.method(self.context)

    def raw(self) -> dict[str, float]:
        """The raw value of each term."""
        return {
            name.removeprefix("distill/").removesuffix("_raw"): value.item()
            for name, value in self().logs.items()
            if name.endswith("_raw")
        }


def head(kind: str, seed: int, role: str, training: bool, **changes: Any) -> HeadAdapter:
    """A dense head with lively predictors: scores and boxes that differ from point to point."""
    from mmdet.registry import MODELS

    width = changes.pop("width", 8)
    config = detector(kind, width=width, **({"stacked_convs": 3} | changes))
    torch.manual_seed(seed)
    built: Any = MODELS.build(ConfigDict(config["bbox_head"], train_cfg=config["train_cfg"]))
    predictors = {"gfl": "gfl", "atss": "atss", "retinanet": "retina", "fcos": "conv"}[kind]
    for part, spread in (("cls", 0.15), ("reg", 0.1)):
        layer = getattr(built, f"{predictors}_{part}")
        nn.init.normal_(layer.weight, std=spread)
        nn.init.constant_(layer.bias, -1.0 if part == "cls" else 1.0 if kind == "fcos" else 0.0)
    if kind == "retinanet":
        for module in built.modules():
            if isinstance(module, nn.Conv2d) and module.out_channels == 8:
                nn.init.normal_(module.weight, std=0.2)
    return adapt_head(SimpleNamespace(bbox_head=built.train(training)), role)  # type: ignore[arg-type]


def setting(
    method: str,
    kind: str = "gfl",
    case: str = "padded",
    *,
    student: dict[str, Any] | None = None,
    teacher: dict[str, Any] | None = None,
    copied: bool = False,
    **options: Any,
) -> Setting:
    """A method on a batch; `copied` gives the student the teacher's head and features."""
    student, teacher = dict(student or {}), dict(teacher or {})
    ours = head(student.pop("kind", kind), 1, "student", True, **student)
    theirs = head(teacher.pop("kind", kind), 2, "teacher", False, **teacher)
    theirs.head.requires_grad_(False)
    if copied:
        ours.head.load_state_dict(theirs.head.state_dict())
    torch.manual_seed(3)
    built = build_method(parse_settings({"method": method, **options}), ours, theirs)
    boxes, shapes, size = BATCHES[case]
    data = samples(boxes, shapes)
    views = []
    for seed, adapter in ((4, ours), (5, theirs)):
        features = random_maps(len(boxes), adapter.in_channels, size, 5 if copied else seed)
        if adapter is ours:
            features = [item.requires_grad_() for item in features]
        with torch.set_grad_enabled(adapter is ours):
            views.append(View(nn.Identity(), adapter, features, adapter.head(features)))
    instances, metas = [item.gt_instances for item in data], [item.metainfo for item in data]
    return Setting(built, Context(*views, instances, metas, 0, 0), boxes, shapes)


def random_maps(images: int, channels: int, size: tuple[int, int], seed: int) -> list[Tensor]:
    """A pyramid of noise with another mean and scale in every channel."""
    generator = torch.Generator().manual_seed(seed)
    scale = torch.linspace(0.5, 2.0, channels)[:, None, None]
    maps = []
    for stride in STRIDES:
        height, width = -(-size[0] // stride), -(-size[1] // stride)
        noise = torch.randn(images, channels, height, width, generator=generator)
        maps.append(noise * scale + scale - 1)
    return maps


def check(found: dict[str, float], expected: dict[str, float]) -> None:
    """The same terms with the same values."""
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        assert found[name] == pytest.approx(value, rel=2e-4, abs=1e-6), name
