"""One tree from a file, the files it is based on, and the overrides of the command line."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from tid_tune.searchfile.parts import DEFAULT_TYPES, types_with
from tid_tune.searchfile.problems import Problems, Where
from tid_tune.searchfile.tree import MAX_BYTES, Node, parse
from tid_tune.space import distribution_names
from tid_tune.space.values import describe

SHORTHANDS = {
    "sampler": "type",
    "scheduler": "type",
    "objective": None,
}
"""Sections that may be one word, and the key whose value that word is."""


def read_tree(path: Path, overrides: Sequence[str], problems: Problems) -> Node | None:
    """Return the merged map of `path`, its `base` files and `overrides`; None when it is unusable.

    A map is merged with the base's map key by key, at the top level and one level below (so a
    parameter of the space is replaced whole); anything else replaces; null removes.
    """
    tree = _read_chain(path, (), None, problems)
    if tree is None:
        return None
    for text in overrides:
        change = _parse_override(text, tree, problems)
        if change is not None:
            tree = _merge(tree, change, problems)
    return tree


def shown_path(path: Path) -> str:
    """Return a path as messages show it: relative where it lies under the current folder."""
    relative = os.path.relpath(path)
    return str(path) if relative.startswith("..") else relative


def _read_chain(
    path: Path, above: tuple[Path, ...], asked: Node | None, problems: Problems
) -> Node | None:
    source = shown_path(path)
    real = Path(os.path.realpath(path))
    if real in above:
        chain = " -> ".join(shown_path(item) for item in (*above, real))
        if asked is not None:
            problems.add(
                asked.where, "base", f"the files form a circle: {chain}; remove one `base`"
            )
        return None
    text = read_text(path, source, asked, problems)
    own = parse(text, source, problems) if text is not None else None
    if own is None:
        return None
    if not isinstance(own.value, dict):
        got = "an empty file" if own.value is None else describe(own.plain())
        problems.add(own.where, "", f"expected a map with name, trial and space, got {got}")
        return None
    merged = Node({}, own.where)
    for child in _bases(own, problems):
        base = _read_chain(path.parent / str(child.value), (*above, real), child, problems)
        if base is not None:
            merged = _merge(merged, base, problems)
    rest = {key: node for key, node in own.entries.items() if key != "base"}
    return _merge(merged, Node(rest, own.where), problems)


def _bases(own: Node, problems: Problems) -> list[Node]:
    base = own.entries.get("base")
    if base is None:
        return []
    files = []
    for item in base.value if isinstance(base.value, list) else [base]:
        if isinstance(item.value, str) and item.value and "\0" not in item.value:
            files.append(item)
        else:
            got = describe(item.plain())
            problems.add(item.where, "base", f"expected a file or a list of files, got {got}")
    return files


def read_text(
    path: Path, source: str, asked: Node | None, problems: Problems, key: str = "base"
) -> str | None:
    """Return the text of a file, which `asked` names under `key`; None with a problem noted."""
    where = asked.where if asked is not None else Where(source)
    label = key if asked is not None else ""
    try:
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        what = source if asked is not None else "it"  # the place names the file already
        hint = "check the path" if asked is not None else "check the path, or see `tid-tune init`"
        problems.add(where, label, f"cannot read {what}: {reason}; {hint}")
        return None
    if len(content) > MAX_BYTES:
        problems.add(where, label, f"{source} is larger than {MAX_BYTES // 1024} KiB; split it")
        return None
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        byte = f"byte 0x{content[error.start]:02x}"
        problems.add(Where(source, line), "", f"not UTF-8 text ({byte}); save it as UTF-8")
        return None


def _merge(base: Node, child: Node, problems: Problems) -> Node:
    entries = dict(base.entries)
    for key, node in child.entries.items():
        for twin in {"objective": ("objectives",), "objectives": ("objective",)}.get(key, ()):
            if twin not in child.entries:
                entries.pop(twin, None)
        old = entries.get(key)
        if node.value is None:
            entries.pop(key, None)
        elif isinstance(node.value, dict):
            entries[key] = _merge_section(key, old, node, problems)
        else:
            entries[key] = node
    return Node(entries, child.where)


def _merge_section(key: str, old: Node | None, new: Node, problems: Problems) -> Node:
    entries = dict(_expanded(key, old).entries) if old is not None else {}
    new_type = new.entries.get("type")
    section = next((name for name in DEFAULT_TYPES if name == key), None)
    if section is not None and new_type is not None:
        # A new type brings its own options: the base's that mean nothing to it are dropped.
        for name in list(entries):
            owners = types_with(section, name)
            if owners and new_type.value not in owners:
                del entries[name]
    for name, node in new.entries.items():
        if node.value is not None:
            entries[name] = node
        elif name in entries:
            del entries[name]
        elif key == "space":
            problems.add(
                node.where,
                f"space.{name}",
                "`null` deletes a parameter of the base file, but no base file defines this one; "
                "to fix it at null write {fixed: null}",
            )
    return Node(entries, new.where)


def _expanded(key: str, node: Node) -> Node:
    word = SHORTHANDS.get(key)
    if word is not None and isinstance(node.value, str):
        return Node({word: node}, node.where)
    return node


def _parse_override(text: str, tree: Node, problems: Problems) -> Node | None:
    where = Where(f"--set {text}")
    path, equals, value_text = text.partition("=")
    path = path.strip()
    if not equals or not path or not value_text.strip():
        problems.add(where, "", "expected a path and a value, as in --set sampler.seed=3")
        return None
    value = parse(value_text, where.source, problems, line=False)
    if value is None:
        return None
    key, _, rest = path.partition(".")
    if not rest:
        return Node({key: value}, where)
    old = tree.entries.get(key)
    if old is not None and isinstance(old.value, list):
        return Node({key: _placed(old, rest, value, where, problems)}, where)
    section = _expanded(key, old).entries if old is not None else {}
    name = _parameter(rest, section) if key == "space" else _first_key(rest, section)
    deeper = rest[len(name) + 1 :]
    if deeper:
        inner = section.get(name, Node({}, where))
        value = _placed(inner, deeper, value, where, problems)
    return Node({key: Node({name: value}, where)}, where)


def _first_key(path: str, entries: Mapping[str, Node]) -> str:
    """Return the longest key of `entries` that `path` begins with, else its first part."""
    known = [key for key in entries if path == key or path.startswith(f"{key}.")]
    return max(known, key=len) if known else path.partition(".")[0]


def _parameter(path: str, entries: Mapping[str, Node]) -> str:
    """Return the parameter that `path` begins with: a known one, or all but the distribution."""
    known = _first_key(path, entries)
    if known in entries:
        return known
    parent, _, last = path.rpartition(".")
    return parent if parent and last in distribution_names() else path


def _placed(node: Node, path: str, value: Node, where: Where, problems: Problems) -> Node:
    """Return `node` with the value at `path` below it replaced."""
    if isinstance(node.value, list):
        index, _, rest = path.partition(".")
        if not index.isdecimal() or int(index) >= len(node.value):
            problems.add(where, "", f"{index!r} is not an index of a list of {len(node.value)}")
            return node
        items = list(node.value)
        items[int(index)] = (
            _placed(items[int(index)], rest, value, where, problems) if rest else value
        )
        return Node(items, where)
    key = _first_key(path, node.entries)
    rest = path[len(key) + 1 :]
    inner = node.entries.get(key, Node({}, where))
    new = _placed(inner, rest, value, where, problems) if rest else value
    return Node({**node.entries, key: new}, where)
