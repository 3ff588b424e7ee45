"""The sampler `gp`: a Gaussian process that also learns from stopped trials.

`sampler` proposes, `codes` turns points into vectors, `extrapolation` carries stopped trials on to
full length, `gaussian` is the regression.
"""

from tid_tune.search.samplers.gp.sampler import GpOptions, GpSampler

__all__ = ["GpOptions", "GpSampler"]
