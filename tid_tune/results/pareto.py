"""Non-domination and crowding of points whose coordinates are all to be large."""

from __future__ import annotations

import numpy as np


def domination_ranks(points: np.ndarray) -> np.ndarray:
    """Return the front of each point: 0 where no other dominates it, 1 without those, ...

    Args:
        points: shape (n, objectives).
    """
    at_least = (points[:, None, :] >= points[None, :, :]).all(axis=2)
    better = (points[:, None, :] > points[None, :, :]).any(axis=2)
    dominates = np.asarray(at_least & better)
    ranks = np.full(len(points), -1)
    left = np.ones(len(points), dtype=bool)
    rank = 0
    while left.any():
        front = left & ~dominates[left].any(axis=0)
        ranks[front] = rank
        left &= ~front
        rank += 1
    return ranks


def crowding(points: np.ndarray) -> np.ndarray:
    """Return the crowding distance of each point of one front; infinite at its ends."""
    distance = np.zeros(len(points))
    for column in points.T:
        order = np.argsort(column, kind="stable")
        span = column[order[-1]] - column[order[0]]
        distance[order[[0, -1]]] = np.inf
        if span > 0:
            distance[order[1:-1]] += (column[order[2:]] - column[order[:-2]]) / span
    return distance


def best_of(points: np.ndarray, count: int) -> list[int]:
    """Return the indices of the `count` best points, best first: by front, then by crowding."""
    ranks = domination_ranks(points)
    distance = np.zeros(len(points))
    for rank in range(int(ranks.max(initial=-1)) + 1):
        front = ranks == rank
        distance[front] = crowding(points[front])
    order = np.lexsort((np.arange(len(points)), -distance, ranks))
    return [int(i) for i in order[:count]]
