"""Take a trained student out: a plain mmdet config and checkpoint, and ONNX.

The names are imported when they are first used: `origin`, `best` and `runs` need no torch.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tid_tune.export.folder import Exported, export_student

__all__ = ["Exported", "export_student"]


def __getattr__(name: str) -> object:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module("tid_tune.export.folder"), name)
