"""Dotted paths into a config, such as `model.bbox_head.num_classes`.

A key that has dots, spaces or equals signs of its own is quoted:
`optim_wrapper.paramwise_cfg.custom_keys.'backbone.layer1'.lr_mult`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

PART = r"""(?:'[^']+'|"[^"]+"|[^\s.='"][^\s.=]*)"""
"""A key as it is written in a path: quoted, or plain."""
PATH = re.compile(rf"{PART}(?:\.{PART})*")
"""A whole path; list indices are keys like any other."""

_NEXT = re.compile(r"""('[^']+'|"[^"]+"|[^.]*)(\.|$)""")
_PLAIN = re.compile(r"""[^\s.='"][^\s.=]*""")


def parts(path: str) -> list[str]:
    """Return the keys of a path as they are written in it, with their quotes."""
    found: list[str] = []
    position = 0
    while True:
        match = _NEXT.match(path, position)
        if match is None:  # text after a closing quote: no path; kept whole, so that nothing has it
            return [*found, path[position:]]
        found.append(match[1])
        if not match[2]:
            return found
        position = match.end()


def split(path: str) -> list[str]:
    """Return the keys of a path, without quotes."""
    return [key[1:-1] if key[:1] in ("'", '"') and len(key) > 2 else key for key in parts(path)]


def join(keys: Iterable[object]) -> str:
    """Return the path of keys, quoted where that is needed."""
    return ".".join(map(_written, keys))


def last(path: str) -> str:
    """Return the last key of a path as it is written."""
    return parts(path)[-1]


def parent(path: str) -> str:
    """Return the path without its last key."""
    return ".".join(parts(path)[:-1])


def _written(key: object) -> str:
    text = str(key)
    if _PLAIN.fullmatch(text):
        return text
    return f'"{text}"' if "'" in text else f"'{text}'"
