"""Where a config, or a file that it is based on, sets the value at a dotted path: file and line.

The files are read as Python programs and not run. What is set by anything but plain assignments
of dicts, lists and names (loops, functions) is found as far as it goes.
"""

from __future__ import annotations

import ast
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from mmengine.config import Config

from tid_tune import dotted

_STEPS = 200
"""Lookups at most: names may refer to each other in a circle."""


@dataclass(frozen=True)
class Line:
    """A line of a config file."""

    file: Path
    number: int


@dataclass(frozen=True)
class _Found:
    """The value at the first `depth` keys of a path; `whole`: nothing below it is inherited."""

    depth: int
    line: Line
    whole: bool = False


@dataclass(frozen=True)
class _Setting:
    """A statement: the value at `keys` is what is at `inside` of `value`."""

    keys: tuple[str, ...]
    value: ast.expr
    inside: tuple[str, ...] = ()


def line_of(file: Path | str, path: str) -> Line | None:
    """Return the line that sets the value at a dotted path, or what is nearest above it.

    Args:
        file: the config.
        path: such as `model.bbox_head.num_classes`.
    """
    found = _Lookup().find(Path(file), dotted.split(path))
    return None if found is None else found.line


class _Lookup:
    """One search for a path, through a file and those it is based on."""

    def __init__(self) -> None:
        self._steps = 0
        self._read: dict[Path, ast.Module | None] = {}

    def find(self, file: Path, keys: Sequence[str]) -> _Found | None:
        """Return the deepest value on the way to `keys`, of the file before that of its bases."""
        tree = self._parse(file)
        self._steps += 1
        if tree is None or self._steps > _STEPS or not keys:
            return None
        own: _Found | None = None
        for setting in _settings(tree):
            depth = len(setting.keys)
            if tuple(keys[:depth]) != setting.keys:
                continue
            rest = [*setting.inside, *keys[depth:]]
            below = self._inside(setting.value, rest, file)
            reached = depth + max(below.depth - len(setting.inside), 0)
            whole = below.whole or (own is not None and own.whole)
            if own is None or reached > own.depth or reached == len(keys):  # the last one counts
                own = _Found(reached, below.line, whole)
        if own is not None and (own.whole or own.depth == len(keys)):
            return own
        above = [found for base in _bases(tree, file) if (found := self.find(base, keys))]
        best = max(above, key=lambda found: found.depth, default=None)
        return best if best is not None and (own is None or best.depth > own.depth) else own

    def _parse(self, file: Path) -> ast.Module | None:
        if file not in self._read:
            try:
                self._read[file] = ast.parse(file.read_text(encoding="utf-8"))
            except (OSError, SyntaxError, ValueError):
                self._read[file] = None
        return self._read[file]

    def _inside(self, value: ast.expr, keys: Sequence[str], file: Path) -> _Found:
        """Return what is at `keys` of an expression of a file."""
        here = _Found(0, Line(file, value.lineno))
        if not keys:
            return here
        chain = _chain(value)
        if chain:
            files = _bases(self._read[file], file) if chain[0] == "_base_" else [file]
            names = chain[1:] if chain[0] == "_base_" else chain
            found = [f for one in files if (f := self.find(one, [*names, *keys]))]
            best = max(found, key=lambda f: f.depth, default=None)
            if best is None or best.depth < len(names):
                return here
            return _Found(best.depth - len(names), best.line, best.whole)
        parts = dict(_parts(value))
        if keys[0] in parts:
            below = self._inside(parts[keys[0]], keys[1:], file)
            return _Found(1 + below.depth, below.line, below.whole)
        deepest = here
        for copied in _copied(value):
            found_in = self._inside(copied, keys, file)
            deepest = found_in if found_in.depth > deepest.depth else deepest
        return _Found(deepest.depth, deepest.line, deepest.whole or "_delete_" in parts)


def _settings(tree: ast.Module) -> Iterator[_Setting]:
    """Yield the assignments of a file, and its calls of `update`."""
    for node in tree.body:
        if isinstance(node, ast.Assign):
            for target in node.targets:
                if isinstance(target, ast.Tuple):
                    for index, item in enumerate(target.elts):
                        if keys := _chain(item):
                            yield _Setting(tuple(keys), node.value, (str(index),))
                elif keys := _chain(target):
                    yield _Setting(tuple(keys), node.value)
        elif isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
            call = node.value
            if isinstance(call.func, ast.Attribute) and call.func.attr == "update":
                keys = _chain(call.func.value)
                if keys:
                    yield _Setting(tuple(keys), call)


def _chain(node: ast.expr) -> list[str]:
    """Return the keys of `a.b["c"][0]`, beginning with a name; nothing of another expression."""
    keys: list[str] = []
    while True:
        if isinstance(node, ast.Name):
            return [node.id, *reversed(keys)]
        if isinstance(node, ast.Attribute):
            keys.append(node.attr)
        elif isinstance(node, ast.Subscript) and isinstance(node.slice, ast.Constant):
            keys.append(str(node.slice.value))
        else:
            return []
        node = node.value


def _parts(node: ast.expr) -> Iterator[tuple[str, ast.expr]]:
    """Yield the keys and values of a dict, or the indices and values of a list."""
    if isinstance(node, ast.Call):
        yield from ((one.arg, one.value) for one in node.keywords if one.arg is not None)
    elif isinstance(node, ast.Dict):
        for key, value in zip(node.keys, node.values, strict=True):
            if isinstance(key, ast.Constant):
                yield str(key.value), value
    elif isinstance(node, ast.List | ast.Tuple):
        yield from ((str(index), value) for index, value in enumerate(node.elts))


def _copied(node: ast.expr) -> Iterator[ast.expr]:
    """Yield what a dict takes over: `dict(a, **b)`, `{**b}`."""
    if isinstance(node, ast.Call):
        yield from node.args
        yield from (one.value for one in node.keywords if one.arg is None)
    elif isinstance(node, ast.Dict):
        pairs = zip(node.keys, node.values, strict=True)
        yield from (value for key, value in pairs if key is None)


def _bases(tree: ast.Module | None, file: Path) -> list[Path]:
    """Return the files that a config is based on, in either style of mmengine's configs."""
    found: list[Path] = []
    for node in [] if tree is None else tree.body:
        if isinstance(node, ast.Assign) and _chain(node.targets[0]) == ["_base_"]:
            texts = [n.value for n in ast.walk(node.value) if isinstance(n, ast.Constant)]
            found += [path for text in texts if (path := _base_file(str(text), file))]
        elif isinstance(node, ast.With):
            for inner in node.body:
                if isinstance(inner, ast.ImportFrom) and inner.level:
                    folder = file.parents[inner.level - 1]
                    found.append(
                        folder.joinpath(*(inner.module or "").split(".")).with_suffix(".py")
                    )
    return found


def _base_file(text: str, file: Path) -> Path | None:
    try:
        return Path(os.path.normpath(Config._get_cfg_path(text, str(file))[0]))
    except Exception:  # another package's config, which may not be installed
        return None
