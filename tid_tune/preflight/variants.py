"""The configs that a search makes, one value of one parameter at a time."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from tid_tune import dotted
from tid_tune.errors import ConfigError
from tid_tune.openmmlab.configs import Config, get_value, set_value
from tid_tune.searchfile.model import SearchSpec
from tid_tune.space import Distribution, Value
from tid_tune.space.space import METHOD_PATH

DISTILLATION = "model.distillation."


@dataclass(frozen=True)
class Variant:
    """A config with one value of the space set in it."""

    config: Config
    part: str
    """The top-level part of the config that differs."""
    label: str


def variants(config: Config, spec: SearchSpec) -> Iterator[Variant]:
    """Yield a config for each value that may keep a trial from being built.

    These are listed values, and the ends of ranges of whole numbers. Values of the distillation
    method's options are checked with the space; here only the methods themselves are tried.
    """
    for method in spec.method:
        yield from _variant(config, spec.space, METHOD_PATH, method)
    for path, distribution in spec.space.items():
        if distribution.is_fixed:
            continue
        if path.startswith(DISTILLATION) and path != METHOD_PATH:
            continue
        for value in _telling(config, path, distribution):
            yield from _variant(config, spec.space, path, value)


def _telling(config: Config, path: str, distribution: Distribution) -> tuple[Value, ...]:
    if distribution.size is None:
        current = get_value(config, path)
        whole = isinstance(current, int) and not isinstance(current, bool)
        return distribution.extremes if whole else ()
    return distribution.extremes


def _variant(
    config: Config, space: Mapping[str, Distribution], path: str, value: Value
) -> Iterator[Variant]:
    part = dotted.split(path)[0]
    changed = copy.deepcopy(config)
    try:
        for where, needed in _conditions(space, path).items():
            set_value(changed, where, needed)
        set_value(changed, path, value)
    except ConfigError:
        return  # noted with the parameter
    yield Variant(changed, part, f"with {path} = {value!r}: ")


def _conditions(space: Mapping[str, Distribution], path: str) -> dict[str, Value]:
    """Return the values that make a parameter active."""
    found: dict[str, Value] = {}
    for where, values in (space[path].when if path in space else {}).items():
        found = {**_conditions(space, where), **found, where: values[0]}
    return found
