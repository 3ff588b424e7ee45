"""The values that stopped trials would have reached at the length of the others.

A stopped trial is less informative than a finished one, but not useless: the trials that went on
show, by linear regression, how well values at that length predict the end. Where they predict
little, the trial is expected near the mean, with a large variance. [ours]
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tid_tune.search.samplers.gp.codes import Array
from tid_tune.search.samplers.observations import Length, Observation

PAIRS = 4
"""Trials that must have come to a length before others are carried on to it."""
PRIOR_PAIRS = 2.0
"""The weight of the prior slope, the ratio of the spreads, in trials."""


@dataclass(frozen=True)
class Expected:
    """Values (n) of `observations` at one and the same length; variance 0 where it was reached."""

    observations: list[Observation]
    values: Array
    variances: Array


def expected_values(observations: Sequence[Observation]) -> Expected | None:
    """Return the first objective of all observations at the longest length `PAIRS` came to.

    Observations that fewer than `PAIRS` of the longer ones can be compared with are left out.
    None: no length was reached by that many.
    """
    target = common_length(observations)
    if target is None:
        return None
    ends = {o.number: o.curve[target] for o in observations if target in o.curve}
    chosen: list[Observation] = []
    found: list[tuple[float, float]] = []
    known: dict[Length, _Line | None] = {}
    for observation in observations:
        if observation.number in ends:
            chosen.append(observation)
            found.append((ends[observation.number], 0.0))
            continue
        length = observation.length
        if length not in known:
            known[length] = _Line.through(_pairs(observations, length, ends))
        line = known[length]
        if line is not None:
            chosen.append(observation)
            found.append((line.at(observation.curve[length]), line.variance))
    values = np.array(found)
    return Expected(chosen, values[:, 0], values[:, 1])


@dataclass(frozen=True)
class _Line:
    """A regression of final values on earlier ones."""

    x: float
    y: float
    slope: float
    variance: float

    @classmethod
    def through(cls, pairs: Array) -> _Line | None:
        if len(pairs) < PAIRS:
            return None
        x, y = pairs.mean(axis=0)
        a, b = pairs[:, 0] - x, pairs[:, 1] - y
        spread = float(a @ a)
        if spread <= 0.0:
            return cls(x, y, 0.0, float(b @ b) / (len(pairs) - 1))
        weight = PRIOR_PAIRS * spread / len(pairs)
        prior = np.sqrt(float(b @ b) / spread)
        slope = (float(a @ b) + weight * prior) / (spread + weight)
        rest = b - slope * a
        return cls(x, y, slope, float(rest @ rest) / (len(pairs) - 2))

    def at(self, value: float) -> float:
        return self.y + self.slope * (value - self.x)


def common_length(observations: Sequence[Observation]) -> Length | None:
    """Return the longest length that `PAIRS` of the observations came to; None: there is none."""
    counts = Counter(length for o in observations for length in o.curve)
    reached = [length for length, count in counts.items() if count >= PAIRS]
    return max(reached, key=lambda length: (length.cost, length.fraction), default=None)


def _pairs(observations: Sequence[Observation], length: Length, ends: dict[int, float]) -> Array:
    return np.array(
        [
            (o.curve[length], ends[o.number])
            for o in observations
            if o.number in ends and length in o.curve
        ]
    )
