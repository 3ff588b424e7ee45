"""Samplers: how the next point of a space is proposed."""

from __future__ import annotations

from tid_tune.errors import SpecError
from tid_tune.search.samplers.base import Sampler
from tid_tune.search.samplers.random import RandomSampler
from tid_tune.searchfile.model import Sampler as SamplerSpec
from tid_tune.space import Space

__all__ = ["Sampler", "make_sampler"]


def make_sampler(spec: SamplerSpec, space: Space, seed: int, objectives: int) -> Sampler:
    """Return the sampler a spec asks for; what it needs is imported only then.

    Raises:
        SpecError: the sampler cannot work on this space or with several objectives.
    """
    match spec.type:
        case "tpe":
            from tid_tune.search.samplers.tpe import TpeSampler

            return TpeSampler(space, seed, spec.startup, objectives)
        case "gp":
            from tid_tune.search.samplers.gp.sampler import GpSampler

            return GpSampler(space, seed, spec.startup, objectives)
        case "cmaes":
            if objectives > 1:
                raise SpecError("sampler.type: cmaes has one objective; take nsga2, tpe or gp")
            from tid_tune.search.samplers.cmaes import CmaEsSampler

            return CmaEsSampler(space, seed, spec.startup)
        case "qmc":
            from tid_tune.search.samplers.qmc import QmcSampler

            return QmcSampler(space, seed)
        case "grid":
            from tid_tune.search.samplers.grid import GridSampler

            return GridSampler(space, seed)
        case "nsga2":
            from tid_tune.search.samplers.nsga2 import Nsga2Sampler

            return Nsga2Sampler(space, seed, spec.startup)
        case "random":
            return RandomSampler(space, seed)
