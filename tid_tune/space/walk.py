"""A walk over all points of a finite space, in a scattered order."""

from __future__ import annotations

import math
from collections.abc import Callable

from tid_tune.space.distributions import Distribution
from tid_tune.space.space import Space, config_key
from tid_tune.space.values import Params

_GOLDEN = (math.sqrt(5) - 1) / 2


class GridWalk:
    """Visits each point once, in steps that leave none out and spread early ones evenly.

    Args:
        space: every parameter has a `size`.
        seed: where the walk begins.
    """

    def __init__(self, space: Space, seed: int) -> None:
        self._space = space
        self._sizes = {n: d.size or 1 for n, d in space.searched.items()}
        self.count = math.prod(self._sizes.values())
        self._begin = seed
        self._step = _coprime(round(self.count * _GOLDEN), self.count)
        self._next = 0

    def next(self, taken: Callable[[Params], bool]) -> Params | None:
        """Return the first allowed point that is not `taken`; None after the last.

        A point that is taken must stay taken: it is not looked at again.
        """
        while self._next < self.count:
            params = self.point((self._begin + self._next * self._step) % self.count)
            if self._space.allows(params) and not taken(params):
                return params
            self._next += 1
        return None

    def points(self) -> list[Params]:
        """Return each allowed point once, in the order of their numbers."""
        found: dict[str, Params] = {}
        for index in range(self.count):
            params = self.point(index)
            if self._space.allows(params):
                found.setdefault(config_key(params, 0), params)
        return list(found.values())

    def point(self, index: int) -> Params:
        """Return the point number `index` of the grid."""
        digits: dict[str, int] = {}
        for name, size in self._sizes.items():
            index, digits[name] = divmod(index, size)

        def pick(name: str, dist: Distribution) -> object:
            return dist.value_at(digits[name])

        return self._space.build(pick)


def _coprime(wanted: int, count: int) -> int:
    step = max(1, wanted)
    while math.gcd(step, count) != 1:
        step += 1
    return step
