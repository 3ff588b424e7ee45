"""The order of parameters that depend on each other by `when`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping


def parents_first(parents: Mapping[str, Iterable[str]]) -> tuple[list[str], list[list[str]]]:
    """Sort parameters so that each comes after those it depends on.

    Args:
        parents: the parameters that each one depends on; those without an entry are left out.

    Returns:
        The sorted names, and every circle of dependencies, as `[a, b, a]`. Where there is a
        circle, the order means nothing.
    """
    ordered: dict[str, None] = {}
    circles: list[list[str]] = []

    def visit(name: str, trail: tuple[str, ...]) -> None:
        if name in trail:
            circles.append([*trail[trail.index(name) :], name])
        elif name not in ordered:
            for parent in parents[name]:
                if parent in parents:
                    visit(parent, (*trail, name))
            ordered[name] = None

    for name in parents:
        visit(name, ())
    return list(ordered), circles
