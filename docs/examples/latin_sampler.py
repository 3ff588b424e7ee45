"""A sampler in a package of its own: a Latin hypercube, whose points share no row or column.

The package declares it in its pyproject.toml, and search spaces then say
`sampler: {type: latin, points: 16}`:

    [project.entry-points."tid_tune.samplers"]
    latin = "latin_sampler"
"""

from typing import Literal

import numpy as np
from pydantic import Field

from tid_tune import Sampler, register_sampler
from tid_tune.search.samplers import Observations, SamplerOptions, rng_for
from tid_tune.space import Distribution, Params


class LatinOptions(SamplerOptions):
    """A Latin hypercube of some points, and then another one."""

    type: Literal["latin"] = "latin"
    points: int = Field(default=8, ge=1)
    """The points of one hypercube."""


@register_sampler
class LatinSampler(Sampler[LatinOptions]):
    """Divides each range into as many equal parts as there are points, and uses each part once."""

    Options = LatinOptions

    def draw(self, rng: np.random.Generator, index: int, known: Observations) -> Params:
        """Return point number `index`. `rng` differs with every call, so the place varies."""
        cube, row = divmod(index, self.options.points)
        names = list(self.space.searched)

        def pick(name: str, dist: Distribution) -> object:
            # The same permutation for all points of a cube: a function of the seed alone.
            order = rng_for(self.seed, "latin", cube, names.index(name))
            part = order.permutation(self.options.points)[row]
            return dist.decode((part + rng.random()) / self.options.points)

        return self.space.build(pick)
