"""The search space: which parameters are active together, which points are allowed and equal."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from functools import cached_property
from math import prod
from typing import Any

from tid_tune.errors import SpecError
from tid_tune.space.conditions import parents_first
from tid_tune.space.distributions import Distribution
from tid_tune.space.rules import Constraint, broken_constraint
from tid_tune.space.values import Params, Value, same

METHOD_PATH = "model.distillation.method"


class Space:
    """Parameters by dotted path, with the conditions and constraints between them.

    Args:
        parameters: a distribution for each path.
        require: comparisons that points must satisfy.
        given: values from outside that conditions may name (the compared method).

    Raises:
        SpecError: the conditions form a circle.
    """

    def __init__(
        self,
        parameters: Mapping[str, Distribution],
        require: tuple[Constraint, ...] = (),
        given: Mapping[str, Value] | None = None,
    ) -> None:
        self.given = dict(given or {})
        self.require = require
        self.parameters = _sorted(parameters)

    @cached_property
    def searched(self) -> dict[str, Distribution]:
        """The parameters that are not fixed, parents before the parameters they switch."""
        return {n: d for n, d in self.parameters.items() if not d.is_fixed}

    @cached_property
    def unconditional(self) -> dict[str, Distribution]:
        """The searched parameters that every trial has."""
        return {name: dist for name, dist in self.searched.items() if not dist.when}

    def is_active(self, name: str, params: Mapping[str, Value]) -> bool:
        """Return whether `name` takes part, given the values of its parents in `params`."""
        for parent, values in self.parameters[name].when.items():
            value = params.get(parent, self.given.get(parent, _ABSENT))
            if value is _ABSENT or not any(same(value, v) for v in values):
                return False
        return True

    def build(self, pick: Callable[[str, Distribution], Any]) -> Params:
        """Return the point whose active, unfixed values are `pick(name, distribution)`."""
        params: Params = {}
        for name, dist in self.parameters.items():
            if self.is_active(name, params):
                params[name] = dist.value_at(0) if dist.is_fixed else pick(name, dist)
        return params

    def complete(self, partial: Mapping[str, Value], unit: Callable[[], float]) -> Params:
        """Return the point with the values of `partial`; missing ones are at quantiles `unit()`."""
        return self.build(
            lambda name, dist: (
                dist.canonical(partial[name]) if name in partial else dist.decode(unit())
            )
        )

    def contains(self, params: Mapping[str, Value]) -> bool:
        """Return whether `params` is a point of this space: right parameters, in range, allowed."""
        active = {name for name in self.parameters if self.is_active(name, params)}
        return (
            active == params.keys()
            and all(self.parameters[name].contains(params[name]) for name in active)
            and self.allows(params)
        )

    def misfit(self, params: Mapping[str, Value]) -> str | None:
        """Return why `params` is no point of this space, or None if it is one."""
        for name in self.parameters:
            if self.is_active(name, params) and name not in params:
                return f"no value for {name}"
            why = self.parameters[name].misfit(params[name]) if name in params else None
            if why is not None:
                return f"{name}: {why}"
        for name in params:
            if name not in self.parameters:
                return f"{name} is no longer searched"
            if not self.is_active(name, params):
                return f"{name} does not apply to its other values"
        broken = broken_constraint(self.require, params)
        return None if broken is None else f"it breaks {broken.text}"

    def allows(self, params: Mapping[str, Value]) -> bool:
        """Return whether every constraint whose parameters are set holds."""
        return broken_constraint(self.require, params) is None

    @cached_property
    def size(self) -> int | None:
        """An upper bound of the number of points, or None for a continuum."""
        sizes = [dist.size for dist in self.parameters.values()]
        return None if None in sizes else prod(size for size in sizes if size is not None)


def config_key(edits: Mapping[str, Value], seed: int) -> str:
    """Return the key under which two trials with the same effect are equal."""
    return json.dumps([seed, edits], sort_keys=True, separators=(",", ":"))


def method_edits(method: str) -> Params:
    """Return what a trial of `method` sets besides its parameters; nothing for `""`."""
    return {METHOD_PATH: method} if method else {}


class _Absent:
    pass


_ABSENT = _Absent()


def _sorted(parameters: Mapping[str, Distribution]) -> dict[str, Distribution]:
    """Return the parameters, each after those that its condition names."""
    names, circles = parents_first({name: dist.when for name, dist in parameters.items()})
    if circles:
        circle = " -> ".join(circles[0])
        raise SpecError(f"space: conditions form a circle: {circle}; remove one of them")
    return {name: parameters[name] for name in names}
