"""Random objectives that behave like the training of a small network, as LCBench records them.

The parameters and their ranges are those of LCBench (Zimmer, Lindauer and Hutter, "Auto-PyTorch
Tabular", 2021). Most points are decent, a good part is at chance: training diverges where the
learning rate is too high for the momentum, the batch size and the depth. So values have a long
tail below. The functions are ours; LCBench's tables are not used.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from tid_tune.space import Distribution, Integer, LogUniform, Uniform

CHANCE = 0.1
SEED_SCATTER, EVALUATION_SCATTER = 0.003, 0.001
MARGIN, FALL = 0.7, 0.5
"""Decades of the learning rate from the best one to where training begins to diverge, and from
there to where nothing is learned."""


@dataclass(frozen=True)
class Network:
    """A `Task` like the tuning of a network on a table (see landscapes.py)."""

    number: int
    rate: float
    """The logarithm of the best learning rate, in effect."""
    capacity: float
    regular: float
    weight: tuple[float, float, float, float]
    best: float = 0.9
    epochs: ClassVar[int] = 27
    space: ClassVar[Mapping[str, Distribution]] = {
        "batch_size": Integer(low=16, high=512, log=True),
        "learning_rate": LogUniform(low=1e-4, high=1e-1),
        "momentum": Uniform(low=0.1, high=0.99),
        "weight_decay": LogUniform(low=1e-5, high=1e-1),
        "num_layers": Integer(low=1, high=5),
        "max_units": Integer(low=64, high=1024, log=True),
        "max_dropout": Uniform(low=0.0, high=1.0),
    }

    @classmethod
    def draw(cls, number: int) -> Network:
        rng = np.random.default_rng([7, number])
        weights = np.array([0.04, 0.1, 0.15, 0.03]) * rng.lognormal(0, 0.7, size=4)
        rate, capacity, regular = rng.uniform([-2.4, 0.2, 0.1], [-1.0, 0.9, 0.7])
        return cls(number, float(rate), float(capacity), float(regular), tuple(weights.tolist()))

    def level(self, params: Mapping[str, Any]) -> float:
        off = _rate(params) - self.rate
        depth = (params["num_layers"] - 1) / 4
        capacity = 0.6 * math.log2(params["max_units"] / 64) / 4 + 0.4 * depth
        decay = math.log10(params["weight_decay"] / 1e-5) / 4
        regular = 0.7 * params["max_dropout"] + 0.3 * decay**2
        wanted = self.regular + 0.3 * (capacity - self.capacity)
        batch = math.log2(params["batch_size"] / 16) / 5
        loss = np.dot(
            self.weight,
            (min(off, 0.0) ** 2, (capacity - self.capacity) ** 2, (regular - wanted) ** 2, batch),
        )
        beyond = min(max((off - MARGIN + 0.3 * depth) / FALL, 0.0), 1.0)
        kept = 1 - beyond**2 * (3 - 2 * beyond)
        return float(CHANCE + max(self.best - CHANCE - loss, 0.0) * kept)

    def value(self, params: Mapping[str, Any], epoch: int, seed: int) -> float:
        key = [self.number, seed, zlib.crc32(repr(sorted(params.items())).encode())]
        level = self.level(params) + np.random.default_rng(key).normal(0, SEED_SCATTER)
        pace = 2 + 4 / (1 + math.exp(-2 * (_rate(params) - self.rate)))
        part = (1 - math.exp(-pace * epoch / self.epochs)) / (1 - math.exp(-pace))
        noise = np.random.default_rng([*key, epoch]).normal(0, EVALUATION_SCATTER)
        return float(CHANCE + (level - CHANCE) * part + noise)

    def seconds(self, params: Mapping[str, Any]) -> float:
        return 60 + 10 * params["max_units"] / 1024


def _rate(params: Mapping[str, Any]) -> float:
    """Return the logarithm of the learning rate in effect: by momentum and batch size."""
    rate = params["learning_rate"] / (1 - params["momentum"])
    return math.log10(rate) - 0.5 * math.log10(params["batch_size"] / 128)
