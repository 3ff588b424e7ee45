"""Non-domination and crowding of points whose coordinates are all to be large."""

from __future__ import annotations

import numpy as np

BLOCK = 256
"""Points that are compared at once: it bounds the memory."""


def non_dominated(points: np.ndarray) -> np.ndarray:
    """Return which points no other one dominates, as a mask.

    A point dominates another where it is at least as good in every objective and better in one.

    Args:
        points: shape (n, objectives).
    """
    # From the best first coordinate down, so that no point dominates an earlier one.
    order = np.lexsort(-points.T[::-1])
    front = points[:0]
    mask = np.zeros(len(points), dtype=bool)
    for begin in range(0, len(order), BLOCK):
        block = order[begin : begin + BLOCK]
        block = block[~_dominates(front, points[block]).any(axis=0)]
        block = block[~_dominates(points[block], points[block]).any(axis=0)]
        front = np.concatenate([front, points[block]])
        mask[block] = True
    return mask


def domination_ranks(points: np.ndarray) -> np.ndarray:
    """Return the front of each point: 0 where no other dominates it, 1 without those, ...

    Args:
        points: shape (n, objectives); some hundreds at most, each is compared with each.
    """
    dominates = _dominates(points, points)
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


def _dominates(points: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Return whether each of `points` (rows) dominates each of `others` (columns)."""
    at_least = (points[:, None, :] >= others[None, :, :]).all(axis=2)
    better = (points[:, None, :] > others[None, :, :]).any(axis=2)
    return np.asarray(at_least & better)
