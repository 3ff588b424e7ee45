"""Anchors, decoding and IoU in plain Python floats, for the reference of TID."""

from __future__ import annotations

import math
from dataclasses import dataclass

from torch import Tensor

Box = tuple[float, ...]


@dataclass
class Side:
    """One detector's numbers: `outputs` per kind and level (N, channels, H, W)."""

    kind: str
    features: list[Tensor]
    outputs: list[list[Tensor]]
    training: bool


def iou(a: Box, b: Box) -> float:
    width = min(a[2], b[2]) - max(a[0], b[0])
    height = min(a[3], b[3]) - max(a[1], b[1])
    if width <= 0 or height <= 0:
        return 0.0
    both = width * height
    return both / ((a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - both)


def anchors_at(kind: str, x: int, y: int, stride: int) -> list[Box]:
    """Anchor boxes of one cell; its reference point lies at the cell's upper left corner."""
    shapes = [(4.0, 1.0)]
    if kind == "retinanet":
        shapes = [(4.0 * 2 ** (i / 3), ratio) for ratio in (0.5, 1.0, 2.0) for i in range(3)]
    boxes: list[Box] = []
    for scale, ratio in shapes:
        half_width = stride * scale / math.sqrt(ratio) / 2
        half_height = stride * scale * math.sqrt(ratio) / 2
        cx, cy = x * stride, y * stride
        boxes.append((cx - half_width, cy - half_height, cx + half_width, cy + half_height))
    return boxes


def decode(side: Side, level: int, image: int, x: int, y: int, stride: int) -> list[Box]:
    raw = side.outputs[1][level][image, :, y, x].tolist()
    if side.kind == "fcos":
        scale = stride if side.training else 1
        left, top, right, bottom = (value * scale for value in raw)
        cx, cy = (x + 0.5) * stride, (y + 0.5) * stride
        return [(cx - left, cy - top, cx + right, cy + bottom)]
    anchors = anchors_at(side.kind, x, y, stride)
    if side.kind == "gfl":
        bins = len(raw) // 4
        distances = []
        for edge in range(4):
            weights = [math.exp(value) for value in raw[edge * bins : (edge + 1) * bins]]
            expected = sum(i * weight for i, weight in enumerate(weights)) / sum(weights)
            distances.append(expected * stride)
        left, top, right, bottom = distances
        return [(x * stride - left, y * stride - top, x * stride + right, y * stride + bottom)]
    stds = (0.1, 0.1, 0.2, 0.2) if side.kind == "atss" else (1.0, 1.0, 1.0, 1.0)
    limit = abs(math.log(16 / 1000))
    boxes: list[Box] = []
    for k, anchor in enumerate(anchors):
        dx, dy, dw, dh = (raw[4 * k + i] * stds[i] for i in range(4))
        width, height = anchor[2] - anchor[0], anchor[3] - anchor[1]
        cx = (anchor[0] + anchor[2]) / 2 + dx * width
        cy = (anchor[1] + anchor[3]) / 2 + dy * height
        width *= math.exp(max(-limit, min(limit, dw)))
        height *= math.exp(max(-limit, min(limit, dh)))
        boxes.append((cx - width / 2, cy - height / 2, cx + width / 2, cy + height / 2))
    return boxes
