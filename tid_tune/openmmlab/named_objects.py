"""The objects that mmengine keeps by name in this process: loggers, message hubs, and the like.

They outlive the Runner that made them, so a process that makes many Runners has to discard them.
"""

from __future__ import annotations

from mmengine.logging import MessageHub, MMLogger
from mmengine.registry import DefaultScope
from mmengine.visualization import Visualizer

__all__ = ["MMLogger", "MessageHub", "Visualizer", "discard_other_objects", "object_names"]

_KINDS = (DefaultScope, MessageHub, MMLogger, Visualizer)


def object_names() -> dict[str, set[str]]:
    """Return the names in use, by class name."""
    return {kind.__name__: set(kind._instance_dict) for kind in _KINDS}


def discard_other_objects(kept: dict[str, set[str]]) -> None:
    """Close and forget the objects whose names are not in `kept`, a result of `object_names`."""
    for kind in _KINDS:
        for name in set(kind._instance_dict) - kept[kind.__name__]:
            _close(kind._instance_dict.pop(name))


def _close(instance: object) -> None:
    if isinstance(instance, MMLogger):
        for handler in list(instance.handlers):
            instance.removeHandler(handler)
            handler.close()
    elif isinstance(instance, Visualizer):
        instance.close()
