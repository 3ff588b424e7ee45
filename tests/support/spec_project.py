"""A small project that search spaces name: configs with a teacher, a student and data."""

from __future__ import annotations

from pathlib import Path

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


def write_project() -> None:
    """Write the project's files into the current folder."""
    Path("config.py").write_text(STUDENT + DATA + DISTILLER)
    Path("plain.py").write_text(STUDENT + DATA + "model = detector\n")
    Path("teacher.py").write_text(STUDENT + DATA + "model = detector\n")
    Path("teacher.pth").touch()
    for split in ("train", "val"):
        Path("data", split).mkdir(parents=True)
        Path(f"data/{split}.json").touch()
