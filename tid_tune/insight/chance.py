"""Whether chance alone could make a parameter look as if it mattered.

How much equal values of a parameter go with equal results is measured by a kernel (Gretton et al.,
"A Kernel Statistical Test of Independence", 2007), and compared with the same after the results
were shuffled among the trials. The parameter that stands out most is taken first; the next ones
must explain what it leaves (Freedman and Lane, 1983). The probabilities hold for all parameters
together: where none matters, one is found in 5 % of the searches (Westfall and Young, 1993).

A parameter that acts only together with another one is not found in this way. Where a sampler moved
two parameters together, the one that matters may be mistaken for the other. [ours]
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from tid_tune.insight.lengths import Array
from tid_tune.space import Distribution, Params

MOST = 400
"""Results that are compared with each other; of more, a drawn part."""
SHUFFLES = 999
LEVEL = 0.05
REACH = 0.3
"""Of the kernel, in units of the codes."""
RIDGES = np.logspace(-3, 3, 13)
"""Of which the regression on what was found takes the one that predicts best."""


def chances(
    searched: Mapping[str, Distribution], points: Sequence[Params], values: Array
) -> dict[str, float]:
    """Return, for each parameter, the probability to stand out as much by chance.

    Args:
        searched: the parameters.
        points: (n) of the space, or nearly so; a parameter may be absent.
        values: (n) results.
    """
    rng = np.random.default_rng(0)
    if len(points) > MOST:
        kept = np.sort(rng.choice(len(points), MOST, replace=False))
        points, values = [points[at] for at in kept], values[kept]
    kernels = {name: _kernel(dist, name, points) for name, dist in searched.items()}
    orders = np.array([rng.permutation(len(values)) for _ in range(SHUFFLES)])
    found: dict[str, float] = {}
    while len(found) < len(kernels):
        left = [name for name in kernels if name not in found]
        rests = _rests(values, [kernels[name] for name in found], orders)
        chance = _chances([kernels[name] for name in left], rests)
        # In the order of the steps, a chance is no smaller than those before it.
        chance = np.maximum(chance, max(found.values(), default=0.0))
        best = int(np.argmin(chance))
        if chance[best] > LEVEL:
            return found | dict(zip(left, chance.tolist(), strict=True))
        found[left[best]] = float(chance[best])
    return found


def _chances(kernels: Sequence[Array], rests: Array) -> Array:
    """Return the chance of each kernel (d) among them all; `rests` as `_rests` returns them."""
    # The dependence: r' K r for the values r of each order, of one size.
    sized = rests / np.maximum(np.linalg.norm(rests, axis=1, keepdims=True), 1e-12)
    dependence = [np.einsum("ij,ij->i", sized @ kernel, sized) for kernel in kernels]
    alone = np.array([_at_least(row) for row in dependence]) / len(rests)
    least: Array = alone[:, 1:].min(axis=0)
    found: Array = (1 + (least <= alone[:, :1]).sum(axis=1)) / len(rests)
    return found


def _at_least(values: Array) -> Array:
    """Return how many of the values are at least as large as each, rounding errors aside."""
    slack = 1e-9 * float(np.abs(values).max(initial=0.0))
    ascending = np.sort(values)
    found: Array = len(values) - np.searchsorted(ascending, values - slack).astype(float)
    return found


def _kernel(dist: Distribution, name: str, points: Sequence[Params]) -> Array:
    """Return the centred kernel (n, n) of a parameter; 0 where a point does not have it."""
    there = np.array([name in point and dist.contains(point[name]) for point in points])
    kernel = np.zeros((len(points), len(points)))
    if there.sum() < 2:
        return kernel
    values = [point[name] for point, has in zip(points, there, strict=True) if has]
    if dist.is_unordered:
        codes = np.array([dist.index_of(value) for value in values], dtype=float)
        inner = (codes[:, None] == codes[None, :]).astype(float)
    else:
        codes = np.array([dist.encode(value) for value in values])
        inner = np.exp(-0.5 * ((codes[:, None] - codes[None, :]) / REACH) ** 2)
    inner = inner - inner.mean(axis=0) - inner.mean(axis=1)[:, None] + inner.mean()
    kernel[np.ix_(there, there)] = inner
    return kernel


def _rests(values: Array, kernels: Sequence[Array], orders: Array) -> Array:
    """Return what some parameters leave of the values (n), and of shuffled ones (1 + orders, n).

    What they leave is shuffled, and then what they leave of the sum. By ridge regression on their
    effects, alone and together; the ridge by generalized cross-validation (Golub, Heath and Wahba,
    1979). Without a parameter, the mean is taken off.
    """
    count = len(values)
    leaving = np.eye(count) - 1 / count
    if kernels:
        together = np.prod([1 + one for one in kernels], axis=0) - 1
        own, vectors = np.linalg.eigh(leaving @ (sum(kernels[1:], kernels[0]) + together) @ leaving)
        turned = vectors.T @ (leaving @ values)
        kept = [ridge / (np.maximum(own, 0.0) + ridge) for ridge in RIDGES]
        scores = [float(((one * turned) ** 2).sum()) / float(one.sum()) ** 2 for one in kept]
        leaving = (vectors * kept[int(np.argmin(scores))]) @ vectors.T @ leaving
    rest = leaving @ values
    shuffled = (values - rest) + rest[orders]
    found: Array = np.vstack([rest, shuffled @ leaving.T])
    return found
