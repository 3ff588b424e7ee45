"""Samplers: how the next point of a space is proposed. One module, or package, for each.

A sampler is a class derived from `Sampler` that `@register_sampler` makes available under the
`type` of its options, which are a pydantic model declared next to it. Nothing else names it: the
search space, its checks and its JSON Schema ask the registry. Another package adds one by an
entry point of the group `tid_tune.samplers` that names its module; `tid_tune.testing.samplers`
has the tests that every sampler must pass.

All modules are imported to find the samplers, so they import nothing heavy (optuna, scipy, cmaes)
outside of functions.

From outside, import what is in `__all__`. `observations` is what a sampler sees, `registry` has the
samplers by name.
"""

from tid_tune.search.samplers.base import Sampler, random_point, rng_for
from tid_tune.search.samplers.observations import Length, Observation, Observations
from tid_tune.search.samplers.registry import make_sampler, register_sampler, sampler_class
from tid_tune.searchfile.parts import SamplerOptions

__all__ = [
    "Length",
    "Observation",
    "Observations",
    "Sampler",
    "SamplerOptions",
    "make_sampler",
    "random_point",
    "register_sampler",
    "rng_for",
    "sampler_class",
]
