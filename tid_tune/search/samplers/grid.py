"""Grid search: every point once, in a scattered order, then the search is over."""

from __future__ import annotations

import math

import numpy as np

from tid_tune.errors import SpecError
from tid_tune.search import distributions
from tid_tune.search.observations import Observations
from tid_tune.search.samplers.base import Sampler, Taken
from tid_tune.search.space import Params, Space
from tid_tune.spec.model import Distribution

_GOLDEN = (math.sqrt(5) - 1) / 2


class GridSampler(Sampler):
    """Walks over the grid in steps that leave no point out and spread early ones evenly.

    Raises:
        SpecError: a parameter is a continuum.
    """

    def __init__(self, space: Space, seed: int) -> None:
        super().__init__(space, seed)
        for name, dist in space.searched.items():
            if distributions.size(dist) is None:
                raise SpecError(
                    f"space.{name}: a grid needs numbered values; give the {dist.kind} a `step`, "
                    "or write a `choice`"
                )
        self._sizes = {n: distributions.size(d) or 1 for n, d in space.searched.items()}
        self._count = math.prod(self._sizes.values())
        self._step = _coprime(round(self._count * _GOLDEN), self._count)
        self._next = 0

    def ask(self, index: int, known: Observations, taken: Taken) -> Params | None:
        """Return the first allowed point of the walk that is not taken; None after the last."""
        while self._next < self._count:
            params = self._point((self.seed + self._next * self._step) % self._count)
            if self.space.allows(params) and not taken(params):
                return params
            # Taken stays taken: after a resume, the walk passes over the same points again.
            self._next += 1
        return None

    def draw(self, rng: np.random.Generator, index: int, known: Observations) -> Params:
        """Return a random point of the grid."""
        return self._point(int(rng.integers(self._count)))

    def _point(self, index: int) -> Params:
        digits: dict[str, int] = {}
        for name, size in self._sizes.items():
            index, digits[name] = divmod(index, size)

        def pick(name: str, dist: Distribution) -> object:
            return distributions.value_at(dist, digits[name])

        return self.space.build(pick)


def _coprime(wanted: int, count: int) -> int:
    step = max(1, wanted)
    while math.gcd(step, count) != 1:
        step += 1
    return step
