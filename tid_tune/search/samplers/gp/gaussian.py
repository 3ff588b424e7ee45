"""Gaussian process regression: what is known of a function from noisy values at some points.

Zero mean, Matern 5/2 kernel with a length scale per column (Rasmussen and Williams, "Gaussian
Processes for Machine Learning", 2006, sections 2.2 and 4.2). The hyperparameters are the likeliest
ones under priors that expect smooth functions, more so in many dimensions (Hvarfner et al.,
"Vanilla Bayesian Optimization Performs Great in High Dimensions", 2024); the numbers are [ours].
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from scipy.linalg import cho_solve, cholesky, solve_triangular
from scipy.optimize import minimize

from tid_tune.search.samplers.gp.codes import Array

LENGTH_SCALE, SIGNAL, NOISE = 0.25, 1.0, 0.03
"""Prior medians: the length scale per square root of the columns, signal and noise variance."""
SPREAD = (0.8, 0.7, 1.5)
"""Standard deviations of their logarithms."""
STEPS = 30
JITTER = 1e-6
"""Added to the variances of the values, so that the covariance can be factored."""
_ROOT5 = math.sqrt(5.0)


@dataclass(frozen=True)
class Kernel:
    """A covariance: length scales (d), signal variance, and the variance of repeated values."""

    scales: Array
    signal: float
    noise: float

    def between(self, a: Array, b: Array) -> Array:
        """Covariances (n, m) of the function at points a (n, d) and b (m, d)."""
        reach = _ROOT5 * np.sqrt(_squares(a / self.scales, b / self.scales))
        found: Array = self.signal * (1.0 + reach + reach**2 / 3.0) * np.exp(-reach)
        return found


@dataclass(frozen=True)
class GaussianProcess:
    """A function known from `values` (n) at `points` (n, d), each with `noise` (n) of its own.

    `noise` are variances that come on top of the kernel's.
    """

    kernel: Kernel
    points: Array
    values: Array
    noise: Array

    @cached_property
    def _factor(self) -> Array:
        covariance = self.kernel.between(self.points, self.points)
        covariance[np.diag_indices_from(covariance)] += self.kernel.noise + self.noise + JITTER
        found: Array = cholesky(covariance, lower=True)
        return found

    @cached_property
    def _weights(self) -> Array:
        found: Array = cho_solve((self._factor, True), self.values)
        return found

    def mean(self, points: Array) -> Array:
        """Return the expected values (m) at `points` (m, d)."""
        found: Array = self.kernel.between(points, self.points) @ self._weights
        return found

    def predict(self, points: Array) -> tuple[Array, Array]:
        """Return the expected values (m) at `points` (m, d), and the standard deviations (m)."""
        cross = self.kernel.between(points, self.points)
        explained = solve_triangular(self._factor, cross.T, lower=True)
        variance = self.kernel.signal - np.einsum("ij,ij->j", explained, explained)
        return cross @ self._weights, np.sqrt(np.maximum(variance, 1e-12))

    def together(self, points: Array) -> tuple[Array, Array]:
        """Return the expected values (m) at `points` (m, d), and their covariances (m, m)."""
        cross = self.kernel.between(points, self.points)
        explained = solve_triangular(self._factor, cross.T, lower=True)
        return cross @ self._weights, self.kernel.between(points, points) - explained.T @ explained

    def believing(self, points: Array) -> GaussianProcess:
        """Return the process after it has observed what it expects at `points` (m, d)."""
        return GaussianProcess(
            self.kernel,
            np.concatenate([self.points, points]),
            np.concatenate([self.values, self.mean(points)]),
            np.concatenate([self.noise, np.zeros(len(points))]),
        )


def fit(points: Array, values: Array, noise: Array) -> GaussianProcess:
    """Return the process of the likeliest kernel for standardized `values`; deterministic.

    Args:
        points: (n, d) in the unit cube.
        values: (n) of mean 0 and variance about 1.
        noise: (n) variances that are known to come on top.
    """
    count = points.shape[1]
    scale = LENGTH_SCALE * math.sqrt(count)
    centre = np.log([*[scale] * count, SIGNAL, NOISE])
    spread = np.array([*[SPREAD[0]] * count, *SPREAD[1:]])
    squares = (points[:, None, :] - points[None, :, :]) ** 2
    found: Any = minimize(
        misfit,
        centre,
        args=(squares, values, noise, centre, spread),
        jac=True,
        method="L-BFGS-B",
        bounds=[(c - 4 * s, c + 4 * s) for c, s in zip(centre, spread, strict=True)],
        options={"maxiter": STEPS},
    )
    best = np.exp(found.x)
    return GaussianProcess(Kernel(best[:-2], best[-2], best[-1]), points, values, noise)


def misfit(
    logs: Array, squares: Array, values: Array, noise: Array, centre: Array, spread: Array
) -> tuple[float, Array]:
    """Return the negative log posterior of hyperparameters, up to a constant, and its gradient."""
    scales, signal, own = np.exp(logs[:-2]), math.exp(logs[-2]), math.exp(logs[-1])
    reach = _ROOT5 * np.sqrt(squares @ scales**-2)
    fall = np.exp(-reach)
    correlation = (1.0 + reach + reach**2 / 3.0) * fall
    covariance = signal * correlation + np.diag(own + noise + JITTER)
    factor = cholesky(covariance, lower=True)
    weights = cho_solve((factor, True), values)
    inverse = cho_solve((factor, True), np.eye(len(values)))
    slope = np.outer(weights, weights) - inverse
    off = (logs - centre) / spread
    found = 0.5 * values @ weights + np.log(np.diag(factor)).sum() + 0.5 * off @ off
    # Of the kernel by the logarithm of a length scale: 5/3 (1 + r) exp(-r) d^2 / scale^2.
    steep = slope * (signal * 5.0 / 3.0 * (1.0 + reach) * fall)
    by_scale = np.einsum("ij,ijk->k", steep, squares) / scales**2
    by_variance = [np.sum(slope * signal * correlation), own * np.trace(slope)]
    return float(found), -0.5 * np.array([*by_scale, *by_variance]) + off / spread


def _squares(a: Array, b: Array) -> Array:
    """Return squared distances (n, m), rounding errors aside."""
    found = (a**2).sum(1)[:, None] + (b**2).sum(1)[None, :] - 2.0 * a @ b.T
    distances: Array = np.maximum(found, 0.0)
    return distances
