"""Tiny detectors and batches for these tests."""

from __future__ import annotations

from typing import Any

import torch
from mmengine.structures import InstanceData
from torch import Tensor

from tid_tune.openmmlab.setup import prepare

prepare()

from mmdet.structures import DetDataSample  # noqa: E402

STRIDES = [8, 16, 32]
CLASSES = 3
HEADS = ("gfl", "atss", "retinanet", "fcos")


def detector(
    kind: str,
    width: int = 8,
    strides: list[int] | None = None,
    classes: int = CLASSES,
    **head: Any,
) -> dict[str, Any]:
    """Config of a tiny detector: ResNet-18 with few channels, an FPN `width` wide, small head."""
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


Parts = tuple[str, dict[str, Any], dict[str, Any] | None]
FOCAL = {"type": "FocalLoss", "use_sigmoid": True, "gamma": 2.0, "alpha": 0.25, "loss_weight": 1.0}
CENTERNESS = {"type": "CrossEntropyLoss", "use_sigmoid": True, "loss_weight": 1.0}
GROUP_NORM = {"type": "GN", "num_groups": 2, "requires_grad": True}


def _one_anchor(strides: list[int]) -> dict[str, Any]:
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
) -> list[Any]:
    """Data samples of a batch; the label of the k-th object of an image is k modulo 3."""
    found = []
    for objects, shape, pad in zip(boxes, shapes, padded or shapes, strict=True):
        sample = DetDataSample(metainfo={"img_shape": shape, "pad_shape": pad})
        sample.gt_instances = InstanceData(
            bboxes=torch.tensor(objects, dtype=torch.float32).reshape(-1, 4),
            labels=torch.arange(len(objects)) % CLASSES,
        )
        found.append(sample)
    return found


def images(count: int, height: int, width: int, seed: int = 0) -> Tensor:
    """A batch of noise, as preprocessed."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(count, 3, height, width, generator=generator)
