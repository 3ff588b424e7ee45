"""What a search-space file may not set: values of a config that make mmengine import modules."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from tid_tune.searchfile.problems import Problems
from tid_tune.searchfile.tree import Node
from tid_tune.space import Distribution

SCOPES = ("mmcv", "mmdet", "mmengine")
"""Registries that a type may be preceded by, as in `mmdet.ResNet`."""
_IMPORTS = "custom_imports"


def check_no_code(space: Mapping[str, Distribution], node: Node, problems: Problems) -> None:
    """Note parameters that would run code which no config names.

    mmengine imports a `type` with dots, such as `subprocess.Popen`, and calls it.
    """
    for path, distribution in space.items():
        where = node.entries[path].where if path in node.entries else node.where
        if path.split(".")[0] == _IMPORTS:
            problems.add(where, f"space.{path}", "imports modules; write it in the config instead")
            continue
        last = path.rpartition(".")[2]
        for value in distribution.extremes:
            for name in _types(value, last):
                if not _is_registered_name(name):
                    problems.add(
                        where,
                        f"space.{path}",
                        f"the type {name!r} would be imported as a Python module, and a search "
                        "space runs no code; name a registered type such as ResNet or "
                        "mmdet.ResNet, or write it in the config",
                    )
                    break


def _types(value: object, key: str) -> Iterator[str]:
    """Yield the names of types in a value that stands at `key`."""
    if key == "type" and isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for name, item in value.items():
            yield from _types(item, name)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _types(item, "")


def _is_registered_name(name: str) -> bool:
    scope, _, rest = name.rpartition(".")
    return rest.isidentifier() and scope in ("", *SCOPES)
