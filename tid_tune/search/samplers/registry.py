"""The samplers by name, and how a search gets the one its spec asks for."""

from __future__ import annotations

from typing import Any, TypeVar

from tid_tune.errors import SpecError
from tid_tune.search.samplers.base import Sampler
from tid_tune.searchfile.model import SearchSpec
from tid_tune.searchfile.parts import SAMPLERS, part_name
from tid_tune.space.space import Space

S = TypeVar("S", bound=type[Sampler[Any]])


def register_sampler(sampler: S) -> S:
    """Make a sampler available under the `type` of its options. A class decorator.

    Raises:
        UsageError: another sampler has this type.
    """
    SAMPLERS.register(part_name(sampler), sampler)
    return sampler


def sampler_class(name: str) -> type[Sampler[Any]]:
    """Return the sampler of a type.

    Raises:
        UsageError: there is none.
    """
    part = SAMPLERS.get(name)
    assert issubclass(part, Sampler), f"{part} was not registered by register_sampler"
    return part


def make_sampler(spec: SearchSpec, space: Space) -> Sampler[Any]:
    """Return the sampler that a spec asks for, on one of its spaces.

    Raises:
        SpecError: the sampler refuses the spec.
        UsageError: the sampler is not installed.
    """
    sampler = sampler_class(spec.sampler.type)
    for refusal in sampler.refusals(spec):
        raise SpecError(str(refusal))
    seed = spec.seed if spec.sampler.seed is None else spec.sampler.seed
    return sampler(space, spec.sampler, seed, len(spec.objectives))
