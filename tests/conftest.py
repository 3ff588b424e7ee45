"""A detector small enough to train in milliseconds, on images drawn here."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

# Before anything imports torch: the suite runs in several processes on few cores.
os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import pytest

collect_ignore = ["fixtures"]


def pytest_configure() -> None:
    """Let what is printed not depend on the terminal that the suite is started from."""
    for name in ("COLUMNS", "LINES", "NO_COLOR", "FORCE_COLOR", "CLICOLOR_FORCE", "TTY_COMPATIBLE"):
        os.environ.pop(name, None)


CLASSES = ("square", "bar")

CONFIG = """
default_scope = 'mmdet'
_meta = dict(classes=('square', 'bar'))
_train = [dict(type='LoadImageFromFile'), dict(type='LoadAnnotations', with_bbox=True),
          dict(type='Resize', scale=(64, 64), keep_ratio=True),
          dict(type='RandomFlip', prob={flip}), dict(type='PackDetInputs')]
train_dataloader = dict(
    batch_size=2, num_workers={workers}, sampler=dict(type='DefaultSampler', shuffle=True),
    dataset=dict(type='CocoDataset', data_root='{data}', ann_file='train.json', metainfo=_meta,
                 data_prefix=dict(img='images/'), pipeline=_train))
val_dataloader = dict(
    batch_size=4, num_workers=0, sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(type='CocoDataset', data_root='{data}', ann_file='val.json', metainfo=_meta,
                 data_prefix=dict(img='images/'), test_mode=True, pipeline=_train))
val_evaluator = dict(type='CocoMetric', ann_file='{data}/val.json', metric='bbox')
val_cfg = dict(type='ValLoop')
_detector = dict(
    type='GFL',
    data_preprocessor=dict(type='DetDataPreprocessor', mean=[128.] * 3, std=[64.] * 3),
    backbone=dict(type='ResNet', depth=18, base_channels={width}, num_stages=2, strides=(1, 2),
                  dilations=(1, 1), out_indices=(0, 1), frozen_stages=-1, norm_eval=False),
    neck=dict(type='FPN', in_channels=[{width}, 2 * {width}], out_channels=8, num_outs=2),
    bbox_head=dict(
        type='GFLHead', num_classes=2, in_channels=8, feat_channels=8, stacked_convs=1,
        norm_cfg=dict(type='GN', num_groups=2),
        anchor_generator=dict(type='AnchorGenerator', ratios=[1.0], octave_base_scale=4,
                              scales_per_octave=1, strides=[4, 8]),
        loss_cls=dict(type='QualityFocalLoss', use_sigmoid=True, beta=2.0),
        loss_dfl=dict(type='DistributionFocalLoss', loss_weight=0.25), reg_max=8,
        loss_bbox=dict(type='GIoULoss', loss_weight=2.0)),
    train_cfg=dict(assigner=dict(type='ATSSAssigner', topk=4), allowed_border=-1, pos_weight=-1),
    test_cfg=dict(nms_pre=100, min_bbox_size=0, score_thr=0.0,
                  nms=dict(type='nms', iou_threshold=0.6), max_per_img=10))
model = _detector
train_cfg = dict(by_epoch=True, max_epochs=4)
optim_wrapper = dict(optimizer=dict(type='SGD', lr=0.01, momentum=0.9))
param_scheduler = [
    dict(type='LinearLR', start_factor=0.1, by_epoch=False, begin=0, end=4),
    dict(type='MultiStepLR', by_epoch=True, milestones=[2, 3], gamma=0.1)]
"""


def _draw(folder: Path, name: str, count: int, seed: int) -> None:
    import cv2

    rng = np.random.default_rng(seed)
    images: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    for i in range(count):
        image = rng.integers(0, 60, (64, 64, 3), dtype=np.uint8)
        for _ in range(rng.integers(1, 3)):
            category = int(rng.integers(2))
            w, h = (18, 18) if category == 0 else (28, 10)
            x, y = int(rng.integers(0, 64 - w)), int(rng.integers(0, 64 - h))
            image[y : y + h, x : x + w] = rng.integers(180, 255)
            annotations.append(
                {
                    "id": len(annotations) + 1,
                    "image_id": i,
                    "category_id": category + 1,
                    "bbox": [x, y, w, h],
                    "area": w * h,
                    "iscrowd": 0,
                }
            )
        file = f"{name}{i}.png"
        cv2.imwrite(str(folder / "images" / file), image)
        images.append({"id": i, "file_name": file, "width": 64, "height": 64})
    content = {
        "images": images,
        "annotations": annotations,
        "categories": [{"id": i + 1, "name": c} for i, c in enumerate(CLASSES)],
    }
    (folder / f"{name}.json").write_text(json.dumps(content))


@pytest.fixture(scope="session")
def shapes_data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A COCO folder: 10 training and 4 validation images of squares and bars."""
    folder = tmp_path_factory.mktemp("shapes")
    (folder / "images").mkdir()
    _draw(folder, "train", 10, seed=0)
    _draw(folder, "val", 4, seed=1)
    return folder


@pytest.fixture
def shapes_config(shapes_data: Path, tmp_path: Path) -> Callable[..., Path]:
    """A function that writes a config of a tiny GFL detector; `more` is appended to it."""

    def write(
        more: str = "",
        *,
        name: str = "config.py",
        flip: float = 0.0,
        workers: int = 0,
        width: int = 4,
    ) -> Path:
        path = tmp_path / name
        text = CONFIG.format(data=shapes_data, flip=flip, workers=workers, width=width)
        path.write_text(text + more)
        return path

    return write
