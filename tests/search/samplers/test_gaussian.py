"""The Gaussian process against scikit-learn's, and its likelihood against finite differences."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import ConstantKernel, Matern

from tid_tune.search.samplers.gp.codes import Array
from tid_tune.search.samplers.gp.gaussian import JITTER, GaussianProcess, Kernel, fit, misfit

SCALES = np.array([0.3, 0.8, 1.7])


def points_of(count: int, seed: int, columns: int = 3) -> Array:
    return np.random.default_rng(seed).random((count, columns))


POINTS, VALUES = points_of(20, seed=0), np.random.default_rng(1).normal(size=20)
NOISE = np.random.default_rng(2).uniform(0.0, 0.4, 20)


def reference(points: Array, values: Array, noise: Array) -> GaussianProcessRegressor:
    """scikit-learn's, with the same kernel and a noise per point."""
    kernel = ConstantKernel(1.3, "fixed") * Matern(SCALES, "fixed", nu=2.5)
    return GaussianProcessRegressor(kernel, alpha=noise, optimizer=None).fit(points, values)


def process() -> GaussianProcess:
    return GaussianProcess(Kernel(SCALES, 1.3, 0.2), POINTS, VALUES, NOISE)


def test_predictions_are_those_of_scikit_learn() -> None:
    elsewhere = points_of(50, seed=3)
    mean, spread = process().predict(elsewhere)
    known = reference(POINTS, VALUES, NOISE + 0.2 + JITTER)
    expected = known.predict(elsewhere, return_std=True)
    np.testing.assert_allclose(mean, expected[0], atol=1e-9)
    np.testing.assert_allclose(spread, expected[1], atol=1e-9)
    np.testing.assert_allclose(process().mean(elsewhere), mean)


def test_believing_its_own_expectation_changes_no_mean_and_narrows_the_spread() -> None:
    new, elsewhere = points_of(4, seed=4), points_of(30, seed=5)
    before, after = process(), process().believing(new)
    np.testing.assert_allclose(after.mean(elsewhere), before.mean(elsewhere), atol=1e-9)
    assert (after.predict(elsewhere)[1] <= before.predict(elsewhere)[1] + 1e-12).all()
    assert (after.predict(new)[1] < 0.9 * before.predict(new)[1]).all()


def test_the_gradient_is_that_of_the_posterior() -> None:
    squares = (POINTS[:, None] - POINTS[None]) ** 2
    centre, spread = np.array([-0.5, -0.2, 0.1, 0.3, -1.0]), np.array([0.8, 0.8, 0.8, 0.7, 1.0])
    rest = (squares, VALUES, NOISE, centre, spread)
    logs = np.array([-1.0, 0.3, 0.2, 0.5, -1.5])
    _, gradient = misfit(logs, *rest)
    step = 1e-6 * np.eye(5)
    numeric = [(misfit(logs + d, *rest)[0] - misfit(logs - d, *rest)[0]) / 2e-6 for d in step]
    np.testing.assert_allclose(gradient, numeric, rtol=1e-5, atol=1e-5)


def test_the_posterior_is_scikit_learns_likelihood_and_the_priors() -> None:
    squares, nothing = (POINTS[:, None] - POINTS[None]) ** 2, (np.zeros(5), np.full(5, 1e9))
    logs = np.log([*SCALES, 1.3, 0.2])
    found, _ = misfit(logs, squares, VALUES, NOISE, *nothing)
    known = reference(POINTS, VALUES, NOISE + 0.2 + JITTER)
    constant = 0.5 * len(VALUES) * np.log(2 * np.pi)
    assert found + constant == pytest.approx(-known.log_marginal_likelihood_value_)


def test_fitting_finds_which_column_matters_and_how_noisy_values_are() -> None:
    points = points_of(120, seed=6)
    values = np.sin(6 * points[:, 1]) + 0.3 * np.random.default_rng(7).normal(size=120)
    values = (values - values.mean()) / values.std()
    kernel = fit(points, values, np.zeros(120)).kernel
    assert kernel.scales[1] < 0.5 * min(kernel.scales[0], kernel.scales[2])
    noise = 0.09 / np.var(np.sin(6 * points[:, 1]))
    assert noise / 3 < kernel.noise < 3 * noise


def test_values_of_known_noise_are_trusted_less() -> None:
    points, values = np.array([[0.2], [0.8]]), np.array([1.0, 1.0])
    kernel = Kernel(np.array([0.1]), 1.0, 0.01)
    found = GaussianProcess(kernel, points, values, np.array([0.0, 2.0])).mean(points)
    assert found[0] > 0.95
    assert found[1] < 0.5


def test_the_same_data_give_the_same_fit_also_where_points_repeat() -> None:
    points = np.repeat(points_of(5, seed=8, columns=2), 4, axis=0)
    values = np.random.default_rng(9).normal(size=20)
    first, second = (fit(points, values, np.zeros(20)).kernel for _ in range(2))
    assert (first.scales == second.scales).all()
    assert (first.signal, first.noise) == (second.signal, second.noise)


def test_covariances_are_those_of_scikit_learn() -> None:
    elsewhere = points_of(12, seed=6)
    mean, covariance = process().together(elsewhere)
    known = reference(POINTS, VALUES, NOISE + 0.2 + JITTER)
    expected = known.predict(elsewhere, return_cov=True)
    np.testing.assert_allclose(mean, expected[0], atol=1e-9)
    np.testing.assert_allclose(covariance, expected[1], atol=1e-9)
