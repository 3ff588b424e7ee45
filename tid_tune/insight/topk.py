"""What it would have cost to train all trials for a while, then only the best to the end.

Computed from the curves there are: the trials that reported at a length, the `keep` best of them
there, and the best trial of full length. What the stopped ones would have reached is not known, so
a stopped trial might have been better than the best that is known: a search that stopped trials by
the same rule always finds its own winner again.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tid_tune.insight.lengths import Array, Curves
from tid_tune.search.samplers.observations import Length

KEPT = (1, 3, 10)
"""How many are trained to the end, where the trials are more than these."""


@dataclass(frozen=True)
class TopK:
    """Train `trials` to `length`, and the `keep` best of them to the end.

    `cost` is in epochs. `regret` is how much better the known best trial is than the best of those
    kept, 0 where it is one of them; None where the end of none of them is known. `unknown` is how
    many of those kept were stopped, so that their ends are not known: the true regret is at most
    `regret`.
    """

    length: Length
    trials: int
    keep: int
    cost: float
    found: bool
    regret: float | None
    unknown: int
    enough: bool
    """Whether `keep` is the smallest number with which the best trial is kept."""


@dataclass(frozen=True)
class Plans:
    """The plans for each length below the full one, and what to compare them with, in epochs."""

    plans: tuple[TopK, ...]
    all_to_the_end: float
    """Of the trials of the shortest length."""
    winner: str
    stopped: int
    """Trials whose end is not known."""


def top_k(curves: Curves, epochs: float) -> Plans | None:
    """Return the plans; None where no trial came to the full length, or nothing is shorter.

    Args:
        curves: of the trials of one method.
        epochs: the full length.
    """
    full = len(curves.lengths) - 1
    if full < 1 or curves.lengths[full] != (1.0, epochs) or not curves.counts[full]:
        return None
    ends = curves.sign * curves.values[:, full]
    winner = int(np.nanargmax(ends))
    plans = [
        plan
        for index, length in enumerate(curves.lengths[:full])
        for plan in _plans(curves.sign * curves.values[:, index], ends, winner, length, epochs)
    ]
    trials = max(curves.counts)
    stopped = trials - curves.counts[full]
    return Plans(tuple(plans), trials * epochs, curves.trials[winner].id, stopped)


def _plans(values: Array, ends: Array, winner: int, length: Length, epochs: float) -> list[TopK]:
    if not np.isfinite(values[winner]):
        return []
    there = np.flatnonzero(np.isfinite(values))
    order = there[np.argsort(-values[there], kind="stable")]
    enough = int(np.flatnonzero(order == winner)[0]) + 1
    # On a part of the data, the training starts again on all of them.
    rest = epochs - (length.cost if length.fraction == 1.0 else 0.0)
    found = []
    for keep in sorted({*(count for count in KEPT if count < len(order)), enough}):
        kept = ends[order[:keep]]
        known = kept[np.isfinite(kept)]
        found.append(
            TopK(
                length,
                len(order),
                keep,
                len(order) * length.cost + keep * rest,
                keep >= enough,
                float(ends[winner] - known.max()) if len(known) else None,
                int(keep - len(known)),
                keep == enough,
            )
        )
    return found
