"""A stand-in for mmcv's compiled extension `mmcv._ext`, in plain torch and torchvision.

Dense detectors need only non-maximum suppression and, on CUDA, focal loss from it. Those are given
here with the argument names mmcv calls them by. Every other op exists, so that `mmcv.ops` imports,
and raises when it is called.
"""

from __future__ import annotations

import importlib
import importlib.util
import logging
import sys
import types
from collections.abc import Callable
from importlib.machinery import ModuleSpec
from typing import NoReturn

import torch
from torch import Tensor
from torchvision.ops import nms as torchvision_nms

from tid_tune.errors import ConfigError

NAME = "mmcv._ext"
_LOG = logging.getLogger(__name__)
_NAIVE, _LINEAR = 0, 1


def nms(boxes: Tensor, scores: Tensor, iou_threshold: float, offset: int) -> Tensor:
    """Return the indices (K,) int64 of the boxes kept, best score first.

    `boxes` is (N, 4) as x1, y1, x2, y2, `scores` is (N,). With `offset` 1 a box's width is
    x2 - x1 + 1. A box goes when its IoU with a better kept one is above `iou_threshold`.
    """
    if boxes.dtype in (torch.float16, torch.bfloat16):
        boxes, scores = boxes.float(), scores.float()
    if offset:
        boxes = boxes + boxes.new_tensor([0.0, 0.0, float(offset), float(offset)])
    kept: Tensor = torchvision_nms(boxes, scores.to(boxes), iou_threshold)
    return kept


def softnms(
    boxes: Tensor,
    scores: Tensor,
    dets: Tensor,
    iou_threshold: float,
    sigma: float,
    min_score: float,
    method: int,
    offset: int,
) -> Tensor:
    """Soft-NMS: lower the scores of overlapping boxes instead of dropping them.

    Fills the first K rows of `dets` (N, 5) with boxes and decayed scores in the order they are
    taken and returns their indices (K,) int64. `method` is 0 (drop), 1 (linear), 2 (Gaussian).
    Boxes whose score falls below `min_score` are dropped.
    """
    left = torch.arange(len(boxes))
    decayed = scores.clone()
    taken: list[int] = []
    while len(left):
        best = int(left[decayed[left].argmax()])
        dets[len(taken), :4], dets[len(taken), 4] = boxes[best], decayed[best]
        taken.append(best)
        left = left[left != best]
        overlap = _iou_with(boxes[best], boxes[left], offset)
        decayed[left] *= _decay(overlap, iou_threshold, sigma, method)
        left = left[decayed[left] >= min_score]
    return torch.tensor(taken, dtype=torch.long)


def _decay(overlap: Tensor, iou_threshold: float, sigma: float, method: int) -> Tensor:
    if method not in (_NAIVE, _LINEAR):
        return torch.exp(-(overlap**2) / sigma)
    lowered = torch.zeros_like(overlap) if method == _NAIVE else 1 - overlap
    return torch.where(overlap >= iou_threshold, lowered, torch.ones_like(overlap))


def _iou_with(box: Tensor, boxes: Tensor, offset: int) -> Tensor:
    """Return the IoU (N,) of one box (4,) with `boxes` (N, 4)."""
    low, high = torch.maximum(box[:2], boxes[:, :2]), torch.minimum(box[2:], boxes[:, 2:])
    inter = (high - low + offset).clamp(min=0).prod(dim=1)
    areas = (boxes[:, 2:] - boxes[:, :2] + offset).prod(dim=1)
    return inter / ((box[2:] - box[:2] + offset).prod() + areas - inter)


def sigmoid_focal_loss_forward(
    input: Tensor, target: Tensor, weight: Tensor, output: Tensor, gamma: float, alpha: float
) -> None:
    """Write the focal loss of every logit into `output` (N, C).

    `input` (N, C) holds logits, `target` (N,) class indices where C is background, `weight` is
    empty or (C,), applied by target class. Computed in float32.
    """
    positive, logits = _one_hot(target, input), input.float()
    p = logits.sigmoid()
    log_p, log_q = torch.nn.functional.logsigmoid(logits), torch.nn.functional.logsigmoid(-logits)
    loss = torch.where(positive, -alpha * (1 - p) ** gamma * log_p, -(1 - alpha) * p**gamma * log_q)
    output.copy_(loss * _row_weight(target, weight))


def sigmoid_focal_loss_backward(
    input: Tensor, target: Tensor, weight: Tensor, grad_input: Tensor, gamma: float, alpha: float
) -> None:
    """Write the derivative of each element's focal loss by its logit into `grad_input` (N, C)."""
    positive, logits = _one_hot(target, input), input.float()
    p = logits.sigmoid()
    log_p, log_q = torch.nn.functional.logsigmoid(logits), torch.nn.functional.logsigmoid(-logits)
    grad = torch.where(
        positive,
        -alpha * (1 - p) ** gamma * (1 - p - gamma * p * log_p),
        -(1 - alpha) * p**gamma * (gamma * (1 - p) * log_q - p),
    )
    grad_input.copy_(grad * _row_weight(target, weight))


def _one_hot(target: Tensor, logits: Tensor) -> Tensor:
    return target[:, None] == torch.arange(logits.shape[1], device=logits.device)


def _row_weight(target: Tensor, weight: Tensor) -> Tensor | float:
    if weight.numel() == 0:
        return 1.0
    with_background = torch.cat([weight.float(), weight.new_ones(1).float()])
    return with_background[target][:, None]


OPS: dict[str, Callable[..., object]] = {
    "nms": nms,
    "softnms": softnms,
    "sigmoid_focal_loss_forward": sigmoid_focal_loss_forward,
    "sigmoid_focal_loss_backward": sigmoid_focal_loss_backward,
}


class StandIn(types.ModuleType):
    """The module registered as `mmcv._ext`: the ops above, and errors for all the others."""

    def __init__(self) -> None:
        super().__init__(NAME, "mmcv's compiled ops, stood in for by tid_tune")
        # importlib and pkgutil look a module up by its spec; without one they raise ValueError.
        self.__spec__ = ModuleSpec(NAME, loader=None, origin=__file__)
        self.__dict__.update(OPS)

    def __getattr__(self, name: str) -> Callable[..., NoReturn]:
        if name.startswith("__"):
            raise AttributeError(name)
        return _missing(name)


def _missing(op: str) -> Callable[..., NoReturn]:
    def call(*args: object, **kwargs: object) -> NoReturn:
        raise ConfigError(
            f"the config needs mmcv's compiled op `{op}`, which this installation of mmcv was "
            "built without. Install an mmcv wheel with ops for your torch and CUDA version, or "
            "build it from source (MMCV_WITH_OPS=1 pip install --no-binary onedl-mmcv onedl-mmcv), "
            "or choose a model without that op."
        )

    return call


def install() -> bool:
    """Register the stand-in if mmcv has no compiled ops; return whether the stand-in is in use."""
    loaded = sys.modules.get(NAME)
    if loaded is None and importlib.util.find_spec(NAME) is not None:
        try:
            loaded = importlib.import_module(NAME)
        except ImportError as error:  # built for another torch: its symbols are not found
            _LOG.warning("mmcv's compiled ops cannot be loaded (%s); using torchvision's", error)
    if loaded is None:
        loaded = sys.modules[NAME] = StandIn()
    return isinstance(loaded, StandIn)
