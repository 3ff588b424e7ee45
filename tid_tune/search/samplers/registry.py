"""The samplers by name, and how a search gets the one its spec asks for."""

from __future__ import annotations

from typing import Any, TypeVar

from tid_tune.errors import SpecError
from tid_tune.plugins import Registry
from tid_tune.search.samplers.base import Sampler
from tid_tune.searchfile.model import SearchSpec
from tid_tune.space.space import Space

SAMPLERS: Registry[type[Sampler[Any]]] = Registry(
    "sampler", package="tid_tune.search.samplers", group="tid_tune.samplers"
)
S = TypeVar("S", bound=type[Sampler[Any]])


def register_sampler(sampler: S) -> S:
    """Make a sampler available under the `type` of its options. A class decorator.

    Raises:
        UsageError: another sampler has this type.
    """
    SAMPLERS.register(sampler.Options.model_fields["type"].default, sampler)
    return sampler


def make_sampler(spec: SearchSpec, space: Space) -> Sampler[Any]:
    """Return the sampler that a spec asks for, on one of its spaces.

    Raises:
        SpecError: the sampler refuses the spec.
        UsageError: the sampler is not installed.
    """
    sampler = SAMPLERS.get(spec.sampler.type)
    for refusal in sampler.refusals(spec):
        raise SpecError(str(refusal))
    seed = spec.seed if spec.sampler.seed is None else spec.sampler.seed
    return sampler(space, spec.sampler, seed, len(spec.objectives))
