"""A student as an ONNX graph: backbone, neck, head and decoding; non-maximum suppression outside.

One input, `images` [N, 3, H, W] float32, already normalized and padded; N is free, H and W are
fixed. Outputs, for the P boxes of all levels and points, level by level and row by row:

- `boxes` [N, P, 4]: left, top, right, bottom in pixels of the input, not clipped to the image.
- `scores` [N, P, K]: probability of each class.
- the head's score factor [N, P], if it has one (`centerness` of ATSS and FCOS): the final score is
  score * factor.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from tid_tune.detectors.heads import adapt_head
from tid_tune.errors import UsageError
from tid_tune.openmmlab.detector_types import Detector
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


def export_onnx(detector: Detector, path: Path, size: Size) -> Onnx:
    """Write the graph of `detector`, which must be in evaluation mode on the CPU.

    Raises:
        ConfigError: the head is not a supported one.
        UsageError: the package `onnx` is not installed.
    """
    try:
        import onnx  # noqa: F401 - only to see that it is installed; torch uses it
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

    def __init__(self, detector: Detector) -> None:
        super().__init__()
        adapter = adapt_head(detector, "student")
        self.detector = detector
        self.adapter = adapter
        factors = (adapter.score_factor,) if adapter.score_factor else ()
        self.outputs = ("boxes", "scores", *factors)

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        """Return the tensors named by `outputs`."""
        classes, boxes, *others = self.detector.bbox_head(self.detector.extract_feat(images))
        anchors = self.adapter.boxes_per_point
        found = (
            self.adapter.decode_rows(boxes),
            torch.cat([self._scores(_rows(item, anchors)) for item in classes], dim=1),
        )
        if self.adapter.score_factor is None:
            return found
        factors = [_rows(item, anchors).sigmoid().squeeze(-1) for item in others[0]]
        return *found, torch.cat(factors, dim=1)

    def _scores(self, logits: Tensor) -> Tensor:
        if self.adapter.uses_sigmoid:
            return logits.sigmoid()
        return logits.softmax(dim=-1)[..., :-1]


def _rows(item: Tensor, anchors: int) -> Tensor:
    """Turn a map [N, A * C, H, W] into rows [N, H * W * A, C]."""
    count = int(item.shape[2]) * int(item.shape[3]) * anchors
    return item.permute(0, 2, 3, 1).reshape(-1, count, int(item.shape[1]) // anchors)
