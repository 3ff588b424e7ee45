"""Use mmdet where mmcv was installed without its compiled ops: in a program, or around a script.

    import runpy
    runpy.run_path("run_without_ops.py")["install"]()  # before mmdet is imported

    python run_without_ops.py SCRIPT [ARGUMENTS...]

Non-maximum suppression, which is all a dense detector needs of them to detect, is given by
torchvision. Where mmcv has its ops, this file changes nothing, and nothing needs it. It needs torch
and torchvision only.
"""

from __future__ import annotations

import importlib.util
import runpy
import sys
import types
from collections.abc import Callable
from importlib.machinery import ModuleSpec
from pathlib import Path
from typing import NoReturn

from torch import Tensor
from torchvision.ops import nms as torchvision_nms

NAME = "mmcv._ext"


def nms(boxes: Tensor, scores: Tensor, iou_threshold: float, offset: int) -> Tensor:
    """Return the indices of the boxes [N, 4] kept; with `offset` 1 sides count a pixel more."""
    boxes = boxes.float()
    if offset:
        boxes = boxes + boxes.new_tensor([0.0, 0.0, float(offset), float(offset)])
    kept: Tensor = torchvision_nms(boxes, scores.to(boxes), iou_threshold)
    return kept


class Ops(types.ModuleType):
    """Stands in for mmcv's compiled module: one op works, the others say what is missing."""

    def __init__(self) -> None:
        super().__init__(NAME)
        self.__spec__ = ModuleSpec(NAME, loader=None, origin=__file__)
        self.nms = nms

    def __getattr__(self, name: str) -> Callable[..., NoReturn]:
        if name.startswith("__"):
            raise AttributeError(name)

        def missing(*arguments: object, **named: object) -> NoReturn:
            raise RuntimeError(f"mmcv's op `{name}` is needed: install mmcv with compiled ops")

        return missing


def install() -> None:
    """Give mmcv the stand-in, unless it has its own ops. Call it before mmdet is imported."""
    if NAME not in sys.modules and importlib.util.find_spec(NAME) is None:
        sys.modules[NAME] = Ops()


def main() -> None:
    """Run the script named by the command line as `python SCRIPT` would."""
    if len(sys.argv) < 2:
        sys.exit("usage: python run_without_ops.py SCRIPT [ARGUMENTS...]")
    install()
    sys.argv = sys.argv[1:]
    sys.path[0] = str(Path(sys.argv[0]).resolve().parent)
    runpy.run_path(sys.argv[0], run_name="__main__")


if __name__ == "__main__":
    main()
