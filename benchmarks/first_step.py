"""A hook for trial_start.py: notes when the first training step of a trial is done."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import process_tree
from mmengine.hooks import Hook
from mmengine.registry import HOOKS


@HOOKS.register_module()
class FirstStep(Hook):  # type: ignore[misc]  # mmengine is untyped
    """Writes the time, and the processor's time of the processes below `root`, into `file`."""

    def __init__(self, file: str, root: int) -> None:
        self.file, self.root = Path(file), root

    def after_train_iter(self, *_: Any, **__: Any) -> None:
        if not self.file.exists():
            times = {"time": time.time(), "cpu": process_tree.tree_cpu(self.root)}
            self.file.write_text(json.dumps(times))
