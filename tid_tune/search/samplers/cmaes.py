"""CMA-ES over the unconditional numeric parameters; the others are drawn at random.

The strategy's state is rebuilt from the results in the order they came: each full batch is one
generation. Only ranks matter to it, so stopped trials take part, behind those of full length.
"""

from __future__ import annotations

import numpy as np
from cmaes import CMA  # type: ignore[import-untyped]

from tid_tune.search.samplers.base import Sampler
from tid_tune.search.samplers.observations import Observation, Observations
from tid_tune.space import Distribution, Params, Space

_SIGMA = 1 / 6


class CmaEsSampler(Sampler):
    """Samples from the normal distribution that the past generations have shaped."""

    def __init__(self, space: Space, seed: int, startup: int) -> None:
        super().__init__(space, seed, startup)
        self._names = [n for n, d in space.unconditional.items() if not d.is_unordered]
        self._told = 0
        self._strategy = self._fresh() if self._names else None

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
        count = len(self._names)
        bounds = np.tile([0.0, 1.0], (count, 1))
        return CMA(np.full(count, 0.5), _SIGMA, bounds=bounds, seed=self.seed)

    def _catch_up(self, strategy: CMA, known: Observations) -> None:
        size = strategy.population_size
        while len(known.history) - self._told >= size:
            batch = known.history[self._told : self._told + size]
            self._told += size
            ranked = sorted(batch, key=lambda observation: observation.order)
            if not strategy.should_stop():
                strategy.tell([(self._code(o), float(rank)) for rank, o in enumerate(ranked)])

    def _code(self, observation: Observation) -> np.ndarray:
        parameters, values = self.space.parameters, observation.params
        return np.array([parameters[name].encode(values[name]) for name in self._names])
