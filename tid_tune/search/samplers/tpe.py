"""Tree-structured Parzen estimator: Optuna's, multivariate, on a bounded window of the results.

The split into good and bad takes at most 25 good ones, all of which are in the window; the bad
ones are represented by the next best and the latest. That keeps the cost of a suggestion constant;
on all of 10,000 results it would be ten times as much.
"""

from __future__ import annotations

import numpy as np
from optuna.samplers import TPESampler

from tid_tune.search.samplers.base import Sampler
from tid_tune.search.samplers.observations import Observations
from tid_tune.search.samplers.optuna_bridge import Bridge
from tid_tune.space import Params, Space


class TpeSampler(Sampler):
    """Models good and bad points. Running trials count as bad ones, so workers spread out."""

    def __init__(self, space: Space, seed: int, startup: int, objectives: int) -> None:
        super().__init__(space, seed, startup)
        self._bridge = Bridge(space, objectives)

    def draw(self, rng: np.random.Generator, index: int, known: Observations) -> Params:
        """Return the likeliest improvement among the model's candidates."""
        seed = int(rng.integers(2**31))

        def make() -> TPESampler:
            return TPESampler(seed=seed, n_startup_trials=0, multivariate=True, constant_liar=True)

        return self._bridge.suggest(make, known.window(), known.pending)
