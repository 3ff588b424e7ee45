"""The objects that mmengine keeps by name in this process: loggers, message hubs, and the like.

They outlive the Runner that made them, so a process that makes many Runners has to discard them.
"""

from __future__ import annotations

from mmengine.logging import MessageHub, MMLogger
from mmengine.registry import DefaultScope
from mmengine.visualization import Visualizer

__all__ = [
    "MMLogger",
    "MessageHub",
    "Visualizer",
    "discard_objects",
    "make_current",
    "names_since",
    "object_names",
]

_KINDS = (DefaultScope, MessageHub, MMLogger, Visualizer)


def object_names() -> dict[str, set[str]]:
    """Return the names in use, by class name."""
    return {kind.__name__: set(kind._instance_dict) for kind in _KINDS}


def names_since(before: dict[str, set[str]]) -> dict[str, set[str]]:
    """Return the names that are in use now and were not in `before`, a result of `object_names`."""
    return {kind: names - before[kind] for kind, names in object_names().items()}


def discard_objects(names: dict[str, set[str]]) -> None:
    """Close and forget the objects of these names, by class name."""
    for kind in _KINDS:
        for name in names[kind.__name__] & set(kind._instance_dict):
            _close(kind._instance_dict.pop(name))


def make_current(names: dict[str, set[str]]) -> None:
    """Let `get_current_instance` of each class return the object of these names."""
    for kind in _KINDS:
        for name in names[kind.__name__] & set(kind._instance_dict):
            kind._instance_dict.move_to_end(name)


def _close(instance: object) -> None:
    if isinstance(instance, MMLogger):
        for handler in list(instance.handlers):
            instance.removeHandler(handler)
            handler.close()
    elif isinstance(instance, Visualizer):
        instance.close()
