"""A small project that search spaces name: configs with a teacher, a student and data."""

from __future__ import annotations

import io
import json
from pathlib import Path

from PIL import Image

STUDENT = """
detector = dict(
    type='GFL',
    backbone=dict(type='ResNet', depth=18, frozen_stages=-1, norm_eval=False),
    neck=dict(type='FPN', num_outs=5),
    bbox_head=dict(
        type='GFLHead', num_classes=10, feat_channels=32, stacked_convs=1,
        anchor_generator=dict(type='AnchorGenerator', strides=[8, 16, 32, 64, 128])))
"""
DATA = """
classes = tuple('0123456789')
train_dataloader = dict(batch_size=2, dataset=dict(
    type='RepeatDataset', times=2, dataset=dict(
        type='CocoDataset', data_root='data', ann_file='train.json',
        metainfo=dict(classes=classes), data_prefix=dict(img='train/'))))
val_dataloader = dict(dataset=dict(type='ConcatDataset', datasets=[dict(
    type='CocoDataset', data_root='data', ann_file='val.json',
    metainfo=dict(classes=classes), data_prefix=dict(img='val/'))]))
val_evaluator = dict(type='CocoMetric', ann_file='data/val.json')
optim_wrapper = dict(optimizer=dict(type='SGD', lr=0.01, momentum=0.9), clip_grad=None)
param_scheduler = [dict(type='LinearLR', end=100), dict(type='CosineAnnealingLR', begin=1)]
train_cfg = dict(type='EpochBasedTrainLoop', max_epochs=6)
"""
DISTILLER = """
model = dict(
    type='Distiller', student=detector,
    teacher=dict(config='teacher.py', checkpoint='teacher.pth'),
    distillation=dict(method='tid', loss_weight=1.0))
"""


def _image() -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (64, 64)).save(buffer, "PNG")
    return buffer.getvalue()


IMAGE = _image()
ANNOTATIONS = json.dumps(
    {
        "images": [{"id": 1, "file_name": "0.png", "width": 64, "height": 64}],
        "annotations": [
            {
                "id": digit + 1,
                "image_id": 1,
                "category_id": digit,
                "bbox": [4 * digit, 4, 20, 20],
                "area": 400,
                "iscrowd": 0,
            }
            for digit in range(10)
        ],
        "categories": [{"id": digit, "name": str(digit)} for digit in range(10)],
    }
)


def write_project() -> None:
    """Write the project's files into the current folder."""
    Path("config.py").write_text(STUDENT + DATA + DISTILLER)
    Path("plain.py").write_text(STUDENT + DATA + "model = detector\n")
    Path("teacher.py").write_text(STUDENT + DATA + "model = detector\n")
    Path("teacher.pth").touch()
    for split in ("train", "val"):
        Path("data", split).mkdir(parents=True)
        Path("data", split, "0.png").write_bytes(IMAGE)
        Path(f"data/{split}.json").write_text(ANNOTATIONS)
