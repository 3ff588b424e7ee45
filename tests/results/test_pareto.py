"""Who dominates whom, and which points of a front lie far from the others."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from tid_tune.results.pareto import BLOCK, best_of, crowding, domination_ranks, non_dominated


def test_domination_follows_its_definition() -> None:
    rng = np.random.default_rng(0)
    points = rng.integers(0, 5, size=(60, 3)).astype(float)
    ranks = domination_ranks(points)

    def dominates(a: NDArray[np.float64], b: NDArray[np.float64]) -> bool:
        return all(a >= b) and any(a > b)

    for i, p in enumerate(points):
        above = [ranks[j] for j, q in enumerate(points) if dominates(q, p)]
        assert ranks[i] == (max(above) + 1 if above else 0)


def test_the_first_front_is_found_among_many_points_too() -> None:
    """Also where points are equal, and where an objective was never reported."""
    rng = np.random.default_rng(1)
    points = rng.integers(0, 30, size=(2 * BLOCK + 50, 3)).astype(float)
    points[rng.random(points.shape) < 0.05] = -math.inf
    assert non_dominated(points).tolist() == (domination_ranks(points) == 0).tolist()
    assert non_dominated(points[:0]).tolist() == []


def test_crowding_is_the_side_length_of_the_box_to_the_neighbours() -> None:
    points = np.array([[0.0, 4.0], [1.0, 3.0], [3.0, 1.0], [4.0, 0.0]])
    assert crowding(points).tolist() == [math.inf, 1.5, 1.5, math.inf]


def test_the_best_of_many_points_are_its_fronts_in_order() -> None:
    points = np.array([[0.0, 0.0], [2.0, 0.0], [0.0, 2.0], [1.0, 1.0], [0.9, 0.9]])
    assert set(best_of(points, 3)) == {1, 2, 3}
    assert best_of(points, 5)[3:] == [4, 0]
