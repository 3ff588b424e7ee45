"""Gaussian process: Optuna's, on the full-length trials of a bounded window.

The most economical sampler while trials are few and dear, at some tenths of a second for a
suggestion. It learns nothing from stopped trials. Optuna computes it with torch, which is
imported at the first suggestion after the startup trials and not before.
"""

from __future__ import annotations

import numpy as np
from optuna.samplers import GPSampler as OptunaGPSampler

from tid_tune.search.observations import Observations
from tid_tune.search.samplers.base import Sampler, random_point
from tid_tune.search.samplers.optuna_bridge import Bridge
from tid_tune.search.space import Params, Space


class GpSampler(Sampler):
    """Models the objective over the unconditional parameters; conditional ones are random."""

    def __init__(self, space: Space, seed: int, startup: int, objectives: int) -> None:
        super().__init__(space, seed, startup)
        self._bridge = Bridge(space, objectives)

    def draw(self, rng: np.random.Generator, index: int, known: Observations) -> Params:
        """Return the point of the best expected improvement."""
        results = known.complete_window()
        if len(results) < self.startup:
            return random_point(self.space, rng)
        seed = int(rng.integers(2**31))

        def make() -> OptunaGPSampler:
            return OptunaGPSampler(seed=seed, n_startup_trials=0, warn_independent_sampling=False)

        return self._bridge.suggest(make, results, known.pending, conditional=False)
