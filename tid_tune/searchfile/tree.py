"""YAML text -> a tree of plain values that remember the file and line they came from."""

from __future__ import annotations

import json
import math
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NoReturn

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, StringMark, YAMLError
from ruamel.yaml.nodes import MappingNode, ScalarNode, SequenceNode
from ruamel.yaml.nodes import Node as YamlNode
from ruamel.yaml.reader import ReaderError

from tid_tune.searchfile.problems import Problems, Where
from tid_tune.space.values import describe

MAX_BYTES = 256 * 1024
MAX_NODES = 20_000
MAX_DEPTH = 40
_TAG = "tag:yaml.org,2002:"

Scalar = None | bool | int | float | str


@dataclass(frozen=True)
class Node:
    """A value and its place; for an entry of a map, the place of its key."""

    value: Scalar | list[Node] | dict[str, Node]
    where: Where

    def plain(self) -> Any:
        """Return the value without places: None, bool, int, float, str, list or dict."""
        if isinstance(self.value, list):
            return [item.plain() for item in self.value]
        if isinstance(self.value, dict):
            return {key: item.plain() for key, item in self.value.items()}
        return self.value

    @property
    def entries(self) -> dict[str, Node]:
        """The entries of a map; none for anything else."""
        return self.value if isinstance(self.value, dict) else {}

    def at(self, steps: Sequence[str | int]) -> Node:
        """Return the node at these keys and indices below, or the last one that exists."""
        node = self
        for step in steps:
            if isinstance(node.value, dict) and step in node.value:
                node = node.value[str(step)]
            elif isinstance(node.value, list) and isinstance(step, int):
                node = node.value[step]
        return node


class _Unusable(Exception):
    """The node is wrong and was reported; its parent leaves it out."""


def parse(text: str, source: str, problems: Problems, line: bool = True) -> Node | None:
    """Return the tree of one YAML document; None (with a problem noted) if it cannot be read.

    `line=False` leaves lines out of the places: for text that is not from a file.
    """
    whole = Where(source, 1 if line else None)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            root = YAML(typ="safe", pure=True).compose(text)
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = Where(source, mark.line + 1) if line and mark is not None else whole
        problems.add(where, "", f"not valid YAML: {_explain(error, text, mark)}")
        return None
    except RecursionError:
        problems.add(whole, "", "not valid YAML: nested too deeply")
        return None
    except ReaderError as error:
        where = _line_of(error.position, text, source) if line else whole
        problems.add(where, "", f"not valid YAML: the character {error.character:#06x}; remove it")
        return None
    except (ValueError, OverflowError):
        where = _line_of(text.find("\\U"), text, source) if line else whole
        problems.add(where, "", "not valid YAML: a \\U escape beyond 0010FFFF; write the character")
        return None
    except YAMLError as error:
        problems.add(whole, "", f"not valid YAML: {' '.join(str(error).split())}")
        return None
    if root is None:
        return Node(None, whole)
    try:
        return _Reader(source, problems, line).read(root, whole, "", ())
    except _Unusable:
        return None


def _line_of(position: int, text: str, source: str) -> Where:
    return Where(source, text.count("\n", 0, position) + 1)


def _explain(error: MarkedYAMLError, text: str, mark: StringMark | None) -> str:
    lines = text.splitlines()
    if mark is not None and mark.line < len(lines) and "\t" in lines[mark.line][: mark.column + 1]:
        return "a tab; indent with spaces"
    parts = [error.context, error.problem]
    return " ".join(" ".join(part for part in parts if part).split())


class _Reader:
    """Turns ruamel's node graph into Nodes; refuses what is unsafe or ambiguous."""

    def __init__(self, source: str, problems: Problems, line: bool) -> None:
        self.source, self.problems, self.line = source, problems, line
        self.count = 0

    def read(self, node: YamlNode, where: Where, path: str, above: tuple[int, ...]) -> Node:
        self.count += 1
        if self.count > MAX_NODES:
            if self.count == MAX_NODES + 1:
                self.problems.add(where, "", f"more than {MAX_NODES} values; check the aliases (*)")
            raise _Unusable
        if id(node) in above:
            self._refuse(where, path, "an alias inside its own anchor; write the values out")
        if len(above) > MAX_DEPTH:
            self._refuse(where, path, f"nested deeper than {MAX_DEPTH}; make it flatter")
        above = (*above, id(node))
        if isinstance(node, MappingNode):
            self._check_tag(node, "map", where, path)
            return Node(self._entries(node, path, above), where)
        if isinstance(node, SequenceNode):
            self._check_tag(node, "seq", where, path)
            return Node(self._items(node, path, above), where)
        return Node(self._scalar(node, where, path), where)

    def _at(self, node: YamlNode) -> Where:
        return Where(self.source, node.start_mark.line + 1 if self.line else None)

    def _refuse(self, where: Where, path: str, text: str) -> NoReturn:
        self.problems.add(where, path, text)
        self.problems.spoiled.add(where)
        raise _Unusable

    def _check_tag(self, node: YamlNode, kind: str, where: Where, path: str) -> None:
        if node.tag != _TAG + kind:
            tag = str(node.tag).replace(_TAG, "!!")
            self._refuse(where, path, f"the tag {tag} is not allowed; write plain values")

    def _items(self, node: YamlNode, path: str, above: tuple[int, ...]) -> list[Node]:
        items = []
        for index, child in enumerate(node.value):
            try:
                items.append(self.read(child, self._at(child), f"{path}[{index}]", above))
            except _Unusable:
                items.append(self._broken(self._at(child)))
        return items

    def _entries(self, node: YamlNode, path: str, above: tuple[int, ...]) -> dict[str, Node]:
        own: dict[str, Node] = {}
        merged: dict[str, Node] = {}
        for key_node, child in node.value:
            where = self._at(key_node)
            if isinstance(key_node, ScalarNode) and key_node.tag == _TAG + "merge":
                merged = self._merge_key(child, where, path, above) | merged
                continue
            try:
                key = self._key(key_node, where, path)
                inner = f"{path}.{key}" if path else key
                if key in own:
                    first = own[key].where.line
                    at = f" (first at line {first})" if first else ""
                    self._refuse(where, inner, f"given twice{at}; keep one")
                own[key] = self._broken(where)
                own[key] = self.read(child, where, inner, above)
            except _Unusable:
                continue
        return merged | own

    def _broken(self, where: Where) -> Node:
        """Return a placeholder for an unreadable value: nothing else is reported at its line."""
        return Node("", where)

    def _key(self, node: YamlNode, where: Where, path: str) -> str:
        if not isinstance(node, ScalarNode):
            self._refuse(where, path, "expected text as a key, got a list or map; write one word")
        value = self._scalar(node, where, path)
        if not isinstance(value, str):
            text = f"expected text as a key, got {describe(value)}; write it in quotes"
            self._refuse(where, path, text)
        return value

    def _merge_key(
        self, node: YamlNode, where: Where, path: str, above: tuple[int, ...]
    ) -> dict[str, Node]:
        maps = node.value if isinstance(node, SequenceNode) else [node]
        merged: dict[str, Node] = {}
        for child in maps:
            entry = self.read(child, where, path, above)
            if not isinstance(entry.value, dict):
                self._refuse(where, path, f"<< merges a map, got {describe(entry.plain())}")
            merged = entry.entries | merged
        return merged

    def _scalar(self, node: YamlNode, where: Where, path: str) -> Scalar:
        kind, text = str(node.tag).removeprefix(_TAG), str(node.value)
        if kind == "null":
            return None
        if kind == "bool":
            return text.lower() in ("true", "yes", "on", "y")
        if kind in ("int", "float"):
            return self._number(kind, text, where, path)
        if kind not in ("str", "timestamp"):
            self._check_tag(node, "str", where, path)
        if any(0xD800 <= ord(char) <= 0xDFFF for char in text):
            self._refuse(
                where,
                path,
                f"{json.dumps(text)} contains an unpaired surrogate (invalid Unicode); replace the "
                "character",
            )
        return text

    def _number(self, kind: str, text: str, where: Where, path: str) -> Scalar:
        digits = text.replace("_", "")
        try:
            number: int | float
            if kind == "float":
                number = float(digits.lower().replace(".inf", "inf").replace(".nan", "nan"))
            else:
                number = int(digits, 0 if digits.lstrip("+-")[:2].lower() in _RADIX else 10)
        except ValueError:
            self._refuse(where, path, f"{text[:60]!r} is not a number")
        fits = math.isfinite(number) if isinstance(number, float) else abs(number) < 2**63
        if not fits:
            self._refuse(where, path, f"expected a finite number below 2^63, got {text[:60]}")
        return number


_RADIX = ("0x", "0o", "0b")
