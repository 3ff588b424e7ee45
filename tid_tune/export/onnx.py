"""A student as an ONNX graph: backbone, neck, head and decoding; non-maximum suppression outside.

One input, `images` [N, 3, H, W] float32, already normalized and padded; N is free, H and W are
fixed. Outputs, for the P boxes of all levels and points, level by level and row by row:

- `boxes` [N, P, 4]: left, top, right, bottom in pixels of the input, not clipped to the image.
- `scores` [N, P, K]: probability of each class.
- `centerness` [N, P]: for heads that have one (ATSS, FCOS); the final score is score * centerness.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from tid_tune.detectors.heads import adapt_head
from tid_tune.errors import UsageError
from tid_tune.openmmlab.setup import quiet

OPSET = 17
Size = tuple[int, int]
"""Height and width in pixels."""


@dataclass(frozen=True)
class Onnx:
    """A written graph: its file, the input's height and width, and the names of its outputs."""

    path: Path
    size: Size
    outputs: tuple[str, ...]


def export_onnx(detector: nn.Module, path: Path, size: Size) -> Onnx:
    """Write the graph of `detector`, which must be in evaluation mode on the CPU.

    Raises:
        ConfigError: the head is none of GFL, ATSS, RetinaNet and FCOS.
        UsageError: the package `onnx` is not installed.
    """
    try:
        import onnx  # noqa: F401
    except ImportError:
        raise UsageError("ONNX export needs the package onnx: pip install onnx") from None
    graph = DenseGraph(detector).eval()
    example = torch.zeros(1, 3, *size)
    with quiet(), torch.no_grad():
        torch.onnx.export(
            graph,
            (example,),
            path,
            input_names=["images"],
            output_names=list(graph.outputs),
            dynamic_axes={name: {0: "batch"} for name in ("images", *graph.outputs)},
            opset_version=OPSET,
            dynamo=False,  # the other exporter needs a further package and fixes the batch's size
        )
    return Onnx(path, size, graph.outputs)


class DenseGraph(nn.Module):
    """What is exported; see the module's docstring."""

    def __init__(self, detector: Any) -> None:
        super().__init__()
        adapter = adapt_head(detector, "student")
        self.detector = detector
        self.head = detector.bbox_head
        self.strides = adapter.strides
        self.softmax = not adapter.uses_sigmoid
        factors = ("centerness",) if type(self.head).__name__ in ("ATSSHead", "FCOSHead") else ()
        self.outputs = ("boxes", "scores", *factors)

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        """Return the tensors named by `outputs`."""
        maps = self.head(self.detector.extract_feat(images))
        boxes, scores, factors = [], [], []
        for level, prior in enumerate(self._priors(maps[0])):
            boxes.append(self._boxes(level, maps[1][level], prior))
            scores.append(self._scores(maps[0][level], len(prior)))
            if "centerness" in self.outputs:
                factors.append(_rows(maps[2][level], len(prior)).sigmoid().squeeze(-1))
        found = [torch.cat(boxes, dim=1), torch.cat(scores, dim=1)]
        return (*found, torch.cat(factors, dim=1)) if factors else tuple(found)

    def _priors(self, maps: Sequence[Tensor]) -> list[Tensor]:
        sizes = [(int(item.shape[2]), int(item.shape[3])) for item in maps]
        priors: list[Tensor] = self.head.prior_generator.grid_priors(sizes, device=maps[0].device)
        return priors

    def _scores(self, item: Tensor, count: int) -> Tensor:
        logits = _rows(item, count)
        return logits.softmax(dim=-1)[..., :-1] if self.softmax else logits.sigmoid()

    def _boxes(self, level: int, item: Tensor, prior: Tensor) -> Tensor:
        """Return the boxes [N, H * W * A, 4] of one level with H * W * A priors."""
        count = len(prior)
        raw = _rows(item, count)
        if type(self.head).__name__ == "GFLHead":
            raw = self.head.integral(raw) * self.strides[level]
            prior = self.head.anchor_center(prior)
        # mmdet's coders take one prior a row.
        priors = prior.repeat(item.shape[0], 1)
        decoded = self.head.bbox_coder.decode(priors, raw.reshape(-1, 4))
        boxes: Tensor = getattr(decoded, "tensor", decoded)
        return boxes.reshape(-1, count, 4)


def _rows(item: Tensor, count: int) -> Tensor:
    """Turn a map [N, A * C, H, W] into rows [N, count, C], count = H * W * A."""
    width = int(item.shape[1] * item.shape[2] * item.shape[3]) // count
    return item.permute(0, 2, 3, 1).reshape(-1, count, width)
