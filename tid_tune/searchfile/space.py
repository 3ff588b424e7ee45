"""`space`: one distribution for each dotted path."""

from __future__ import annotations

import re

from tid_tune import dotted
from tid_tune.searchfile.problems import Problems
from tid_tune.searchfile.tree import Node
from tid_tune.space import Distribution, EntryError, distribution_from_yaml
from tid_tune.space.values import describe

_BRACKETS = re.compile(r"\[(\d+)\]")


def read_space(node: Node, problems: Problems) -> dict[str, Distribution]:
    """Return the parameters that can be read, without `when`; note problems of the others."""
    if not isinstance(node.value, dict) or not node.value:
        got = describe(node.plain()) if node.value != {} else "nothing"
        problems.add(node.where, "space", f"expected dotted paths with distributions, got {got}")
        return {}
    space: dict[str, Distribution] = {}
    for path, child in node.value.items():
        wrong = _path_problem(path)
        if wrong is not None:
            problems.add(child.where, f"space.{path}", wrong)
            continue
        try:
            space[path] = distribution_from_yaml(child.plain())
        except EntryError as error:
            problems.add(child.at(error.at).where, f"space.{path}", str(error))
    return space


def _path_problem(path: str) -> str | None:
    """Return what is wrong with the spelling of a path, or None."""
    plain = _BRACKETS.sub(r".\1", path)
    if plain == path and dotted.PATH.fullmatch(path):
        return None
    fix = (
        f"write {plain}"
        if plain != path
        else "remove spaces, = and empty parts, and quote a key that has dots of its own: a.'b.c'.d"
    )
    return f"not a dotted path such as optim_wrapper.optimizer.lr; {fix}"
