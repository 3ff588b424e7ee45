"""Samplers: how the next point of a space is proposed."""

from __future__ import annotations

from tid_tune.search.samplers.base import Sampler
from tid_tune.search.samplers.random import RandomSampler
from tid_tune.search.space import Space
from tid_tune.spec.model import Sampler as SamplerSpec

__all__ = ["Sampler", "make_sampler"]


def make_sampler(spec: SamplerSpec, space: Space, seed: int, objectives: int) -> Sampler:
    """Return the sampler a spec asks for; Optuna is imported only where it is used."""
    if spec.type == "tpe":
        from tid_tune.search.samplers.tpe import TpeSampler

        return TpeSampler(space, seed, spec.startup_trials, objectives)
    return RandomSampler(space, seed)
