"""Random objectives for searches: functions of eight parameters that behave like mAP.

Each has a known best point, learning curves that cross (a high learning rate learns faster early
on), scatter between seeds and scatter between evaluations. Two parameters are conditional.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol

import numpy as np

from tid_tune.space import Choice, Distribution, LogUniform, Uniform

OBJECTIVE = "coco/bbox_mAP"
EPOCHS = 12
WORKERS = 8
TRAININGS = 40
"""The budget of a search, in full trainings."""
SEED_SCATTER, EVALUATION_SCATTER = 0.012, 0.004
RANGES = {
    "loss_weight": (0.3, 10.0),
    "key_weight": (0.1, 10.0),
    "weak_weight": (0.1, 10.0),
    "rest_weight": (0.01, 3.0),
    "lr": (1e-3, 1e-2),
    "quantile": (0.005, 0.1),
    "weak_threshold": (0.3, 3.0),
}
LINEAR = ("weak_threshold",)


class Task(Protocol):
    """A random objective: `level` is what a training converges to, `value` what it reports."""

    best: float
    """The highest level."""
    epochs: ClassVar[int]
    """Of a full training."""
    space: ClassVar[Mapping[str, Distribution]]

    def level(self, params: Mapping[str, Any]) -> float: ...

    def value(self, params: Mapping[str, Any], epoch: int, seed: int) -> float: ...

    def seconds(self, params: Mapping[str, Any]) -> float:
        """Duration of an epoch; not the same for all, so that trials overtake each other."""
        ...


def _space() -> dict[str, Distribution]:
    when = {"quantile": {"select": ("quantile",)}, "weak_threshold": {"select": ("threshold",)}}
    space: dict[str, Distribution] = {
        name: (Uniform if name in LINEAR else LogUniform)(
            low=low, high=high, when=when.get(name, {})
        )
        for name, (low, high) in RANGES.items()
    }
    return {**space, "select": Choice(values=("threshold", "quantile"))}


@dataclass(frozen=True)
class Landscape:
    """A `Task` like the tuning of a detector."""

    number: int
    centre: dict[str, float]
    weight: dict[str, float]
    twist: float
    best: float = 0.5
    epochs: ClassVar[int] = EPOCHS
    space: ClassVar[Mapping[str, Distribution]] = _space()

    @classmethod
    def draw(cls, number: int) -> Landscape:
        rng = np.random.default_rng(number)
        centre = {name: float(rng.uniform(0.05, 0.95)) for name in RANGES}
        # A few parameters matter much, most of them little.
        weight = {name: 0.15 * float(rng.lognormal(0, 1)) for name in RANGES}
        return cls(number, centre, weight, float(rng.uniform(-0.2, 0.2)))

    def level(self, params: Mapping[str, Any]) -> float:
        off = {
            name: unit(name, params[name]) - self.centre[name] for name in RANGES if name in params
        }
        loss = sum(self.weight[name] * distance**2 for name, distance in off.items())
        loss += (
            abs(self.twist) * (off["loss_weight"] + math.copysign(1, self.twist) * off["lr"]) ** 2
        )
        if params["select"] == "threshold":
            loss += 0.02
        return max(0.02, self.best - loss)

    def value(self, params: Mapping[str, Any], epoch: int, seed: int) -> float:
        key = [self.number, seed, *np.frombuffer(repr(sorted(params.items())).encode(), np.uint8)]
        rng = np.random.default_rng(key)
        level = self.level(params) + rng.normal(0, SEED_SCATTER)
        rate = 2 + 3 * unit("lr", params["lr"])
        noise = np.random.default_rng([*key, epoch]).normal(0, EVALUATION_SCATTER)
        return float(level * (1 - math.exp(-rate * epoch / EPOCHS)) / (1 - math.exp(-rate)) + noise)

    def seconds(self, params: Mapping[str, Any]) -> float:
        return 60 + 10 * unit("lr", params["lr"])


def unit(name: str, value: float) -> float:
    low, high = RANGES[name]
    if name in LINEAR:
        return (value - low) / (high - low)
    return math.log(value / low) / math.log(high / low)
