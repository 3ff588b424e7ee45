"""Random search: every point from the prior, whatever has been seen."""

from __future__ import annotations

import numpy as np

from tid_tune.search.samplers.base import Sampler, random_point
from tid_tune.search.samplers.observations import Observations
from tid_tune.space import Params


class RandomSampler(Sampler):
    """Draws from the prior."""

    def draw(self, rng: np.random.Generator, index: int, known: Observations) -> Params:
        """Return a random point."""
        return random_point(self.space, rng)
