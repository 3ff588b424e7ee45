"""The sampler's contract, and the rules all samplers share: constraints, duplicates, seeds."""

from __future__ import annotations

import abc
import zlib
from collections.abc import Callable, Iterator
from typing import Any, ClassVar, Generic, TypeVar

import numpy as np

from tid_tune.errors import SpecError
from tid_tune.search.samplers.observations import Observations
from tid_tune.searchfile.model import SearchSpec
from tid_tune.searchfile.parts import SAMPLERS, Refusal, SamplerOptions, SearchPart
from tid_tune.space import Distribution, Params, Space
from tid_tune.space.walk import GridWalk

MODEL_DRAWS = 10
RANDOM_DRAWS = 1000
"""Draws per suggestion before giving up; most spaces need one."""
PATIENCE = 20_000
"""Draws before the rules count as impossible: they may leave a small part of the space."""
WALKABLE = 100_000
"""Finite spaces up to this size are searched point by point before they count as used up."""

Taken = Callable[[Params], bool]


OptionsT = TypeVar("OptionsT", bound=SamplerOptions)


class Sampler(SearchPart, abc.ABC, Generic[OptionsT]):
    """Proposes points. The same seed, index and observations give the same point, always.

    A subclass sets `Options` and defines `draw`; register it with `register_sampler`.

    Args:
        space: where points come from.
        options: of this sampler, as the search space states them.
        seed: of all random choices.
        objectives: how many there are; observations have as many values.
    """

    Options: ClassVar[type[SamplerOptions]]
    """The model of `options`; the default of its field `type` is the sampler's name."""
    several_objectives: ClassVar[bool] = True
    """Whether it can search several objectives."""

    def __init__(self, space: Space, options: OptionsT, seed: int, objectives: int = 1) -> None:
        self.space = space
        self.options = options
        self.seed = seed
        self.objectives = objectives
        self._grid: GridWalk | None = None

    @classmethod
    def refusals(cls, spec: SearchSpec) -> Iterator[Refusal]:
        """Yield why this sampler cannot run a search: here, that it has several objectives."""
        if len(spec.objectives) > 1 and not cls.several_objectives:
            yield Refusal(
                ("sampler", "type"),
                f"{spec.sampler.type} searches one objective; use {_for_several_objectives()}, "
                "or keep one objective",
            )

    @property
    def startup(self) -> int:
        """How many results there must be before `draw` is asked; until then points are random."""
        return 0

    @abc.abstractmethod
    def draw(self, rng: np.random.Generator, index: int, known: Observations) -> Params:
        """Return one point; `ask` deals with constraints and duplicates."""

    def proposals(
        self, rng: np.random.Generator, index: int, known: Observations
    ) -> Iterator[Params]:
        """Yield points, the best first: `ask` takes the first one that is allowed and new.

        Here: the one of `draw`. A sampler that ranks many points yields them all.
        """
        yield self.draw(rng, index, known)

    def ask(self, index: int, known: Observations, taken: Taken) -> Params | None:
        """Return the point of suggestion number `index`, or None where the space is used up.

        Points that break a constraint, or are `taken` (tried before with the same seed), are
        drawn again: first by the sampler, then at random, in a finite space one after the other.

        Raises:
            SpecError: no random point satisfies the constraints.
        """
        allowed = False
        for attempt in range(PATIENCE):
            if allowed and attempt >= MODEL_DRAWS + RANDOM_DRAWS:
                break
            rng = rng_for(self.seed, "suggest", index, attempt)
            by_model = attempt < MODEL_DRAWS and len(known.results) >= self.startup
            points = (
                self.proposals(rng, index, known) if by_model else [random_point(self.space, rng)]
            )
            for params in points:
                if not self.space.allows(params):
                    continue
                allowed = True
                if not taken(params):
                    return params
        left = self._walk(taken)
        if not allowed and left is None:
            raise SpecError(
                f"require: none of {PATIENCE} random points of the space satisfies "
                f"{self._rules()}; widen the ranges or drop a rule"
            )
        return left

    def _walk(self, taken: Taken) -> Params | None:
        if self.space.size is None or self.space.size > WALKABLE:
            return None
        if self._grid is None:
            self._grid = GridWalk(self.space, self.seed)
        return self._grid.next(taken)

    def fill(self, partial: Params, index: int) -> Params:
        """Return the point that has the values of `partial`, the missing ones drawn at random.

        Raises:
            SpecError: no way to fill it satisfies the constraints.
        """
        for attempt in range(PATIENCE):
            params = self.space.complete(partial, rng_for(self.seed, "fill", index, attempt).random)
            if self.space.allows(params):
                return params
        raise SpecError(
            f"start_from: {partial} breaks `require: {self._rules()}` however it is completed; "
            "change the point or the rule"
        )

    def _rules(self) -> str:
        return ", ".join(constraint.text for constraint in self.space.require)


def _for_several_objectives() -> str:
    parts = SAMPLERS.parts().items()
    able = [name for name, one in parts if issubclass(one, Sampler) and one.several_objectives]
    *names, last = able
    return f"{', '.join(names)} or {last}"


def rng_for(seed: int, purpose: str, *numbers: int) -> np.random.Generator:
    """Return the random generator of one decision: a function of its arguments alone."""
    return np.random.default_rng([seed, zlib.crc32(purpose.encode()), *numbers])


def random_point(space: Space, rng: np.random.Generator) -> Params:
    """Return a point drawn from the prior."""

    def pick(name: str, dist: Distribution) -> Any:
        return dist.decode(float(rng.random()))

    return space.build(pick)
