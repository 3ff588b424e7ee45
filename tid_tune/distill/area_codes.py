"""Key and weak area of one image as numbers, without torch."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

KEY, WEAK = 1, 2
"""Bits of a point's code; 0 is the rest."""
Codes = NDArray[np.uint8]


@dataclass(frozen=True)
class AreaMaps:
    """The areas of one image.

    Attributes:
        levels: (H, W) uint8 by level: the bits KEY and WEAK of each point.
        strides: of each level, in pixels of the network's input.
    """

    levels: tuple[Codes, ...]
    strides: tuple[int, ...]


def owners(codes: Codes, first: str) -> Codes:
    """Return the codes with one area a point: of KEY and WEAK, the one called `first`."""
    owner = KEY if first == "key" else WEAK
    return np.where(codes == KEY | WEAK, np.uint8(owner), codes)


def shares(codes: Codes, first: str) -> tuple[float, float]:
    """Return which fraction of the points belongs to the key and to the weak area."""
    owned = owners(codes, first)
    return float((owned == KEY).mean()), float((owned == WEAK).mean())
