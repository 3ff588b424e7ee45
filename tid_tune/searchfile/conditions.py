"""`when`: a parameter that exists only while others have certain values."""

from __future__ import annotations

from collections.abc import Mapping

from tid_tune.searchfile.names import UnknownName, full_name
from tid_tune.searchfile.problems import Problems
from tid_tune.searchfile.tree import Node
from tid_tune.space import Distribution, Value
from tid_tune.space.conditions import parents_first
from tid_tune.space.values import describe

When = dict[str, tuple[Value, ...]]


def read_conditions(
    node: Node,
    space: Mapping[str, Distribution],
    extra: Mapping[str, Distribution],
    problems: Problems,
) -> dict[str, When]:
    """Return the `when` of every parameter that has one.

    Args:
        node: the section `space`.
        space: its parameters that could be read.
        extra: parameters that are not in the space but have a value in each trial (the method of a
            comparison); conditions may name them, too.
        problems: where wrong conditions are noted.
    """
    conditions: dict[str, When] = {}
    for path, child in node.entries.items():
        when = child.entries.get("when")
        if path in space and when is not None:
            conditions[path] = _read_when(path, when, {**extra, **space}, problems)
    _, circles = parents_first(conditions)
    for circle in circles:
        where, text = node.entries[circle[0]].where, " -> ".join(circle)
        problems.add(
            where, f"space.{circle[0]}.when", f"conditions form a circle: {text}; remove one"
        )
    return conditions


def _read_when(
    path: str, node: Node, known: Mapping[str, Distribution], problems: Problems
) -> When:
    at = f"space.{path}.when"
    if not isinstance(node.value, dict) or not node.value:
        got = describe(node.plain())
        text = f"expected when: {{parameter: value}} or {{parameter: [values]}}, got {got}"
        problems.add(node.where, at, text)
        return {}
    when: When = {}
    for name, child in node.value.items():
        try:
            parent = full_name(name, known)
        except UnknownName as error:
            problems.add(child.where, at, str(error))
            continue
        if parent == path:
            problems.add(child.where, at, "a parameter cannot depend on itself; remove it")
            continue
        if parent in when:
            problems.add(child.where, at, f"{parent} is named twice; keep one")
            continue
        when[parent] = _read_values(at, parent, child, known[parent], problems)
    return {parent: values for parent, values in when.items() if values}


def _read_values(
    at: str, parent: str, node: Node, distribution: Distribution, problems: Problems
) -> tuple[Value, ...]:
    items = node.value if isinstance(node.value, list) else [node]
    if not items:
        text = f"an empty list for {parent} never applies; name a value"
        problems.add(node.where, at, text)
    values = []
    for item in items:
        value = item.plain()
        wrong = _value_problem(parent, distribution, value)
        if wrong is not None:
            problems.add(item.where, at, wrong)
        else:
            values.append(distribution.canonical(value))
    return tuple(values)


def _value_problem(parent: str, distribution: Distribution, value: Value) -> str | None:
    """Return why a parameter never has exactly this value, or None if it may."""
    if distribution.size is None:
        return (
            f"{parent} is continuous, so it never equals {describe(value)}; "
            "make it a choice, an ordinal, an integer or a quantized form"
        )
    if not distribution.contains(value):
        return f"{parent} is never {describe(value)}; it is {distribution.domain}"
    return None
