"""Ground truth padded over the batch, and overlap of boxes, for all images at once.

Boxes are (x1, y1, x2, y2) in pixels of the padded input, float32.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from tid_tune.openmmlab.detector_types import Instances

PAIRS_AT_ONCE = 2**23
"""Box pairs compared in one go; bounds the memory of a crowded batch (32 MB a temporary)."""
PAIRS_IN_CACHE = 2**17
"""The same where a CPU compares them: a temporary fits into its cache."""
TINY = 1e-6
"""Square pixels: divides instead of an area of 0."""


@dataclass(frozen=True)
class GroundTruth:
    """Objects of a batch, padded to the image with the most (at least one slot).

    `boxes` is (N, G, 4) float32, `labels` (N, G) int64, `real` (N, G) bool: false where padded.
    """

    boxes: Tensor
    labels: Tensor
    real: Tensor

    @classmethod
    def of(cls, instances: Sequence[Instances], device: torch.device) -> GroundTruth:
        """Read mmdet's `gt_instances` (`bboxes` as a tensor or mmdet box type, and `labels`)."""
        boxes = [getattr(item.bboxes, "tensor", item.bboxes).float() for item in instances]
        spare = torch.zeros(1, 4, device=device)
        padded = pad_sequence([*boxes, spare], batch_first=True)[:-1]
        labels = pad_sequence(
            [*(item.labels.long() for item in instances), spare.new_zeros(1, dtype=torch.long)],
            batch_first=True,
        )[:-1]
        counts = torch.tensor([len(item) for item in boxes]).to(device, non_blocking=True)
        real = torch.arange(padded.shape[1], device=device) < counts[:, None]
        return cls(padded, labels, real)


def iou(first: Tensor, second: Tensor) -> Tensor:
    """Return the IoU of boxes (..., 4), broadcast against each other; 0 where both are empty."""
    shared, union = _shared_and_union(first, second)
    return shared / union.clamp(min=TINY)


def giou(first: Tensor, second: Tensor) -> Tensor:
    """Return the generalized IoU, in [-1, 1] (Rezatofighi et al., CVPR 2019); otherwise like `iou`.

    Not torchvision's, whose loss indexes by a mask and so waits for the device at every step.
    """
    shared, union = _shared_and_union(first, second)
    low = torch.minimum(first[..., :2], second[..., :2])
    high = torch.maximum(first[..., 2:], second[..., 2:])
    hull = _area(torch.cat([low, high], dim=-1))
    return shared / union.clamp(min=TINY) - (hull - union) / hull.clamp(min=TINY)


def best_match(boxes: Tensor, truth: GroundTruth) -> tuple[Tensor, Tensor]:
    """Find for every box the highest IoU over the image's objects, and the object that has it.

    Args:
        boxes: (N, P, 4).
        truth: the objects of the same N images.

    Returns:
        IoU (N, P) in [0, 1], 0 where the image has no object, and the index (N, P) of the first
        object with that IoU, 0 where there is none.
    """
    count = boxes.shape[0] * boxes.shape[1]
    most = min(PAIRS_AT_ONCE, PAIRS_IN_CACHE) if boxes.device.type == "cpu" else PAIRS_AT_ONCE
    chunk = max(1, most // max(1, count))
    best = boxes.new_zeros(boxes.shape[:2])
    index = torch.zeros_like(best, dtype=torch.long)
    for start in range(0, truth.boxes.shape[1], chunk):
        overlap = pairwise_iou(truth.boxes[:, start : start + chunk], boxes)
        high, where = overlap.max(dim=1)
        better = high > best
        best = torch.where(better, high, best)
        index = torch.where(better, where + start, index)
    return best, index


def pairwise_iou(objects: Tensor, boxes: Tensor) -> Tensor:
    """Return the IoU (N, G, P) of all pairs of boxes (N, G, 4) and (N, P, 4), each as `iou` does.

    That of an object without area, as in the padding of a ground truth, is 0. Every coordinate is a
    contiguous plane, with the many boxes last: so each operation is one pass over memory.
    """
    ours = [item[:, :, None] for item in objects.movedim(-1, 0)]
    theirs = [item[:, None] for item in boxes.movedim(-1, 0).contiguous()]
    area = (theirs[2] - theirs[0]) * (theirs[3] - theirs[1])
    width = (torch.minimum(theirs[2], ours[2]) - torch.maximum(theirs[0], ours[0])).clamp_(min=0)
    height = (torch.minimum(theirs[3], ours[3]) - torch.maximum(theirs[1], ours[1])).clamp_(min=0)
    shared = width.mul_(height)
    union = area + (ours[2] - ours[0]) * (ours[3] - ours[1])
    overlap: Tensor = shared / union.sub_(shared).clamp_(min=TINY)
    return overlap


def centers(boxes: Tensor) -> Tensor:
    """Return the centers (..., 2) of boxes (..., 4)."""
    return (boxes[..., :2] + boxes[..., 2:]) / 2


def _shared_and_union(first: Tensor, second: Tensor) -> tuple[Tensor, Tensor]:
    low = torch.maximum(first[..., :2], second[..., :2])
    high = torch.minimum(first[..., 2:], second[..., 2:])
    size = (high - low).clamp(min=0)
    shared = size[..., 0] * size[..., 1]
    return shared, _area(first) + _area(second) - shared


def _area(boxes: Tensor) -> Tensor:
    return (boxes[..., 2] - boxes[..., 0]) * (boxes[..., 3] - boxes[..., 1])
