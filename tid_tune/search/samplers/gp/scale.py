"""The scale on which a model sees the values: small differences count among good ones only.

Many objectives have a long tail below: trainings that diverge are worse by far more than good
ones differ. On the plain scale the tail is most of the variance, and what separates the good from
the best looks like noise. So distances below the median count by their logarithm. [ours]
"""

from __future__ import annotations

import numpy as np

from tid_tune.search.samplers.gp.codes import Array


def standardized(values: Array) -> tuple[Array, Array]:
    """Return values (n) of mean 0 and variance 1 in the same order, and the slopes (n) of the map.

    Above the median the map is linear; below, the slope falls with the distance in units of the
    spread above it. Equal values become 0.
    """
    middle = float(np.median(values))
    above = values[values >= middle] - middle
    spread = float(np.sqrt((above**2).mean())) or float(values.std()) or 1.0
    below = np.maximum(middle - values, 0.0) / spread
    mapped = np.where(below > 0, -np.log1p(below), (values - middle) / spread)
    slopes = 1.0 / (spread * (1.0 + below))
    scale = float(mapped.std()) or 1.0
    return (mapped - mapped.mean()) / scale, slopes / scale
