"""A file of weights that makes a folder when it is unpickled as Python objects."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch


class Call:
    """Unpickled, it is a function's result."""

    def __init__(self, function: Callable[..., object], *args: Any) -> None:
        self.call = (function, args)

    def __reduce__(self) -> tuple[Callable[..., object], tuple[Any, ...]]:
        return self.call


def write_pickle(folder: Path, weights: Mapping[str, torch.Tensor]) -> tuple[Path, Path]:
    """Return the file, and the folder that exists only if the file's code has run."""
    file, marker = folder / "pickle.pth", folder / "code_has_run"
    torch.save({"state_dict": dict(weights), "meta": Call(os.mkdir, str(marker))}, file)
    return file, marker
