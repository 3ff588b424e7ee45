"""The interval of a mean, and the seeds that a narrow one takes."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from tid_tune.search.stages.statistics import estimate
from tid_tune.search.stages.verdict import seeds_for

VALUES = st.lists(st.floats(-1, 1).map(lambda x: round(x, 6)), min_size=2, max_size=6)


@given(VALUES.filter(lambda values: len(set(values)) > 1), st.sampled_from([0.8, 0.95, 0.99]))
def test_the_interval_of_a_mean_is_scipys(values: Any, level: Any) -> None:
    found = estimate(values, level)
    low, high = stats.t.interval(level, len(values) - 1, np.mean(values), stats.sem(values))
    assert (found.low, found.high) == pytest.approx((low, high))


def test_one_value_has_a_mean_and_no_interval() -> None:
    assert dataclasses.astuple(estimate([0.5])) == (0.5, None, None, 1)
    with pytest.raises(ValueError, match="no values"):
        estimate([])


def test_the_seeds_that_an_interval_takes() -> None:
    for target in (0.09, 0.05, 0.03):
        seeds = seeds_for(0.1, 3, target)
        halves = [
            0.1
            * (stats.t.ppf(0.975, n - 1) / math.sqrt(n))
            / (stats.t.ppf(0.975, 2) / math.sqrt(3))
            for n in (seeds - 1, seeds)
        ]
        assert halves[1] <= target
        assert halves[0] > target or seeds == 4
    assert seeds_for(1.0, 3, 1e-6) == 51
