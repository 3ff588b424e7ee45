"""Grid search: every point once, in a scattered order, then the search is over."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

import numpy as np

from tid_tune.search.samplers.base import Sampler, Taken
from tid_tune.search.samplers.observations import Observations
from tid_tune.search.samplers.registry import register_sampler
from tid_tune.searchfile.model import SearchSpec
from tid_tune.searchfile.parts import Refusal, SamplerOptions
from tid_tune.space import Params, Space
from tid_tune.space.walk import GridWalk


class GridOptions(SamplerOptions):
    """Every point once, in a scattered order; every parameter must have countable values."""

    type: Literal["grid"] = "grid"


@register_sampler
class GridSampler(Sampler[GridOptions]):
    """Walks over the grid; results make no difference."""

    Options = GridOptions

    def __init__(self, space: Space, options: GridOptions, seed: int, objectives: int = 1) -> None:
        super().__init__(space, options, seed, objectives)
        self._walk_all = GridWalk(space, seed)

    @classmethod
    def refusals(cls, spec: SearchSpec) -> Iterator[Refusal]:
        """Refuse a parameter that is a continuum."""
        yield from super().refusals(spec)
        for path, dist in spec.space.items():
            if dist.size is None:
                text = "a grid needs countable values; write choice, or a quantized form (grid)"
                yield Refusal(("space", path), text)

    def ask(self, index: int, known: Observations, taken: Taken) -> Params | None:
        """Return the first allowed point of the walk that is not taken; None after the last."""
        return self._walk_all.next(taken)

    def draw(self, rng: np.random.Generator, index: int, known: Observations) -> Params:
        """Return a random point of the grid."""
        return self._walk_all.point(int(rng.integers(self._walk_all.count)))
