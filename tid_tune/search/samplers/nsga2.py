"""NSGA-II for several objectives: crossover and mutation of the least dominated points.

A steady-state form: the parents are the best 50 of everything seen so far, by non-domination and
crowding (Deb et al., 2002), and each suggestion is one child. So no worker waits for a generation
to end, and the population after a resume is a function of the ledger.
"""

from __future__ import annotations

from typing import Literal

import numpy as np

from tid_tune.results.pareto import best_of
from tid_tune.search.samplers.base import Sampler, random_point
from tid_tune.search.samplers.observations import Observation, Observations
from tid_tune.search.samplers.registry import register_sampler
from tid_tune.searchfile.parts import SamplerOptions
from tid_tune.space import Distribution, Params, Space

POPULATION = 50
CROSSOVER = 0.9
STARTUP = 10
"""Random trials before the first child."""


class Nsga2Options(SamplerOptions):
    """NSGA-II, a genetic algorithm for several objectives."""

    type: Literal["nsga2"] = "nsga2"


@register_sampler
class Nsga2Sampler(Sampler[Nsga2Options]):
    """Uniform crossover of two tournament winners; each value mutates with probability 1 / n."""

    Options = Nsga2Options

    def __init__(self, space: Space, options: Nsga2Options, seed: int, objectives: int = 1) -> None:
        super().__init__(space, options, seed, objectives)
        self._parents: list[Observation] = []
        self._seen = 0

    @property
    def startup(self) -> int:
        """Trials before the first child."""
        return STARTUP

    def draw(self, rng: np.random.Generator, index: int, known: Observations) -> Params:
        """Return one child."""
        self._catch_up(known)
        if len(self._parents) < 2:
            return random_point(self.space, rng)
        mother, father = self._tournament(rng), self._tournament(rng)
        crossing = rng.random() < CROSSOVER
        rate = 1 / max(1, len(self.space.searched))

        def pick(name: str, dist: Distribution) -> object:
            parent = father if crossing and rng.random() < 0.5 else mother
            fresh = float(rng.random())
            if rng.random() < rate or name not in parent.params:
                return dist.decode(fresh)
            return parent.params[name]

        return self.space.build(pick)

    def _tournament(self, rng: np.random.Generator) -> Observation:
        """Return the better of two parents; they are kept best first."""
        first, second = rng.integers(len(self._parents), size=2)
        return self._parents[min(int(first), int(second))]

    def _catch_up(self, known: Observations) -> None:
        for observation in known.history[self._seen :]:
            if observation.step is None:
                candidates = [*self._parents, observation]
                order = best_of(np.array([o.values for o in candidates]), POPULATION)
                self._parents = [candidates[i] for i in order]
        self._seen = len(known.history)
