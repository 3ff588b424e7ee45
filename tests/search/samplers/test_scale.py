"""The scale on which the Gaussian process sees values."""

from __future__ import annotations

import numpy as np
import pytest

from tid_tune.search.samplers.gp.scale import Scale, standardized

LONG_TAIL = np.array([0.1, 0.1, 0.12, 0.80, 0.84, 0.85, 0.86, 0.87, 0.88])


def test_the_order_is_kept_and_mean_and_variance_are_0_and_1() -> None:
    values, _ = standardized(LONG_TAIL)
    assert (np.diff(values)[np.diff(LONG_TAIL) > 0] > 0).all()
    assert values.mean() == pytest.approx(0.0, abs=1e-12)
    assert values.std() == pytest.approx(1.0)


def test_good_values_lie_further_apart_than_without_the_tail_in_the_way() -> None:
    plain = (LONG_TAIL - LONG_TAIL.mean()) / LONG_TAIL.std()
    values, _ = standardized(LONG_TAIL)
    assert np.ptp(values[4:]) > 4 * np.ptp(plain[4:])


def test_the_slope_is_the_derivative() -> None:
    """By finite differences of a value that is neither the median nor above it."""
    _, slopes = standardized(LONG_TAIL)
    below, above = LONG_TAIL.copy(), LONG_TAIL.copy()
    below[3], above[3] = below[3] - 1e-6, above[3] + 1e-6
    # Against a value that does not move, in units that do not either.
    low, high = standardized(below)[0], standardized(above)[0]
    scale = np.ptp(high[[0, 8]]) / np.ptp(standardized(LONG_TAIL)[0][[0, 8]])
    found = ((high[3] - high[8]) / scale - (low[3] - low[8])) / 2e-6
    assert slopes[3] == pytest.approx(found, rel=1e-2)


@pytest.mark.parametrize("values", [[0.5] * 5, [0.0], [0.1, 0.9, 0.9, 0.9]], ids=str)
def test_equal_values_are_no_obstacle(values: list[float]) -> None:
    found, slopes = standardized(np.array(values))
    assert np.isfinite(found).all()
    assert np.isfinite(slopes).all()
    assert (found[np.array(values) == values[0]] == found[0]).all()


def test_plain_values_are_found_again_also_beyond_those_of_the_scale() -> None:
    scale = Scale.of(LONG_TAIL)
    values = np.array([-0.4, *LONG_TAIL, 0.85, 1.3])
    np.testing.assert_allclose(scale.plain(scale.mapped(values)), values, atol=1e-12)
