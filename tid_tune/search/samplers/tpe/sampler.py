"""Tree-structured Parzen estimator: Optuna's, multivariate, on a bounded window of the results.

The split into good and bad takes at most 25 good ones, all of which are in the window; the bad
ones are represented by the next best and the latest. That keeps the cost of a suggestion constant;
on all of 10,000 results it would be ten times as much.
"""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Literal

import numpy as np

from tid_tune.models import Count
from tid_tune.search.samplers.base import Sampler
from tid_tune.search.samplers.observations import Observations
from tid_tune.search.samplers.registry import register_sampler
from tid_tune.searchfile.parts import SamplerOptions
from tid_tune.space import Params

if TYPE_CHECKING:
    from optuna.samplers import TPESampler

    from tid_tune.search.samplers.tpe.optuna_bridge import Bridge


class TpeOptions(SamplerOptions):
    """Optuna's tree-structured Parzen estimator; fast, also with thousands of trials."""

    type: Literal["tpe"] = "tpe"
    startup_trials: Count = 10
    """Random trials before the model is used."""


@register_sampler
class TpeSampler(Sampler[TpeOptions]):
    """Models good and bad points. Running trials count as bad ones, so workers spread out."""

    Options = TpeOptions

    @property
    def startup(self) -> int:
        """Trials before the model is used."""
        return self.options.startup_trials

    @cached_property
    def _bridge(self) -> Bridge:
        from tid_tune.search.samplers.tpe.optuna_bridge import Bridge

        return Bridge(self.space, self.objectives)

    def draw(self, rng: np.random.Generator, index: int, known: Observations) -> Params:
        """Return the likeliest improvement among the model's candidates."""
        seed = int(rng.integers(2**31))

        def make() -> TPESampler:
            from optuna.samplers import TPESampler

            return TPESampler(seed=seed, n_startup_trials=0, multivariate=True, constant_liar=True)

        return self._bridge.suggest(make, known.window(), known.pending)
