"""Intervals of the differences between several candidates and one reference, from paired seeds.

Every arm is trained with the same seeds. With m candidates c_1 .. c_m and a reference r, each a
value a seed, the difference of a candidate to the reference is the sum of two parts that are
independent of each other and of what a seed does to all arms alike:

    mean(c_i) - mean(r)  =  [mean(c_i) - mean of all candidates]  -  mean(D),   D = r - mean_i(c_i)

The scatter of the first part comes from the residuals of candidates and seeds (a two-way layout;
(m - 1)(n - 1) degrees of freedom), so it is pooled over the candidates alone. That of D comes from
its n values (n - 1 degrees): a reference may scatter in its own way. The winner is chosen by the
values that it is judged by, so the margin is a quantile of the largest of the m differences. It
is the mean of two such quantiles (with three seeds of more than two candidates, the first alone):

- the fiducial quantile (Behrens and Fisher; Weerahandi's generalized interval, 1993): both
  variances are drawn from what the data say about them. Cautious with few seeds.
- the plug-in quantile of the studentized difference (a parametric bootstrap), for the ratio of
  variances that was found. With few seeds, not cautious enough.

A candidate that scatters more than the others, by an F test at 5 %, is judged by its own residuals.
`benchmarks/confirmation.py` measures level and power.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from tid_tune.search.stages.statistics import f_quantile, t_quantile

Array = npt.NDArray[np.float64]

DRAWS = 100_000
_RATIOS = np.linspace(-6.0, 8.0, 29)
"""Logarithms of the ratio of the two variances for which quantiles are computed."""
_ODD = 0.05
"""A candidate is judged by its own residuals where its scatter is as unlikely as this."""


def margins(candidates: Array, reference: Array, level: float) -> Array:
    """Return half the width of each candidate's interval.

    Args:
        candidates: values, shape (..., m, n): m candidates, n >= 2 seeds.
        reference: values with the same seeds, shape (..., n).
        level: of all m two-sided intervals together.

    Returns:
        Shape (..., m).
    """
    m, n = candidates.shape[-2:]
    center = candidates.mean(-2)
    apart = (reference - center).var(-1, ddof=1)
    if m == 1:
        half: Array = t_quantile((1 + level) / 2, n - 1) * np.sqrt(apart / n)
        return half[..., None]
    # What of a candidate's deviation from the others varies with the seed.
    own = (candidates - center[..., None, :]).var(-1, ddof=1) * (m / (m - 1))
    pooled = own.mean(-1)
    shared = _Quantiles.of(m, (m - 1) * (n - 1), n - 1, level)
    found = np.broadcast_to((shared(pooled, apart) / np.sqrt(n))[..., None], own.shape)
    if m < 3:
        return found
    rest = (pooled[..., None] * (m - 1) - own) / (m - 2)
    odd = own > f_quantile(1 - _ODD, n - 1, (m - 2) * (n - 1)) * rest
    alone = _Quantiles.of(m, n - 1, n - 1, level)(own, apart[..., None]) / np.sqrt(n)
    return np.where(odd, np.maximum(found, alone), found)


@dataclass(frozen=True)
class _Quantiles:
    """Margins of m candidates in units of the candidates' scatter, by the ratio of variances."""

    values: Array

    def __call__(self, pooled: Array, apart: Array) -> Array:
        """Return the margin of a single seed's difference for variances of the two parts."""
        tiny = np.finfo(np.float64).tiny
        scale, other = np.maximum(pooled, tiny), np.maximum(apart, tiny)
        ratio = np.log(other) - np.log(scale)
        inside: Array = np.interp(ratio, _RATIOS, self.values) * np.sqrt(scale)
        # Above the table the candidates' scatter no longer counts.
        above: Array = self.values[-1] * np.sqrt(other * np.exp(-_RATIOS[-1]))
        return np.where(ratio > _RATIOS[-1], above, inside)

    @staticmethod
    @lru_cache(maxsize=16)
    def of(m: int, pooled_freedom: int, apart_freedom: int, level: float) -> _Quantiles:
        """Return the table for m candidates and the degrees of freedom of the two variances."""
        from scipy import special

        probability = (1 + level) / 2
        draws = np.random.default_rng(0)
        normal = draws.standard_normal((DRAWS, m))
        largest = (normal - normal.mean(1, keepdims=True)).max(1)
        # One draw from each of DRAWS equally likely parts of a distribution: less noise.
        parts = [(draws.permutation(DRAWS) + 0.5) / DRAWS for _ in range(3)]
        apart = special.ndtri(parts[0])
        first = special.chdtri(pooled_freedom, parts[1]) / pooled_freedom
        second = special.chdtri(apart_freedom, parts[2]) / apart_freedom
        cautious = apart_freedom < 3 and m > 2
        values = []
        for ratio in np.exp(_RATIOS):
            fiducial = largest / np.sqrt(first) + apart * np.sqrt(ratio / second)
            value = np.quantile(fiducial, probability)
            if not cautious:
                error = np.sqrt((1 - 1 / m) * first + ratio * second)
                studentized = (largest + np.sqrt(ratio) * apart) / error
                plugged = np.quantile(studentized, probability) * np.sqrt(1 - 1 / m + ratio)
                value = (value + plugged) / 2
            values.append(value)
        return _Quantiles(np.array(values))
