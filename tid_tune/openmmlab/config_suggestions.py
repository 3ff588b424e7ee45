"""What to write instead of a dotted path that is not in a config."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from tid_tune import dotted
from tid_tune.errors import nearest

_SHOWN = 4
"""Paths that a message suggests at most."""


def no_such_path(
    node: object, keys: Sequence[str], depth: int, read: Mapping[str, object], file: str
) -> str:
    """Return the message for a path whose first missing key is `keys[depth]`.

    Args:
        node: what the path has so far led to.
        keys: the whole path.
        depth: of the missing key.
        read: the parts of the config that a trial is built from, which may have the value
            elsewhere.
        file: the config's name.
    """
    missing, where = dotted.join(keys[: depth + 1]), dotted.join(keys[:depth])
    text = f"`{missing}` is not in {file}"
    near = f"The nearest path that exists is `{where}`"
    if isinstance(node, list | tuple):
        return f"{text}: `{where}` is a list of {len(node)} entries, numbered from 0. {near}"
    if not isinstance(node, dict):
        return f"{text}: `{where}` is {node!r}, which has no parts. {near}"
    better = (
        _quoted(node, keys, depth)
        or _elsewhere(read, [keys])
        or _similar(node, keys, depth)
        or _elsewhere(read, [keys[start:] for start in range(1, len(keys) - 1)])
    )
    # Of the whole config there are too many keys to help, where a path can be suggested.
    if depth or not better:
        names = node if depth else read
        there = ", ".join(sorted(dotted.join([name]) for name in names)) or "(none)"
        text += f": {f'`{where}`' if where else 'it'} has the keys {there}"
    if better:
        return f"{text}. Did you mean {' or '.join(f'`{path}`' for path in better)}?"
    return f"{text}. {near}" if where else text


def places(node: object, where: Sequence[object], wanted: object) -> list[str]:
    """Return the dotted paths, from `where` on, that hold a copy of `wanted`."""
    if node == wanted:
        return [dotted.join(where)]
    return [found for key, part in _parts(node) for found in places(part, [*where, key], wanted)]


def _quoted(node: Mapping[object, object], keys: Sequence[str], depth: int) -> list[str]:
    """Return the path with quotes, where several of its keys are one key with dots in it."""
    for end in range(len(keys), depth + 1, -1):
        key = ".".join(keys[depth:end])
        if key in node:
            return [dotted.join([*keys[:depth], key, *keys[end:]])]
    return []


def _similar(node: Mapping[object, object], keys: Sequence[str], depth: int) -> list[str]:
    """Return the path with the missing key's nearest, as far as that leads."""
    close = nearest(keys[depth], map(str, node))
    if close is None:
        return []
    fixed, rest = [*keys[:depth], close], list(keys[depth + 1 :])
    below = [path for path in _paths(node.get(close), []) if path == rest]
    return [dotted.join([*fixed, *rest] if below else fixed)]


def _elsewhere(read: Mapping[str, object], endings: Sequence[Sequence[str]]) -> list[str]:
    """Return the paths that end in the first of `endings` that any path ends in."""
    known = [path for name, part in read.items() for path in _paths(part, [name])]
    for ending in endings:
        found = [dotted.join(path) for path in known if path[-len(ending) :] == list(ending)]
        if found:
            return sorted(found, key=len)[:_SHOWN]
    return []


def _paths(node: object, where: list[str]) -> Iterator[list[str]]:
    yield where
    for key, part in _parts(node):
        yield from _paths(part, [*where, str(key)])


def _parts(node: object) -> list[tuple[object, object]]:
    if isinstance(node, dict):
        return list(node.items())
    return list(enumerate(node)) if isinstance(node, list | tuple) else []
