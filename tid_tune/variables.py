"""`${env:NAME}` in configs: a value of the environment of the machine that reads the config.

So that nodes may hold the data in different places. `${env:NAME:DEFAULT}` has a default.
"""

from __future__ import annotations

import os
import re
import socket
from collections.abc import Mapping
from typing import Any

from tid_tune.errors import ConfigError

_VARIABLE = re.compile(r"\$\{env:([A-Za-z_][A-Za-z0-9_]*)(?::([^{}]*))?\}")


def resolved(text: str) -> str:
    """Replace each `${env:NAME}` in a text.

    Raises:
        ConfigError: the environment of this process has no such variable, and there is no default.
    """
    return _VARIABLE.sub(_value, text)


def resolve_all(node: Any) -> Any:
    """Return a config's node with each `${env:NAME}` of its texts replaced; its types stay.

    Nodes without one are returned as they are.

    Raises:
        ConfigError: as `resolved`.
    """
    if isinstance(node, str):
        return resolved(node)
    if isinstance(node, Mapping):
        changed = {key: new for key, one in node.items() if (new := resolve_all(one)) is not one}
        if not changed:
            return node
        copy = node.__class__(node)  # type: ignore[call-arg]  # a dict or mmengine's ConfigDict
        copy.update(changed)  # type: ignore[attr-defined]
        return copy
    if isinstance(node, list | tuple):
        items = [resolve_all(one) for one in node]
        same = all(new is old for new, old in zip(items, node, strict=True))
        return node if same else type(node)(items)
    return node


def _value(match: re.Match[str]) -> str:
    name, default = match.groups()
    found = os.environ.get(name, default)
    if found is None:
        raise ConfigError(
            f"{match.group()}: the environment variable {name} is not set on "
            f"{socket.gethostname()}. Set it there, on a cluster before `ray start`, or give a "
            f"default: ${{env:{name}:PATH}}"
        )
    return found
