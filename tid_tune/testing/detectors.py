"""Detectors small enough to test with, one of each supported head, and batches for them."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from tid_tune.openmmlab.detector_types import Sample
from tid_tune.openmmlab.models import build_model, data_sample

Config = dict[str, Any]
"""As in mmdet's configs."""
STRIDES = [8, 16, 32]
CLASSES = 3
PREDICTORS = {
    "gfl": ("gfl_cls", "gfl_reg"),
    "atss": ("atss_cls", "atss_reg"),
    "retinanet": ("retina_cls", "retina_reg"),
    "fcos": ("conv_cls", "conv_reg"),
}
"""Kinds of detectors, with the last layers of their heads, for classes and for boxes."""
HEADS = tuple(PREDICTORS)


def detector(
    kind: str,
    width: int = 8,
    strides: list[int] | None = None,
    classes: int = CLASSES,
    **head: object,
) -> Config:
    """Return the config of a tiny detector: ResNet-18 with few channels, an FPN, a small head.

    Args:
        kind: one of `HEADS`.
        width: channels of the pyramid.
        strides: of its levels in pixels; by default 8, 16 and 32.
        classes: number of classes.
        head: what to change in the head's config.
    """
    strides = strides or STRIDES
    parts = {"gfl": _gfl, "atss": _atss, "retinanet": _retinanet, "fcos": _fcos}[kind](strides)
    name, bbox_head, assigner = parts
    bbox_head |= {
        "num_classes": classes,
        "in_channels": width,
        "feat_channels": 8,
        "stacked_convs": 1,
    }
    return {
        "type": name,
        "data_preprocessor": {
            "type": "DetDataPreprocessor",
            "mean": [0.0, 0.0, 0.0],
            "std": [1.0, 1.0, 1.0],
            "pad_size_divisor": 32,
        },
        "backbone": {
            "type": "ResNet",
            "depth": 18,
            "base_channels": 8,
            "out_indices": (1, 2, 3),
            "norm_cfg": {"type": "BN", "requires_grad": True},
            "norm_eval": True,
        },
        "neck": {
            "type": "FPN",
            "in_channels": [16, 32, 64],
            "out_channels": width,
            "num_outs": len(strides),
            "add_extra_convs": "on_output",
        },
        "bbox_head": bbox_head | head,
        "train_cfg": {"assigner": assigner, "allowed_border": -1, "pos_weight": -1, "debug": False},
        "test_cfg": {
            "nms_pre": 100,
            "min_bbox_size": 0,
            "score_thr": 0.01,
            "nms": {"type": "nms", "iou_threshold": 0.6},
            "max_per_img": 20,
        },
    }


Parts = tuple[str, Config, Config | None]
FOCAL = {"type": "FocalLoss", "use_sigmoid": True, "gamma": 2.0, "alpha": 0.25, "loss_weight": 1.0}
CENTERNESS = {"type": "CrossEntropyLoss", "use_sigmoid": True, "loss_weight": 1.0}
GROUP_NORM = {"type": "GN", "num_groups": 2, "requires_grad": True}


def _one_anchor(strides: list[int]) -> Config:
    return {
        "type": "AnchorGenerator",
        "ratios": [1.0],
        "octave_base_scale": 4,
        "scales_per_octave": 1,
        "strides": strides,
    }


def _gfl(strides: list[int]) -> Parts:
    head = {
        "type": "GFLHead",
        "norm_cfg": GROUP_NORM,
        "anchor_generator": _one_anchor(strides),
        "loss_cls": {"type": "QualityFocalLoss", "use_sigmoid": True, "beta": 2.0},
        "loss_dfl": {"type": "DistributionFocalLoss", "loss_weight": 0.25},
        "reg_max": 8,
        "loss_bbox": {"type": "GIoULoss", "loss_weight": 2.0},
    }
    return "GFL", head, {"type": "ATSSAssigner", "topk": 4}


def _atss(strides: list[int]) -> Parts:
    head = {
        "type": "ATSSHead",
        "norm_cfg": GROUP_NORM,
        "anchor_generator": _one_anchor(strides),
        "bbox_coder": {
            "type": "DeltaXYWHBBoxCoder",
            "target_means": [0.0, 0.0, 0.0, 0.0],
            "target_stds": [0.1, 0.1, 0.2, 0.2],
        },
        "loss_cls": FOCAL,
        "loss_bbox": {"type": "GIoULoss", "loss_weight": 2.0},
        "loss_centerness": CENTERNESS,
    }
    return "ATSS", head, {"type": "ATSSAssigner", "topk": 4}


def _retinanet(strides: list[int]) -> Parts:
    head = {
        "type": "RetinaHead",
        "anchor_generator": {
            "type": "AnchorGenerator",
            "octave_base_scale": 4,
            "scales_per_octave": 3,
            "ratios": [0.5, 1.0, 2.0],
            "strides": strides,
        },
        "bbox_coder": {
            "type": "DeltaXYWHBBoxCoder",
            "target_means": [0.0, 0.0, 0.0, 0.0],
            "target_stds": [1.0, 1.0, 1.0, 1.0],
        },
        "loss_cls": FOCAL,
        "loss_bbox": {"type": "L1Loss", "loss_weight": 1.0},
    }
    assigner = {
        "type": "MaxIoUAssigner",
        "pos_iou_thr": 0.45,
        "neg_iou_thr": 0.35,
        "min_pos_iou": 0,
        "ignore_iof_thr": -1,
    }
    return "RetinaNet", head, assigner


def _fcos(strides: list[int]) -> Parts:
    ranges = [(-1, 32), (32, 64), (64, 1e8)]
    head = {
        "type": "FCOSHead",
        "norm_cfg": GROUP_NORM,
        "strides": strides,
        "regress_ranges": ranges[: len(strides)],
        "norm_on_bbox": True,
        "centerness_on_reg": True,
        "loss_cls": FOCAL,
        "loss_bbox": {"type": "GIoULoss", "loss_weight": 1.0},
        "loss_centerness": CENTERNESS,
    }
    return "FCOS", head, None


def samples(
    boxes: list[list[list[float]]],
    shapes: list[tuple[int, int]],
    padded: list[tuple[int, int]] | None = None,
) -> list[Sample]:
    """Return mmdet's samples of a batch; the k-th object of an image has the label k modulo 3."""
    return [
        data_sample(objects, [k % CLASSES for k in range(len(objects))], shape, pad)
        for objects, shape, pad in zip(boxes, shapes, padded or shapes, strict=True)
    ]


def images(count: int, height: int, width: int, seed: int = 0) -> Tensor:
    """Return a batch (N, 3, H, W) of noise, as preprocessed."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(count, 3, height, width, generator=generator)


def lively_head(kind: str, seed: int, **changes: Any) -> nn.Module:
    """Build the head of a tiny detector, with scores and boxes that differ from point to point.

    Args:
        kind: one of `HEADS`.
        seed: of its weights.
        changes: as for `detector`; the towers have three convolutions by default.
    """
    config = detector(kind, **({"stacked_convs": 3} | changes))
    torch.manual_seed(seed)
    head = build_model(config["bbox_head"], train_cfg=config["train_cfg"])
    for name, spread, bias in zip(
        PREDICTORS[kind], (0.15, 0.1), (-1.0, 1.0 if kind == "fcos" else 0.0), strict=True
    ):
        layer = head.get_submodule(name)
        nn.init.normal_(layer.get_parameter("weight"), std=spread)
        nn.init.constant_(layer.get_parameter("bias"), bias)
    if kind == "retinanet":  # its towers have no normalization and start with tiny weights
        for module in head.modules():
            if isinstance(module, nn.Conv2d) and module.out_channels == 8:
                nn.init.normal_(module.weight, std=0.2)
    return head
