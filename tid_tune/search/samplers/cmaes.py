"""CMA-ES over the unconditional numeric parameters; the others are drawn at random.

The strategy's state is rebuilt from the results in the order they came: each full batch is one
generation. Only ranks matter to it, so stopped trials take part, behind those of full length.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np

from tid_tune.models import Count
from tid_tune.search.samplers.base import Sampler
from tid_tune.search.samplers.observations import Observation, Observations
from tid_tune.search.samplers.registry import register_sampler
from tid_tune.searchfile.parts import SamplerOptions
from tid_tune.space import Distribution, Params, Space

if TYPE_CHECKING:
    from cmaes import CMA  # type: ignore[import-untyped]  # ships no types

_SIGMA = 1 / 6


class CmaEsOptions(SamplerOptions):
    """CMA-ES, an evolution strategy over the numeric parameters; one objective."""

    type: Literal["cmaes"] = "cmaes"
    startup_trials: Count = 10
    """Random trials before the strategy is used."""


@register_sampler
class CmaEsSampler(Sampler[CmaEsOptions]):
    """Samples from the normal distribution that the past generations have shaped."""

    Options = CmaEsOptions
    several_objectives = False

    def __init__(self, space: Space, options: CmaEsOptions, seed: int, objectives: int = 1) -> None:
        super().__init__(space, options, seed, objectives)
        self._names = [n for n, d in space.unconditional.items() if not d.is_unordered]
        self._taken_in = 0
        self._strategy = self._fresh() if self._names else None

    @property
    def startup(self) -> int:
        """Trials before the strategy is used."""
        return self.options.startup_trials

    def draw(self, rng: np.random.Generator, index: int, known: Observations) -> Params:
        """Return a sample of the current generation."""
        units: dict[str, float] = {}
        if self._strategy is not None:
            self._catch_up(self._strategy, known)
            self._strategy.reseed_rng(int(rng.integers(2**31)))
            units = dict(zip(self._names, self._strategy.ask().tolist(), strict=True))

        def pick(name: str, dist: Distribution) -> object:
            return dist.decode(units.get(name, float(rng.random())))

        return self.space.build(pick)

    def _fresh(self) -> CMA:
        from cmaes import CMA

        count = len(self._names)
        bounds = np.tile([0.0, 1.0], (count, 1))
        return CMA(np.full(count, 0.5), _SIGMA, bounds=bounds, seed=self.seed)

    def _catch_up(self, strategy: CMA, known: Observations) -> None:
        size = strategy.population_size
        while len(known.history) - self._taken_in >= size:
            batch = known.history[self._taken_in : self._taken_in + size]
            self._taken_in += size
            ranked = sorted(batch, key=lambda observation: observation.order)
            if not strategy.should_stop():
                strategy.tell([(self._code(o), float(rank)) for rank, o in enumerate(ranked)])

    def _code(self, observation: Observation) -> np.ndarray:
        parameters, values = self.space.parameters, observation.params
        return np.array([parameters[name].encode(values[name]) for name in self._names])
