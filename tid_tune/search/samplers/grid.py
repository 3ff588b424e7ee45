"""Grid search: every point once, in a scattered order, then the search is over."""

from __future__ import annotations

import numpy as np

from tid_tune.errors import SpecError
from tid_tune.search.samplers.base import Sampler, Taken
from tid_tune.search.samplers.observations import Observations
from tid_tune.space import Params, Space
from tid_tune.space.walk import GridWalk


class GridSampler(Sampler):
    """Walks over the grid, whatever has been seen.

    Raises:
        SpecError: a parameter is a continuum.
    """

    def __init__(self, space: Space, seed: int) -> None:
        super().__init__(space, seed)
        for name, dist in space.searched.items():
            if dist.size is None:
                raise SpecError(
                    f"space.{name}: a grid needs numbered values; give the {dist.kind} a `step`, "
                    "or write a `choice`"
                )
        self._walk_all = GridWalk(space, seed)

    def ask(self, index: int, known: Observations, taken: Taken) -> Params | None:
        """Return the first allowed point of the walk that is not taken; None after the last."""
        return self._walk_all.next(taken)

    def draw(self, rng: np.random.Generator, index: int, known: Observations) -> Params:
        """Return a random point of the grid."""
        return self._walk_all.point(int(rng.integers(self._walk_all.count)))
