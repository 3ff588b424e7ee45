"""A type without dots is a registered one: mmengine would import any module of that name."""

from __future__ import annotations

from mmengine.registry import registry
from mmengine.utils import get_object_from_string


def install() -> None:
    """Make mmengine's registries, in this process, import modules for names with dots only.

    Those stand in configs, which are programs; a search space cannot have them.
    """
    registry.get_object_from_string = _with_dots


def _with_dots(name: str) -> object:
    return get_object_from_string(name) if "." in name else None
