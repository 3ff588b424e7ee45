"""Random search: every point from the prior; results make no difference."""

from __future__ import annotations

from typing import Literal

import numpy as np

from tid_tune.search.samplers.base import Sampler, random_point
from tid_tune.search.samplers.observations import Observations
from tid_tune.search.samplers.registry import register_sampler
from tid_tune.searchfile.parts import SamplerOptions
from tid_tune.space import Params


class RandomOptions(SamplerOptions):
    """Random points."""

    type: Literal["random"] = "random"


@register_sampler
class RandomSampler(Sampler[RandomOptions]):
    """Draws from the prior."""

    Options = RandomOptions

    def draw(self, rng: np.random.Generator, index: int, known: Observations) -> Params:
        """Return a random point."""
        return random_point(self.space, rng)
