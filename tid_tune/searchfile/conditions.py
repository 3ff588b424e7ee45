"""`when`: a parameter that exists only while others have certain values."""

from __future__ import annotations

from collections.abc import Mapping

from tid_tune.searchfile.model import Choice, Distribution, Fixed, Integer, Ordinal, Value
from tid_tune.searchfile.names import UnknownName, full_name
from tid_tune.searchfile.problems import Problems
from tid_tune.searchfile.tree import Node, describe, same

When = dict[str, tuple[Value, ...]]


def read_conditions(
    node: Node,
    space: Mapping[str, Distribution],
    extra: Mapping[str, Distribution],
    problems: Problems,
) -> dict[str, When]:
    """The `when` of every parameter that has one.

    `extra` are parameters that are not in the space but have a value per trial (the method of a
    comparison); conditions may name them too.
    """
    conditions: dict[str, When] = {}
    for path, child in node.entries.items():
        when = child.entries.get("when")
        if path in space and when is not None:
            conditions[path] = _read_when(path, when, {**extra, **space}, problems)
    _refuse_cycles(node, conditions, problems)
    return conditions


def allows(distribution: Distribution, value: Value) -> bool | None:
    """Whether a parameter can have exactly this value; None where equality makes no sense."""
    if isinstance(distribution, Choice | Ordinal):
        return any(same(value, choice) for choice in distribution.values)
    if isinstance(distribution, Fixed):
        return same(value, distribution.value)
    if isinstance(distribution, Integer):
        whole = isinstance(value, int) and not isinstance(value, bool)
        inside = whole and distribution.low <= value <= distribution.high
        return inside and (value - distribution.low) % distribution.step == 0
    return None


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
        problems.add(node.where, at, f"an empty list for {parent} is never true; name a value")
    values = []
    for item in items:
        value = item.plain()
        allowed = allows(distribution, value)
        if allowed is None:
            text = f"{parent} is continuous, so it never equals {describe(value)}; "
            problems.add(item.where, at, text + "make it a choice, an ordinal or an integer")
        elif not allowed:
            text = f"{parent} is never {describe(value)}; it is {_domain(distribution)}"
            problems.add(item.where, at, text)
        else:
            values.append(value)
    return tuple(values)


def _domain(distribution: Distribution) -> str:
    if isinstance(distribution, Choice | Ordinal):
        return "one of " + ", ".join(describe(value) for value in distribution.values)
    if isinstance(distribution, Fixed):
        return f"always {describe(distribution.value)}"
    if isinstance(distribution, Integer):
        step = f" in steps of {distribution.step}" if distribution.step > 1 else ""
        return f"a whole number in [{distribution.low}, {distribution.high}]{step}"
    return "a number"


def _refuse_cycles(node: Node, conditions: dict[str, When], problems: Problems) -> None:
    done: set[str] = set()
    for start in conditions:
        trail: list[str] = []
        _walk(start, trail, done, node, conditions, problems)


def _walk(
    path: str,
    trail: list[str],
    done: set[str],
    node: Node,
    conditions: dict[str, When],
    problems: Problems,
) -> None:
    if path in trail:
        circle = " -> ".join([*trail[trail.index(path) :], path])
        problems.add(
            node.entries[path].where, f"space.{path}.when", f"goes round in a circle: {circle}"
        )
        return
    if path in done:
        return
    trail.append(path)
    for parent in conditions.get(path, {}):
        _walk(parent, trail, done, node, conditions, problems)
    trail.pop()
    done.add(path)
