"""Parameters under `model.distillation`: each must be a constant of a method that is in effect."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping

from tid_tune.distill.registry import (
    METHODS,
    methods_without_teacher,
    option_for,
    owners,
    parse_settings,
)
from tid_tune.errors import ConfigError, suggestion
from tid_tune.searchfile.config import DISTILLATION
from tid_tune.searchfile.problems import Fault, Problems, Where
from tid_tune.searchfile.tree import Node
from tid_tune.space import Distribution
from tid_tune.space.space import METHOD_PATH
from tid_tune.space.values import describe

_FIX = "name it in `method`, search model.distillation.method, or remove the parameter"


def read_methods(node: Node, problems: Problems) -> tuple[str, ...]:
    """Return the method names of `method: tid` or `method: [tid, fgd]`."""
    items = node.value if isinstance(node.value, list) else [node]
    if not items:
        problems.add(node.where, "method", "an empty list; name a method or remove it")
    names: list[str] = []
    for item in items:
        if not isinstance(item.value, str):
            text = f"expected a method or a list of methods, got {describe(item.plain())}"
            problems.add(item.where, "method", text)
        elif item.value not in METHODS.names():
            text = f"unknown method {item.value!r}; {suggestion(item.value, METHODS.names())}"
            problems.add(item.where, "method", text)
        elif item.value in names:
            problems.add(item.where, "method", f"{item.value!r} is given twice; keep one")
        else:
            names.append(item.value)
    return tuple(names)


def methods_in_effect(
    listed: tuple[str, ...], space: Mapping[str, Distribution], configured: str
) -> tuple[str, ...]:
    """Return the methods of trials: those compared, else those searched, else the config's."""
    searched = space.get(METHOD_PATH)
    if listed:
        return listed
    if searched is None or searched.bounds is not None:
        return (configured,)
    return tuple(value for value in searched.extremes if value in METHODS.names())


def check_configured(distillation: Mapping[str, object]) -> Iterator[Fault]:
    """Yield a constant in the config that no method has, or whose value is out of range."""
    try:
        parse_settings(distillation)
    except ConfigError as error:
        # The message begins with the constant's path.
        path = re.match(r"distillation\.\w+", str(error))
        place = DISTILLATION if path is None else f"model.{path[0]}"
        yield Fault(place, f"the config's model.{error}")


def check_distillation(
    space: Mapping[str, Distribution], methods: tuple[str, ...], node: Node, problems: Problems
) -> dict[str, Distribution]:
    """Return the space with implied conditions; note problems under `model.distillation`.

    A parameter that only some of several methods have gets `when: {method: those}` unless it
    names the method itself.
    """
    checked = dict(space)
    for path, distribution in space.items():
        if not path.startswith(f"{DISTILLATION}."):
            continue
        where, key = node.entries.get(path, node).where, path.removeprefix(f"{DISTILLATION}.")
        try:
            having = _owners(key)
        except ConfigError as error:
            problems.add(where, f"space.{path}", f"model.{error}")
            continue
        fitting = tuple(name for name in methods if name in having)
        if not fitting:
            problems.add(
                where,
                f"space.{path}",
                f"{key} is an option of {_or(having)}, but the method is {_or(methods)}; {_FIX}",
            )
            continue
        stated = distribution.when.get(METHOD_PATH)
        for name in stated or ():
            if name not in fitting:
                text = f"{key} is an option of {_or(having)}, not of {name}; remove {name}"
                problems.add(where, f"space.{path}.when", text)
        if stated is None and len(fitting) < len(methods):
            when = {**distribution.when, METHOD_PATH: fitting}
            checked[path] = distribution.model_copy(update={"when": when})
        _check_values(key, fitting, distribution, where, problems)
    return checked


def _owners(key: str) -> tuple[str, ...]:
    """Return the methods that `key` means something to; one without teacher ignores all others."""
    if key == "method":
        return tuple(METHODS.names())
    ignoring = methods_without_teacher()
    return tuple(name for name in owners(key) if name not in ignoring)


def _check_values(
    key: str,
    methods: tuple[str, ...],
    distribution: Distribution,
    where: Where,
    problems: Problems,
) -> None:
    at = f"space.{DISTILLATION}.{key}"
    for method in methods:
        option = option_for(key, method)
        if option.is_integer and distribution.is_real:
            problems.add(where, at, f"must be {option.allowed}; use integer or log_integer")
            continue
        for value in distribution.extremes:
            try:
                option.check(value)
            except ConfigError:
                text = f"{describe(value)} is not allowed; it must be {option.allowed}"
                problems.add(where, at, text)


def _or(names: Iterable[str]) -> str:
    return " or ".join(names)
