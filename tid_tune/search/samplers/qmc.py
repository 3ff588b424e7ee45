"""Quasi-random search: a scrambled Sobol sequence, which leaves smaller gaps than random points.

Each searched parameter has a dimension of its own, whether it is active or not, so conditional
parameters do not disturb the others' evenness.
"""

from __future__ import annotations

from typing import Literal

import numpy as np

from tid_tune.search.samplers.base import Sampler
from tid_tune.search.samplers.observations import Observations
from tid_tune.search.samplers.registry import register_sampler
from tid_tune.searchfile.parts import SamplerOptions
from tid_tune.space import Distribution, Params, Space

_BLOCK = 64


class QmcOptions(SamplerOptions):
    """Quasi-random points: a scrambled Sobol sequence."""

    type: Literal["qmc"] = "qmc"


@register_sampler
class QmcSampler(Sampler[QmcOptions]):
    """Point number `index` of the sequence; a point that is refused is replaced by a random one."""

    Options = QmcOptions

    def __init__(self, space: Space, options: QmcOptions, seed: int, objectives: int = 1) -> None:
        super().__init__(space, options, seed, objectives)
        self._names = list(space.searched)
        self._block: tuple[int, np.ndarray] | None = None

    def draw(self, rng: np.random.Generator, index: int, known: Observations) -> Params:
        """Return Sobol point number `index`."""
        row = dict(zip(self._names, self._row(index), strict=True))

        def pick(name: str, dist: Distribution) -> object:
            return dist.decode(float(row[name]))

        return self.space.build(pick)

    def _row(self, index: int) -> np.ndarray:
        from scipy.stats.qmc import Sobol

        block, at = divmod(index, _BLOCK)
        if self._block is None or self._block[0] != block:
            engine = Sobol(max(1, len(self._names)), scramble=True, rng=self.seed)
            if block:
                engine.fast_forward(block * _BLOCK)
            self._block = (block, engine.random(_BLOCK))
        row: np.ndarray = self._block[1][at][: len(self._names)]
        return row
