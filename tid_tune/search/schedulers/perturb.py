"""How population-based training changes the values it copies."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from tid_tune.space import Distribution, Params, Space

RESAMPLE = 0.25
"""Chance of a fresh value instead of a neighbour."""
FACTORS = (0.8, 1.2)
ATTEMPTS = 20


def perturb(space: Space, params: Mapping[str, Any], rng: np.random.Generator) -> Params:
    """Return values next to `params`.

    Numbers are multiplied by 0.8 or 1.2 within their range; ordinals and stepped floats move to a
    neighbour; unordered choices stay; each is drawn afresh with probability 0.25. Where no
    perturbation satisfies the constraints, the values are copied.
    """
    for _ in range(ATTEMPTS):
        found = space.build(lambda name, dist: _neighbour(dist, params.get(name), rng))
        if space.allows(found):
            return found
    return dict(params)


def _neighbour(dist: Distribution, value: Any, rng: np.random.Generator) -> Any:
    fresh, up = rng.random() < RESAMPLE, bool(rng.random() < 0.5)
    if fresh or not dist.contains(value):
        return dist.decode(float(rng.random()))
    return dist.neighbour(value, FACTORS[up])
